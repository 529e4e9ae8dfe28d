//! Apps that act for the account, and their end.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::atproto::scope::{Scope, Scopes};
use crate::http::App;
use crate::http::pages::authorize::tell;
use crate::http::pages::words::Words;

/// `/account/apps`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let sessions = match app.oauth.sessions_of(resident.account.id).await {
        Ok(sessions) => sessions,
        Err(error) => return resident.fail(&app, error),
    };
    let body = html! {
        section.panel {
            p { (words.say("apps-text")) }
            @if sessions.is_empty() { p.quiet { (words.say("apps-none")) } }
            ul.plain.rows {
                @for session in &sessions {
                    li {
                        div.what {
                            strong { (host(&session.client_id)) }
                            br; small.quiet { (words.say("last-used")) " " (moment(session.used_at)) " · " (words.say("since")) " " (moment(session.created_at)) }
                            (may(words, &session.permissions, Some(&session.client_id)))
                        }
                        form method="post" action="/account/apps/revoke" {
                            (resident.fields(&app))
                            input type="hidden" name="session" value=(session.id);
                            button.danger type="submit" aria-label=(words.say_with("revoke-named", &[("name", host(&session.client_id))])) { (words.say("revoke")) }
                        }
                    }
                }
            }
        }
    };
    let title = words.say("apps");
    resident.show(&app, Shown { place: "apps", title, wrong: None, done: None, body }).await
}

/// Ends what an app may do.
pub async fn revoke(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let id = sent.field("session").unwrap_or_default();
    match app.oauth.end_session(resident.account.id, id).await {
        Ok(()) => resident.go(&app, "/account/apps").await,
        Err(error) => resident.fail(&app, error),
    }
}

/// What a list of scopes allows, in words, and to whom.
pub fn may(words: &Words, permissions: &str, client_id: Option<&str>) -> Markup {
    let scopes = Scopes::parse(permissions);
    html! {
        details {
            summary { (words.say("apps-may")) }
            ul {
                @for scope in scopes.iter().filter(|scope| **scope != Scope::Atproto) {
                    @let told = tell(words, scope, &[]);
                    li { (told.title) @if !told.details.is_empty() { ": " span.quiet { (told.details.join(" · ")) } } }
                }
                li { (words.say("scope-atproto")) }
            }
            @if let Some(client_id) = client_id { p.small.mono { (client_id) } }
        }
    }
}

fn host(client_id: &str) -> &str {
    let rest = client_id.split_once("://").map_or(client_id, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}
