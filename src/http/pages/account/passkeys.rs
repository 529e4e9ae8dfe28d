//! Passkeys: added and removed.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::http::pages::assets::PASSKEYS_PATH;
use crate::http::pages::entrance::{Field, script_fault};
use crate::http::pages::failure::Failure;
use crate::http::{App, XrpcError};
use crate::service::devices::kind_of;
use crate::service::passkeys::PasskeyError;
use crate::store::passkeys::StoredPasskey;

/// `/account/passkeys`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, None, None).await
}

/// Asks the browser for a new one.
pub async fn begin(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let device = &resident.visitor.browser.device;
    match app.passkeys.begin(&resident.account, &device.id).await {
        Ok(asked) => page(&app, resident, None, Some(asked)).await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// Takes the browser's answer.
pub async fn finish(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let device = &resident.visitor.browser.device;
    let name = sent.field("name").unwrap_or_else(|| kind_of(&device.user_agent));
    let answer = sent.field("answer").unwrap_or_default();
    match app.passkeys.finish(&resident.account, &device.id, (name, answer)).await {
        Ok(()) => resident.go(&app, "/account/passkeys").await,
        Err(error) => failed(&app, resident, error).await,
    }
}

/// Forgets one.
pub async fn remove(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match app.passkeys.remove(&resident.account, sent.field("id").unwrap_or_default()).await {
        Ok(()) => resident.go(&app, "/account/passkeys").await,
        Err(error) => failed(&app, resident, error).await,
    }
}

async fn failed(app: &App, resident: &Resident, error: PasskeyError) -> Response {
    let words = resident.words();
    let wrong = match error {
        PasskeyError::Wrong | PasskeyError::Late => words.say("passkey-wrong"),
        PasskeyError::Exists => words.say("passkey-exists"),
        PasskeyError::OnlyWayIn => words.say("passkey-last"),
        PasskeyError::TooMany => words.say("passkey-too-many"),
        PasskeyError::Unavailable => words.say("passkey-unavailable"),
        PasskeyError::Told(error) => return resident.fail(app, XrpcError::from(error)),
        PasskeyError::Store(error) => return resident.fail(app, Failure::from(error)),
    };
    page(app, resident, Some(wrong), None).await
}

async fn page(
    app: &App,
    resident: &Resident,
    wrong: Option<String>,
    asked: Option<Value>,
) -> Response {
    let words = resident.words();
    let all = match app.passkeys.of(resident.account.id).await {
        Ok(all) => all,
        Err(error) => return resident.fail(app, error),
    };
    let body = html! {
        section.panel {
            p { (words.say("passkeys-text")) }
            @if all.is_empty() { p.quiet { (words.say("passkeys-none")) } }
            ul.plain.rows { @for one in &all { (row(app, resident, one)) } }
        }
        section.panel {
            h2 { (words.say("passkey-new")) }
            @match asked {
                Some(asked) => {
                    (script_fault(words))
                    form method="post" action="/account/passkeys/add" data-passkey=(asked.to_string()) {
                        (resident.fields(app))
                        input type="hidden" name="answer";
                        (Field {
                            name: "name", kind: "text", label: words.say("passkey-name"),
                            hint: Some(words.say("passkey-name-hint")), value: None, autocomplete: "off",
                        }.optional())
                        div.buttons { button type="submit" { (words.say("passkey-add")) } }
                    }
                    script src=(PASSKEYS_PATH.as_str()) defer {}
                },
                None => form method="post" action="/account/passkeys" {
                    (resident.fields(app))
                    div.buttons { button.second type="submit" { (words.say("passkey-begin")) } }
                },
            }
        }
    };
    let title = words.say("passkeys");
    resident.show(app, Shown { place: "passkeys", title, wrong, done: None, body }).await
}

fn row(app: &App, resident: &Resident, one: &StoredPasskey) -> Markup {
    let words = resident.words();
    html! {
        li {
            div.what {
                strong { (one.name) }
                br; small.quiet {
                    (words.say("made")) " " (moment(one.created_at))
                    @if let Some(used) = one.used_at { " · " (words.say("last-used")) " " (moment(used)) }
                }
            }
            form method="post" action="/account/passkeys/remove" {
                (resident.fields(app))
                input type="hidden" name="id" value=(one.id);
                button.danger type="submit" aria-label=(words.say_with("revoke-named", &[("name", &one.name)])) { (words.say("revoke")) }
            }
        }
    }
}
