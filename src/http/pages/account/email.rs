//! The e-mail address: confirmed, changed.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::resident::{Resident, Shown, Submission};
use crate::http::App;
use crate::http::pages::entrance::Field;
use crate::http::pages::failure::Failure;
use crate::http::pages::words::Words;
use crate::service::accounts::{EmailError, EmailUpdate, UpdateCode};
use crate::service::email_tokens::{EmailTokenError, Purpose};
use crate::service::rates::Bucket;

/// `/account/email`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, Said::Nothing).await
}

/// Sends a code: to confirm the address, or to change it.
pub async fn send_code(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let confirms = sent.field("for") == Some("confirm");
    let bucket = if confirms { Bucket::ConfirmationLetter } else { Bucket::UpdateLetter };
    if resident.visitor.meter.spend(bucket, resident.account.did.as_str(), 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let actor = resident.actor();
    let outcome = match confirms {
        true => app.accounts.send_code(&actor, Purpose::ConfirmEmail).await,
        false => app.accounts.prepare_email_update(&actor).await.map(|_: UpdateCode| ()),
    };
    answer(&app, resident, outcome, "email-code-sent").await
}

/// Takes the code that confirms the address.
pub async fn confirm(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let code = sent.field("code").unwrap_or_default();
    let (actor, email) = (resident.actor(), &resident.account.email);
    let outcome = app.accounts.confirm_email(&actor, email, code).await;
    answer(&app, resident, outcome, "email-confirmed").await
}

/// Takes another address.
pub async fn change(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let email = sent.field("email").unwrap_or_default();
    let update = EmailUpdate { email, code: sent.field("code"), factor: None };
    let outcome = app.accounts.update_email(&resident.actor(), &update).await;
    answer(&app, resident, outcome, "email-changed").await
}

enum Said {
    Nothing,
    Done(String),
    Wrong(String),
}

async fn answer(
    app: &App,
    resident: &Resident,
    outcome: Result<(), EmailError>,
    done: &str,
) -> Response {
    let words = resident.words();
    let said = match outcome {
        Ok(()) => Said::Done(match done {
            "email-confirmed" => words.say("email-confirmed"),
            "email-changed" => words.say("email-changed"),
            _ => words.say("email-code-sent"),
        }),
        Err(error) => match told(words, error) {
            Ok(text) => Said::Wrong(text),
            Err(failure) => return resident.fail(app, failure),
        },
    };
    page(app, resident, said).await
}

/// What is wrong about an address or a code.
pub fn told(words: &Words, error: EmailError) -> Result<String, Failure> {
    Ok(match error {
        EmailError::Unsupported | EmailError::OtherAddress => words.say("bad-email"),
        EmailError::TokenRequired => words.say("email-code-needed"),
        EmailError::Token(EmailTokenError::Invalid) => words.say("code-wrong"),
        EmailError::Token(EmailTokenError::Expired) => words.say("code-expired"),
        EmailError::Token(EmailTokenError::MailOff) => words.say("mail-off"),
        EmailError::Token(EmailTokenError::Store(error)) | EmailError::Store(error) => {
            return Err(error.into());
        }
        EmailError::Missing | EmailError::NoRecipient | EmailError::Factor(_) => {
            return Err(Failure::Internal);
        }
    })
}

async fn page(app: &App, resident: &Resident, said: Said) -> Response {
    let words = resident.words();
    let found = crate::store::accounts::find(&app.store.db, resident.account.id).await;
    let account = match found {
        Ok(Some(account)) => account,
        Ok(None) => return resident.fail(app, Failure::NotFound),
        Err(error) => return resident.fail(app, error),
    };
    let confirmed = account.email_confirmed_at.is_some();
    let code = Field {
        name: "code",
        kind: "text",
        label: words.say("code"),
        hint: Some(words.say("code-hint")),
        value: None,
        autocomplete: "one-time-code",
    };
    let body = html! {
        section.panel {
            p { strong { (account.email) } " "
                @if confirmed { span.tag.good { (words.say("email-is-confirmed")) } }
                @else { span.tag { (words.say("email-is-not-confirmed")) } }
            }
            @if !confirmed {
                p { (words.say("email-confirm-text")) }
                (send(app, resident, "confirm"))
                form method="post" action="/account/email/confirm" {
                    (resident.fields(app))
                    (code.required())
                    div.buttons { button type="submit" { (words.say("email-confirm")) } }
                }
            }
        }
        section.panel {
            h2 { (words.say("email-change")) }
            @if confirmed {
                p { (words.say("email-change-text")) }
                (send(app, resident, "change"))
            }
            form method="post" action="/account/email/change" {
                (resident.fields(app))
                (Field {
                    name: "email", kind: "email", label: words.say("email-new"), hint: None,
                    value: None, autocomplete: "email",
                }.required())
                @if confirmed {
                    div.field {
                        label for="field-change-code" { (words.say("code")) }
                        input id="field-change-code" name="code" type="text" autocomplete="one-time-code" required autocapitalize="none" spellcheck="false";
                    }
                }
                div.buttons { button type="submit" { (words.say("email-change")) } }
            }
        }
    };
    let (done, wrong) = match said {
        Said::Nothing => (None, None),
        Said::Done(text) => (Some(text), None),
        Said::Wrong(text) => (None, Some(text)),
    };
    let title = words.say("email");
    resident.show(app, Shown { place: "email", title, wrong, done, body }).await
}

/// The button that has a code sent.
fn send(app: &App, resident: &Resident, purpose: &str) -> Markup {
    html! {
        form method="post" action="/account/email/code" {
            (resident.fields(app))
            input type="hidden" name="for" value=(purpose);
            div.buttons { button.second type="submit" { (resident.words().say("send-code")) } }
        }
    }
}
