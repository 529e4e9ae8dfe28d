//! App passwords: for apps that do not know OAuth.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::http::App;
use crate::http::pages::entrance::Field;
use crate::service::app_passwords::{AppPasswordError, Made};
use crate::store::app_passwords::Power;

/// `/account/app-passwords`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    page(&app, &resident, None, None).await
}

/// Makes one.
pub async fn create(State(app): State<App>, sent: Submission) -> Response {
    let (resident, words) = (&sent.resident, sent.resident.words());
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    let power = if sent.field("privileged").is_some() { Power::Privileged } else { Power::Basic };
    let name = sent.field("name").unwrap_or_default().trim();
    let wrong = match app.app_passwords.create(&resident.actor(), name, power).await {
        Ok(made) => return page(&app, resident, None, Some(&made)).await,
        Err(AppPasswordError::NameTaken) => words.say("app-password-name-taken"),
        Err(AppPasswordError::Name) => words.say("app-password-bad-name"),
        Err(AppPasswordError::TooMany) => words.say("app-password-too-many"),
        Err(AppPasswordError::Store(error)) => return resident.fail(&app, error),
    };
    page(&app, resident, Some(wrong), None).await
}

/// Revokes one.
pub async fn revoke(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let name = sent.field("name").unwrap_or_default();
    match app.app_passwords.revoke(&resident.actor(), name).await {
        Ok(()) => resident.go(&app, "/account/app-passwords").await,
        Err(AppPasswordError::Store(error)) => resident.fail(&app, error),
        Err(_) => resident.go(&app, "/account/app-passwords").await,
    }
}

async fn page(
    app: &App,
    resident: &Resident,
    wrong: Option<String>,
    made: Option<&Made>,
) -> Response {
    let words = resident.words();
    let all = match app.app_passwords.list(&resident.actor()).await {
        Ok(all) => all,
        Err(error) => return resident.fail(app, error),
    };
    let body = html! {
        @if let Some(made) = made {
            section.panel {
                h2 { (words.say_with("app-password-made", &[("name", &made.kept.name)])) }
                p { (words.say("app-password-once")) }
                pre { (made.password) }
            }
        }
        section.panel {
            p { (words.say("app-passwords-text")) }
            @if all.is_empty() { p.quiet { (words.say("app-passwords-none")) } }
            ul.plain.rows {
                @for one in &all {
                    li {
                        div.what {
                            strong { (one.name) } " "
                            @if one.power == Power::Privileged { span.tag { (words.say("app-password-privileged")) } }
                            br; small.quiet { (words.say("made")) " " (moment(one.created_at)) }
                        }
                        form method="post" action="/account/app-passwords/revoke" {
                            (resident.fields(app))
                            input type="hidden" name="name" value=(one.name);
                            button.danger type="submit" aria-label=(words.say_with("revoke-named", &[("name", &one.name)])) { (words.say("revoke")) }
                        }
                    }
                }
            }
        }
        section.panel {
            h2 { (words.say("app-password-new")) }
            form method="post" action="/account/app-passwords" {
                (resident.fields(app))
                (Field {
                    name: "name", kind: "text", label: words.say("app-password-name"),
                    hint: Some(words.say("app-password-name-hint")), value: None, autocomplete: "off",
                }.required())
                div.check {
                    input type="checkbox" id="field-privileged" name="privileged" value="yes";
                    label for="field-privileged" { (words.say("app-password-allow-privileged")) }
                }
                div.buttons { button type="submit" { (words.say("app-password-create")) } }
            }
        }
    };
    let title = words.say("app-passwords");
    resident.show(app, Shown { place: "app-passwords", title, wrong, done: None, body }).await
}
