//! The password: changed by somebody who knows it, taken away by somebody who has
//! a passkey, set anew by somebody who has none.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::resident::{Resident, Shown, Submission};
use crate::http::App;
use crate::http::pages::entrance::Field;
use crate::http::pages::failure::Failure;
use crate::service::accounts::PasswordChangeError;
use crate::service::passwords;
use crate::service::rates::Bucket;

/// `/account/password`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, None, None).await
}

/// Takes a new password. Everybody else who is signed in to the account, and
/// every app, is sent away.
pub async fn change(State(app): State<App>, mut sent: Submission) -> Response {
    let words = sent.resident.words();
    let did = sent.resident.account.did.clone();
    let subject = format!("{} {}", sent.resident.visitor.meter.address(), did.as_str());
    if sent.resident.visitor.meter.spend(Bucket::LogIn, &subject, 1).is_err() {
        return sent.resident.fail(&app, Failure::TooMany);
    }
    let text = |name: &str| sent.field(name).unwrap_or_default().to_owned();
    let (present, new) = (text("current"), text("password"));
    if passwords::is_none(&sent.resident.account.password_hash)
        && let Err(first) = sent.resident.recently(&app).await
    {
        return first;
    }
    let account = &sent.resident.account;
    let wrong = match app.accounts.change_password(account, &present, &new).await {
        Ok(()) => {
            let (id, keep) = (account.id, sent.resident.keeps());
            if let Err(failure) = sent.resident.visitor.sign_in(&app, id, keep).await {
                return failure.into_page(&app, words);
            }
            let done = Some(words.say("password-changed"));
            return page(&app, &sent.resident, None, done).await;
        }
        Err(PasswordChangeError::Wrong) => words.say("current-password-wrong"),
        Err(PasswordChangeError::Length) => words.say("bad-password"),
        Err(PasswordChangeError::Busy(_)) => words.say("busy"),
        Err(error) => return failed(&app, &sent.resident, error),
    };
    page(&app, &sent.resident, Some(wrong), None).await
}

/// Takes it away.
pub async fn remove(State(app): State<App>, sent: Submission) -> Response {
    let mut resident = sent.resident;
    let words = resident.words();
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match app.accounts.remove_password(&resident.account).await {
        Ok(()) => {
            resident.account.password_hash = passwords::no_hash();
            page(&app, &resident, None, Some(words.say("password-removed"))).await
        }
        Err(PasswordChangeError::OnlyWayIn) => {
            page(&app, &resident, Some(words.say("passkey-last")), None).await
        }
        Err(error) => failed(&app, &resident, error),
    }
}

fn failed(app: &App, resident: &Resident, error: PasswordChangeError) -> Response {
    match error {
        PasswordChangeError::Store(error) => resident.fail(app, error),
        error => resident.fail(app, Failure::internal(error)),
    }
}

async fn page(
    app: &App,
    resident: &Resident,
    wrong: Option<String>,
    done: Option<String>,
) -> Response {
    let words = resident.words();
    let none = passwords::is_none(&resident.account.password_hash);
    let passkeys = match app.passkeys.of(resident.account.id).await {
        Ok(passkeys) => passkeys,
        Err(error) => return resident.fail(app, error),
    };
    let body = html! {
        section.panel {
            @if none { p { (words.say("password-none")) } }
            p { (words.say("password-text")) }
            form method="post" action="/account/password" {
                (resident.fields(app))
                // Password managers want to know whose it is.
                input type="text" name="username" value=(resident.account.handle.as_str()) autocomplete="username" hidden;
                @if !none {
                    (Field {
                        name: "current", kind: "password", label: words.say("current-password"),
                        hint: None, value: None, autocomplete: "current-password",
                    }.required())
                }
                (Field {
                    name: "password", kind: "password", label: words.say("new-password"),
                    hint: Some(words.say("new-password-hint")), value: None, autocomplete: "new-password",
                }.required())
                div.buttons { button type="submit" { (words.say("set-password")) } }
            }
            p.small { a href="/account/reset-password" { (words.say("forgot-password")) } }
        }
        @if !none && !passkeys.is_empty() {
            section.panel {
                h2 { (words.say("password-remove")) }
                p { (words.say("password-remove-text")) }
                form method="post" action="/account/password/remove" {
                    (resident.fields(app))
                    div.buttons { button.danger type="submit" { (words.say("password-remove")) } }
                }
            }
        }
    };
    let title = words.say("password");
    resident.show(app, Shown { place: "password", title, wrong, done, body }).await
}
