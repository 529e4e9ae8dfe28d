//! App passwords: for apps that do not know OAuth.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use std::time::Duration;

use super::apps::may;
use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::http::App;
use crate::http::pages::entrance::Field;
use crate::http::pages::words::Words;
use crate::service::app_passwords::{AppPasswordError, Made, WantedPassword};
use crate::store::app_passwords::Power;

/// How long app passwords may live, besides for ever, in days.
const LIVES_DAYS: [u32; 3] = [30, 90, 365];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What somebody needs who only posts.
const ONLY_POSTS: &str = "repo:app.bsky.feed.post blob:*/*";

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
    let wanted = wanted(&app, &sent);
    let wrong = match app.app_passwords.create(&resident.actor(), wanted).await {
        Ok(made) => return page(&app, resident, None, Some(&made)).await,
        Err(AppPasswordError::NameTaken) => words.say("app-password-name-taken"),
        Err(AppPasswordError::Name) => words.say("app-password-bad-name"),
        Err(AppPasswordError::TooMany) => words.say("app-password-too-many"),
        Err(AppPasswordError::Scope(scope)) => {
            words.say_with("app-password-bad-scope", &[("scope", &scope)])
        }
        Err(AppPasswordError::ScopeLength) => words.say("app-password-scope-length"),
        Err(AppPasswordError::PermissionSet(_)) => words.say("app-password-no-set"),
        Err(AppPasswordError::Past) => words.say("failure-broken-text"),
        Err(AppPasswordError::Store(error)) => return resident.fail(&app, error),
    };
    page(&app, resident, Some(wrong), None).await
}

/// The password that somebody wants, by the form.
fn wanted(app: &App, sent: &Submission) -> WantedPassword {
    let power = match sent.field("may") {
        Some("privileged") => Power::Privileged,
        Some("posts") => Power::Scoped(ONLY_POSTS.to_owned()),
        Some("scopes") => Power::Scoped(sent.field("scope").unwrap_or_default().to_owned()),
        _ => Power::Basic,
    };
    let days = sent.field("days").and_then(|days| days.parse::<u32>().ok());
    let days = days.filter(|days| LIVES_DAYS.contains(days));
    WantedPassword {
        name: sent.field("name").unwrap_or_default().trim().to_owned(),
        power,
        expires_at: days.map(|days| app.world.clock.now().plus(DAY * days)),
    }
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
                            br; small.quiet {
                                (words.say("made")) " " (moment(one.created_at))
                                @if let Some(end) = one.expires_at { " · " (words.say("app-password-end")) " " (moment(end)) }
                            }
                            @if let Power::Scoped(scopes) = &one.power { (may(words, scopes, None)) }
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
                (form_fields(words))
                div.buttons { button type="submit" { (words.say("app-password-create")) } }
            }
        }
    };
    let title = words.say("app-passwords");
    resident.show(app, Shown { place: "app-passwords", title, wrong, done: None, body }).await
}

/// What to say about a new one: its name, what it may do, how long it lives.
fn form_fields(words: &Words) -> Markup {
    html! {
        (Field {
            name: "name", kind: "text", label: words.say("app-password-name"),
            hint: Some(words.say("app-password-name-hint")), value: None, autocomplete: "off",
        }.required())
        div.field {
            label for="field-may" { (words.say("apps-may")) }
            select id="field-may" name="may" {
                option value="usual" { (words.say("app-password-usual")) }
                option value="privileged" { (words.say("app-password-allow-privileged")) }
                option value="posts" { (words.say("app-password-posts")) }
                option value="scopes" { (words.say("app-password-scopes")) }
            }
        }
        (Field {
            name: "scope", kind: "text", label: words.say("app-password-scope"),
            hint: Some(words.say("app-password-scope-hint")), value: None, autocomplete: "off",
        }.optional())
        div.field {
            label for="field-days" { (words.say("app-password-life")) }
            select id="field-days" name="days" {
                option value="" { (words.say("app-password-for-ever")) }
                @for days in LIVES_DAYS {
                    option value=(days) { (words.say_with("app-password-days", &[("days", &days.to_string())])) }
                }
            }
        }
    }
}
