//! Which account moves, and from where to where.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Value, json};
use url::Url;

use super::{IN_PATH, MOVE, OUT_PATH, PATH};
use crate::atproto::syntax::AtIdentifier;
use crate::http::App;
use crate::http::own_calls::Near;
use crate::http::pages::account::{Resident, Shown, Submission};
use crate::http::pages::entrance::{Field, fault};
use crate::http::pages::failure::Failure;
use crate::http::pages::page::Page;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::service::identity::Freshness;
use crate::service::migration::{
    CallError, Far, Follower, Login, Move, MoveError, Side, Way, Wishes,
};
use crate::service::oauth::Form;
use crate::service::rates::Bucket;

/// What is said above a form that led nowhere.
struct Wrong {
    text: String,
    /// What the other server said, or what broke.
    detail: Option<String>,
    /// The old server has mailed a code.
    asks_for_code: Option<()>,
}

impl Wrong {
    fn told(text: String) -> Self {
        Self { text, detail: None, asks_for_code: None }
    }
}

/// `/account/move-in`
pub async fn show_in(State(app): State<App>, visitor: Visitor) -> Response {
    let page = in_page(&app, &visitor, (&Form::new(), None));
    visitor.answer(&app, page.into_response(&app)).await
}

/// Logs in at the old server and plans the move.
pub async fn plan_in(State(app): State<App>, sender: Sender) -> Response {
    let visitor = &sender.visitor;
    let who = sender.field("identifier").unwrap_or_default().trim().trim_start_matches('@');
    let subject = format!("{} {}", visitor.meter.address(), who.to_lowercase());
    if visitor.meter.spend(Bucket::LogIn, &subject, 1).is_err() {
        return Failure::TooMany.into_page(&app, visitor.words);
    }
    match arrange_in(&app, &sender, who).await {
        Ok(id) => visitor.go(&app, &format!("{PATH}?{MOVE}={id}")).await,
        Err(wrong) => {
            let page = in_page(&app, visitor, (&sender.form, Some(&wrong)));
            let page = page.with_status(StatusCode::BAD_REQUEST);
            visitor.answer(&app, page.into_response(&app)).await
        }
    }
}

async fn arrange_in(app: &App, sender: &Sender, who: &str) -> Result<String, Wrong> {
    let words = sender.visitor.words;
    let (name, origin) = old_server(app, sender, who).await?;
    let follower = Arc::new(Follower::default());
    let clock = app.world.clock.clone();
    let old = Side::new(name, Far::guarded(origin, app.world.clone()), clock, follower.clone());
    let login = Login {
        who,
        password: sender.field("password").unwrap_or_default(),
        code: sender.field("code").map(str::trim),
    };
    let opened = old.log_in(&login).await.map_err(|error| refused(words, error))?;
    let journey = Move { old, new: here(app, &follower), watcher: follower.clone() };
    plan(app, (&sender.visitor, &sender.form), (Way::In, journey, follower), &opened).await
}

/// Where the old server is: where the account's identity says, unless somebody
/// who goes on with a move says where it was.
async fn old_server(app: &App, sender: &Sender, who: &str) -> Result<(String, Url), Wrong> {
    let words = sender.visitor.words;
    if let Some(text) = sender.field("server") {
        return address(text).ok_or_else(|| Wrong::told(words.say("move-bad-server")));
    }
    let unknown = || Wrong::told(words.say("move-nobody"));
    let identifier = who.parse::<AtIdentifier>().map_err(|_| unknown())?;
    let resolved =
        app.identity.resolve(&identifier, Freshness::Now).await.map_err(|_| unknown())?;
    let found = resolved.document.pds_endpoint().and_then(address);
    let (name, origin) = found.ok_or_else(unknown)?;
    match name == app.host.public_url {
        true => Err(Wrong::told(words.say("move-already-here"))),
        false => Ok((name, origin)),
    }
}

/// `/account/move-out`
pub async fn show_out(State(app): State<App>, resident: Resident) -> Response {
    out_page(&app, &resident, (&Form::new(), None)).await
}

/// Plans the move to another server.
pub async fn plan_out(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    match arrange_out(&app, &sent).await {
        Ok(id) => resident.visitor.go(&app, &format!("{PATH}?{MOVE}={id}")).await,
        Err(wrong) => out_page(&app, resident, (&sent.form, Some(&wrong))).await,
    }
}

async fn arrange_out(app: &App, sent: &Submission) -> Result<String, Wrong> {
    let (resident, words) = (&sent.resident, sent.resident.words());
    let place = sent.field("server").and_then(address);
    let place = place.filter(|(name, _)| *name != app.host.public_url);
    let (name, origin) = place.ok_or_else(|| Wrong::told(words.say("move-bad-server")))?;
    let follower = Arc::new(Follower::default());
    let old = here(app, &follower);
    let tokens =
        app.sessions.open_for(&resident.account).await.map_err(|error| broken(words, error))?;
    old.keep(&json!({ "accessJwt": tokens.access, "refreshJwt": tokens.refresh }));
    let clock = app.world.clock.clone();
    let new = Side::new(name, Far::guarded(origin, app.world.clone()), clock, follower.clone());
    let opened = json!({
        "did": resident.account.did.as_str(),
        "handle": resident.account.handle.as_str(),
    });
    let journey = Move { old, new, watcher: follower.clone() };
    plan(app, (&resident.visitor, &sent.form), (Way::Out, journey, follower), &opened).await
}

async fn plan(
    app: &App,
    (visitor, form): (&Visitor, &Form),
    parts: (Way, Move, Arc<Follower>),
    opened: &Value,
) -> Result<String, Wrong> {
    let words = visitor.words;
    let text = |name: &str| form.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let wishes = Wishes { new_handle: text("handle"), email: text("email") };
    let device = &visitor.browser.device.id;
    match app.moves.plan(device, parts, (opened, &wishes)).await {
        Ok(moving) => Ok(moving.id.clone()),
        Err(MoveError::HandleNeeded) => Err(Wrong::told(words.say("move-handle-needed"))),
        Err(MoveError::EmailNeeded) => Err(Wrong::told(words.say("move-email-needed"))),
        Err(MoveError::Call(error)) => Err(refused(words, error)),
        Err(error) => Err(broken(words, error)),
    }
}

fn here(app: &App, follower: &Arc<Follower>) -> Side {
    let (name, clock) = (app.host.public_url.clone(), app.world.clock.clone());
    Side::new(name, Near::new(app), clock, follower.clone())
}

/// The name and the address of a server, with or without its scheme.
fn address(text: &str) -> Option<(String, Url)> {
    let text = text.trim().trim_end_matches('/');
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let origin = url.origin().ascii_serialization();
    Some((origin.clone(), Url::parse(&origin).ok()?))
}

fn refused(words: &Words, error: CallError) -> Wrong {
    if error.is("AuthFactorTokenRequired") {
        let text = words.say("move-code-needed");
        return Wrong { text, detail: None, asks_for_code: Some(()) };
    }
    match &error {
        CallError::Refused(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
            Wrong::told(words.say("move-wrong-password"))
        }
        _ => broken(words, error),
    }
}

fn broken(words: &Words, error: impl std::fmt::Display) -> Wrong {
    let text = words.say("move-failed");
    Wrong { text, detail: Some(error.to_string()), asks_for_code: None }
}

fn fault_of(wrong: Option<&Wrong>) -> Markup {
    html! {
        (fault(wrong.map(|wrong| wrong.text.as_str())))
        @if let Some(detail) = wrong.and_then(|wrong| wrong.detail.as_deref()) { pre { (detail) } }
    }
}

fn in_page(app: &App, visitor: &Visitor, (filled, wrong): (&Form, Option<&Wrong>)) -> Page {
    let words: &'static Words = visitor.words;
    let value = |name: &str| filled.get(name).map(String::as_str);
    let title = words.say("move-in");
    let asks_for_code = wrong.is_some_and(|wrong| wrong.asks_for_code.is_some());
    let body = html! {
        h1 { (title) }
        p { (words.say("move-in-text")) }
        (fault_of(wrong))
        form method="post" action=(IN_PATH) {
            (visitor.form_token(app))
            (Field {
                name: "identifier", kind: "text", label: words.say("move-identifier"),
                hint: Some(words.say("move-identifier-hint")), value: value("identifier"),
                autocomplete: "username",
            }.required())
            (Field {
                name: "password", kind: "password", label: words.say("move-old-password"),
                hint: Some(words.say("move-old-password-hint")), value: None,
                autocomplete: "current-password",
            }.required())
            @if asks_for_code {
                (Field {
                    name: "code", kind: "text", label: words.say("code"), hint: None,
                    value: None, autocomplete: "one-time-code",
                }.required())
            }
            details open[value("server").is_some_and(|text| !text.is_empty())] {
                summary { (words.say("move-more")) }
                (wishes(words, filled))
                (Field {
                    name: "server", kind: "text", label: words.say("move-old-server"),
                    hint: Some(words.say("move-old-server-hint")), value: value("server"),
                    autocomplete: "off",
                }.optional())
            }
            div.buttons { button type="submit" { (words.say("continue")) } }
        }
        p.small { (words.say("no-account")) " " a href="/account/sign-up" { (words.say("sign-up")) } }
    };
    Page::card(words, title, body)
}

async fn out_page(
    app: &App,
    resident: &Resident,
    (filled, wrong): (&Form, Option<&Wrong>),
) -> Response {
    let words = resident.words();
    let title = words.say("move-away");
    let body = html! {
        @if let Some(detail) = wrong.and_then(|wrong| wrong.detail.as_deref()) { pre { (detail) } }
        section.panel {
            p { (words.say("move-away-text")) }
            form method="post" action=(OUT_PATH) {
                (resident.fields(app))
                (Field {
                    name: "server", kind: "text", label: words.say("move-new-server"),
                    hint: Some(words.say("move-new-server-hint")),
                    value: filled.get("server").map(String::as_str), autocomplete: "off",
                }.required())
                details { summary { (words.say("move-more")) } (wishes(words, filled)) }
                div.buttons { button type="submit" { (words.say("continue")) } }
            }
        }
    };
    let wrong = wrong.map(|wrong| wrong.text.clone());
    resident.show(app, Shown { place: "data", title, wrong, done: None, body }).await
}

/// What may be another one afterwards.
fn wishes(words: &Words, filled: &Form) -> Markup {
    let value = |name: &str| filled.get(name).map(String::as_str);
    html! {
        (Field {
            name: "handle", kind: "text", label: words.say("move-handle"),
            hint: Some(words.say("move-handle-hint")), value: value("handle"), autocomplete: "off",
        }.optional())
        (Field {
            name: "email", kind: "email", label: words.say("move-email"),
            hint: Some(words.say("move-email-hint")), value: value("email"), autocomplete: "email",
        }.optional())
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_server_is_known_with_and_without_its_scheme() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).map(|(name, _)| name).as_deref(), expected, "{text}");
        };
        check("new.example", Some("https://new.example"));
        check(" https://new.example/ ", Some("https://new.example"));
        check("https://new.example:8443/xrpc", Some("https://new.example:8443"));
        check("ftp://new.example", None);
        check("", None);
    }
}
