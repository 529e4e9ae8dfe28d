//! Rest, return and the end of an account.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::email;
use super::resident::{Resident, Shown, Submission};
use crate::http::pages::entrance::Field;
use crate::http::pages::failure::Failure;
use crate::http::{App, XrpcError};
use crate::service::accounts::{DeleteError, StandingError};
use crate::service::email_tokens::{EmailTokenError, Purpose};
use crate::service::passwords;
use crate::service::rates::Bucket;
use crate::store::accounts::Status;

/// `/account/leave`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, None, None).await
}

/// Puts the account to rest.
pub async fn deactivate(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    stood(&app, resident, app.accounts.deactivate(&resident.actor(), None).await).await
}

/// Brings it back.
pub async fn activate(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    stood(&app, resident, app.accounts.activate(&resident.actor()).await).await
}

async fn stood(app: &App, resident: &Resident, outcome: Result<(), StandingError>) -> Response {
    match outcome {
        Ok(()) => resident.go(app, "/account").await,
        Err(StandingError::Store(error)) => resident.fail(app, error),
        Err(StandingError::Identity(_)) => {
            let wrong = resident.words().say("activate-identity");
            page(app, resident, Some(wrong), None).await
        }
        Err(error) => resident.fail(app, XrpcError::from(error)),
    }
}

/// Sends the code without which nothing is deleted.
pub async fn send_code(State(app): State<App>, sent: Submission) -> Response {
    let (resident, words) = (&sent.resident, sent.resident.words());
    let did = resident.account.did.as_str();
    if resident.visitor.meter.spend(Bucket::DeletionLetter, did, 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    match app.accounts.send_code(&resident.actor(), Purpose::DeleteAccount).await {
        Ok(()) => page(&app, resident, None, Some(words.say("email-code-sent"))).await,
        Err(error) => match email::told(words, error) {
            Ok(wrong) => page(&app, resident, Some(wrong), None).await,
            Err(failure) => resident.fail(&app, failure),
        },
    }
}

/// Deletes the account and all it has.
pub async fn delete(State(app): State<App>, sent: Submission) -> Response {
    let (resident, words) = (&sent.resident, sent.resident.words());
    if resident.visitor.meter.spend_by_address(Bucket::Deletion, 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let code = sent.field("code").unwrap_or_default();
    let deleted = match passwords::is_none(&resident.account.password_hash) {
        false => {
            let password = sent.field("password").unwrap_or_default();
            app.accounts.delete_by_owner(&resident.account.did, password, code).await
        }
        true => {
            if let Err(first) = resident.recently(&app).await {
                return first;
            }
            app.accounts.delete_without_password(&resident.account, code).await
        }
    };
    let wrong = match deleted {
        Ok(()) => return resident.visitor.go(&app, "/").await,
        Err(DeleteError::Wrong) => words.say("current-password-wrong"),
        Err(DeleteError::Token(EmailTokenError::Expired)) => words.say("code-expired"),
        Err(DeleteError::Token(EmailTokenError::Store(error))) => {
            return resident.fail(&app, error);
        }
        Err(DeleteError::Token(_)) => words.say("code-wrong"),
        Err(error) => return resident.fail(&app, XrpcError::from(error)),
    };
    page(&app, resident, Some(wrong), None).await
}

async fn page(
    app: &App,
    resident: &Resident,
    wrong: Option<String>,
    done: Option<String>,
) -> Response {
    let words = resident.words();
    let rests = resident.account.status() == Status::Deactivated;
    let body = html! {
        section.panel {
            @if rests {
                h2 { (words.say("activate")) }
                p { (words.say("activate-text")) }
                form method="post" action="/account/leave/activate" {
                    (resident.fields(app))
                    div.buttons { button type="submit" { (words.say("activate")) } }
                }
            } @else {
                h2 { (words.say("deactivate")) }
                p { (words.say("deactivate-text")) }
                form method="post" action="/account/leave/deactivate" {
                    (resident.fields(app))
                    div.buttons { button.danger type="submit" { (words.say("deactivate")) } }
                }
            }
        }
        section.panel {
            h2 { (words.say("delete-account")) }
            p { (words.say("delete-account-text")) " " a href=(resident.link("/account/data")) { (words.say("data-download")) } }
            form method="post" action="/account/leave/code" {
                (resident.fields(app))
                div.buttons { button.second type="submit" { (words.say("send-code")) } }
            }
            form method="post" action="/account/leave/delete" {
                (resident.fields(app))
                (Field {
                    name: "code", kind: "text", label: words.say("code"), hint: Some(words.say("code-hint")),
                    value: None, autocomplete: "one-time-code",
                }.required())
                @if !passwords::is_none(&resident.account.password_hash) {
                    (Field {
                        name: "password", kind: "password", label: words.say("password"), hint: None,
                        value: None, autocomplete: "current-password",
                    }.required())
                }
                div.buttons { button.danger type="submit" { (words.say("delete-for-good")) } }
            }
        }
    };
    let title = words.say("leave");
    resident.show(app, Shown { place: "leave", title, wrong, done, body }).await
}
