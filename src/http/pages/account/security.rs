//! Second factors: an authenticator app, codes by e-mail, recovery codes.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::http::pages::entrance::Field;
use crate::http::pages::failure::Failure;
use crate::http::pages::qr::qr;
use crate::http::pages::words::Words;
use crate::http::{App, XrpcError};
use crate::service::factors::{FactorError, Setup};
use crate::store::factors::Enrolled;

/// `/account/security`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, Said::default()).await
}

/// Shows the secret for an authenticator app.
pub async fn begin_totp(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match app.factors.begin_totp(&resident.account, &app.look.name).await {
        Ok(setup) => page(&app, resident, Said { setup: Some(setup), ..Said::default() }).await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// Takes the first code of it. Recovery codes are shown, if there are none.
pub async fn confirm_totp(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let code = sent.field("code").unwrap_or_default();
    match app.factors.confirm_totp(&resident.account, code).await {
        Ok(()) => added(&app, resident).await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// Forgets it.
pub async fn remove_totp(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match app.factors.remove_totp(&resident.account).await {
        Ok(()) => done(&app, resident, resident.words().say("factor-removed")).await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// Has codes mailed, or no longer.
pub async fn set_email(State(app): State<App>, sent: Submission) -> Response {
    let (resident, words) = (&sent.resident, sent.resident.words());
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let outcome = match sent.field("wanted") {
        Some(_) => app.factors.add_email(&resident.account).await,
        None => app.factors.remove_email(&resident.account).await,
    };
    match (outcome, sent.field("wanted")) {
        (Ok(()), Some(_)) => added(&app, resident).await,
        (Ok(()), None) => done(&app, resident, words.say("factor-removed")).await,
        (Err(error), _) => failed(&app, resident, error).await,
    }
}

/// Gives out new recovery codes.
pub async fn new_codes(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match app.factors.new_recovery_codes(&resident.account).await {
        Ok(codes) => page(&app, resident, Said { codes, ..Said::default() }).await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// What a page says beside how things stand.
#[derive(Default)]
struct Said {
    done: Option<String>,
    wrong: Option<String>,
    setup: Option<Setup>,
    codes: Vec<String>,
}

/// A factor is there: whoever has no recovery codes gets some.
async fn added(app: &App, resident: &Resident) -> Response {
    let text = resident.words().say("factor-added");
    let enrolled = match app.factors.enrolled(resident.account.id).await {
        Ok(enrolled) => enrolled,
        Err(error) => return resident.fail(app, error),
    };
    if enrolled.recovery_codes > 0 {
        return done(app, resident, text).await;
    }
    match app.factors.new_recovery_codes(&resident.account).await {
        Ok(codes) => page(app, resident, Said { done: Some(text), codes, ..Said::default() }).await,
        Err(error) => failed(app, resident, error).await,
    }
}

async fn done(app: &App, resident: &Resident, text: String) -> Response {
    page(app, resident, Said { done: Some(text), ..Said::default() }).await
}

async fn failed(app: &App, resident: &Resident, error: FactorError) -> Response {
    let words = resident.words();
    let wrong = match error {
        FactorError::Wrong | FactorError::Expired | FactorError::Missing => {
            words.say("factor-wrong")
        }
        FactorError::Locked(_) => words.say("too-many-tries"),
        FactorError::Exists => words.say("factor-exists"),
        FactorError::EmailUnconfirmed => words.say("factor-email-unconfirmed"),
        FactorError::MailOff => words.say("mail-off"),
        error => return resident.fail(app, Failure::from(XrpcError::from(error))),
    };
    page(app, resident, Said { wrong: Some(wrong), ..Said::default() }).await
}

async fn page(app: &App, resident: &Resident, said: Said) -> Response {
    let words = resident.words();
    let enrolled = match app.factors.enrolled(resident.account.id).await {
        Ok(enrolled) => enrolled,
        Err(error) => return resident.fail(app, error),
    };
    let Said { done, wrong, setup, codes } = said;
    let body = html! {
        @if !codes.is_empty() { (shown_codes(words, &codes)) }
        section.panel {
            h2 { (words.say("totp")) }
            @match (&setup, enrolled.totp_since) {
                (Some(setup), _) => (shown_setup(app, resident, setup)),
                (None, Some(since)) => {
                    p { span.tag.good { (words.say("factor-on")) } " " (words.say("since")) " " (moment(since)) }
                    (button(app, resident, "/account/security/totp/remove", words.say("factor-remove")))
                },
                (None, None) => {
                    p { (words.say("totp-text")) }
                    (button(app, resident, "/account/security/totp", words.say("totp-begin")))
                },
            }
        }
        (email(app, resident, &enrolled))
        section.panel {
            h2 { (words.say("recovery-codes")) }
            p { (words.say_with("recovery-codes-text", &[("left", &enrolled.recovery_codes.to_string())])) }
            (button(app, resident, "/account/security/codes", words.say("recovery-codes-new")))
        }
    };
    let title = words.say("security");
    resident.show(app, Shown { place: "security", title, wrong, done, body }).await
}

fn email(app: &App, resident: &Resident, enrolled: &Enrolled) -> Markup {
    let words = resident.words();
    html! {
        section.panel {
            h2 { (words.say("email-factor")) }
            @match enrolled.email_since {
                Some(since) => {
                    p { span.tag.good { (words.say("factor-on")) } " " (words.say("since")) " " (moment(since)) }
                    (button(app, resident, "/account/security/email", words.say("factor-remove")))
                },
                None => {
                    p { (words.say("email-factor-text")) }
                    form method="post" action="/account/security/email" {
                        (resident.fields(app))
                        input type="hidden" name="wanted" value="yes";
                        div.buttons { button.second type="submit" { (words.say("email-factor-begin")) } }
                    }
                },
            }
        }
    }
}

fn button(app: &App, resident: &Resident, action: &str, text: String) -> Markup {
    html! {
        form method="post" action=(action) {
            (resident.fields(app))
            div.buttons { button.second type="submit" { (text) } }
        }
    }
}

fn shown_setup(app: &App, resident: &Resident, setup: &Setup) -> Markup {
    let words = resident.words();
    html! {
        p { (words.say("totp-scan")) }
        (qr(&words.say("totp-qr"), &setup.uri))
        p.hint { (words.say("totp-type")) }
        pre { (grouped(&setup.secret)) }
        form method="post" action="/account/security/totp/confirm" {
            (resident.fields(app))
            (Field {
                name: "code", kind: "text", label: words.say("totp-code"),
                hint: Some(words.say("totp-code-hint")), value: None, autocomplete: "one-time-code",
            }.required())
            div.buttons { button type="submit" { (words.say("totp-confirm")) } }
        }
    }
}

fn shown_codes(words: &Words, codes: &[String]) -> Markup {
    html! {
        section.panel {
            h2 { (words.say("recovery-codes")) }
            p { (words.say("recovery-codes-shown")) }
            pre { @for code in codes { (code) "\n" } }
        }
    }
}

/// A text in groups of four, for people who type it.
fn grouped(secret: &str) -> String {
    let groups = secret.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}
