//! The handle: under this server's domain, or under one's own.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::resident::{Resident, Shown, Submission};
use crate::atproto::syntax::{Did, Handle, normalize_handle};
use crate::http::App;
use crate::http::pages::entrance::Field;
use crate::http::pages::failure::Failure;
use crate::http::pages::words::Words;
use crate::service::identity::{AskedBy, Freshness, UpdateHandleError};
use crate::service::rates::Bucket;

/// `/account/handle`; with `check`, looks where a name of one's own leads.
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let checked = resident.visitor.asked("check").map(str::to_owned);
    page(&app, &resident, checked.as_deref(), None).await
}

/// Takes another handle.
pub async fn change(State(app): State<App>, sent: Submission) -> Response {
    let (resident, words) = (&sent.resident, sent.resident.words());
    let meter = &resident.visitor.meter;
    if meter.spend(Bucket::HandleChange, resident.account.did.as_str(), 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let name = sent.field("name").unwrap_or_default().trim().trim_start_matches('@').to_lowercase();
    let domain = app.host.handle_domains.first().map(String::as_str).unwrap_or_default();
    let handle = if name.contains('.') { name } else { format!("{name}{domain}") };
    match app.identity.update_handle(&resident.account.did, &handle, AskedBy::Owner).await {
        Ok(_) => resident.go(&app, "/account").await,
        Err(error) => match told(words, &handle, error) {
            Ok(wrong) => page(&app, resident, None, Some(wrong)).await,
            Err(failure) => resident.fail(&app, failure),
        },
    }
}

fn told(words: &Words, handle: &str, error: UpdateHandleError) -> Result<String, Failure> {
    Ok(match error {
        UpdateHandleError::Refused(_) => words.say("bad-handle"),
        UpdateHandleError::Taken(_) => words.say("taken-handle"),
        UpdateHandleError::LeadsElsewhere(_) => {
            words.say_with("handle-leads-elsewhere", &[("handle", handle)])
        }
        UpdateHandleError::NotOurs => words.say("handle-not-ours"),
        UpdateHandleError::NotInDocument => words.say("handle-not-in-document"),
        UpdateHandleError::Store(error) => return Err(error.into()),
        _ => words.say("directory-away"),
    })
}

async fn page(
    app: &App,
    resident: &Resident,
    check: Option<&str>,
    wrong: Option<String>,
) -> Response {
    let (words, account) = (resident.words(), &resident.account);
    let domain = app.host.handle_domains.first().map(String::as_str).unwrap_or_default();
    let own = check.and_then(|name| normalize_handle(name.trim().trim_start_matches('@')).ok());
    let leads = match &own {
        Some(handle) => app.identity.resolve_handle(handle, Freshness::Now).await.ok(),
        None => None,
    };
    let body = html! {
        section.panel {
            p { (words.say("handle-now")) " " strong { "@" (account.handle.as_str()) } }
            h2 { (words.say("handle-here")) }
            form method="post" action="/account/handle" {
                (resident.fields(app))
                (Field {
                    name: "name", kind: "text", label: words.say("handle-new"),
                    hint: Some(words.say_with("handle-ending", &[("domain", domain)])),
                    value: None, autocomplete: "off",
                }.required())
                div.buttons { button type="submit" { (words.say("handle-change")) } }
            }
        }
        section.panel {
            h2 { (words.say("handle-own")) }
            p { (words.say("handle-own-text")) }
            form method="get" action="/account/handle" {
                input type="hidden" name="account" value=(account.did.as_str());
                (Field {
                    name: "check", kind: "text", label: words.say("handle-own-name"),
                    hint: Some(words.say("handle-own-hint")), value: check, autocomplete: "off",
                }.required())
                div.buttons { button.second type="submit" { (words.say("handle-check")) } }
            }
            @match (&own, check) {
                (None, Some(_)) => div.fault role="alert" { p { (words.say("bad-handle")) } },
                (Some(handle), _) => (record(app, resident, handle, leads.as_ref())),
                (None, None) => {},
            }
        }
    };
    let title = words.say("handle");
    resident.show(app, Shown { place: "handle", title, wrong, done: None, body }).await
}

/// What to set in the DNS of a domain, and where it leads now.
fn record(app: &App, resident: &Resident, handle: &Handle, leads: Option<&Did>) -> Markup {
    let (words, did) = (resident.words(), &resident.account.did);
    let name = handle.as_str();
    let file = format!("https://{name}/.well-known/atproto-did");
    html! {
        h3 { (words.say("handle-record")) }
        p { (words.say("handle-record-text")) }
        dl.facts {
            dt { (words.say("handle-record-name")) } dd.mono { "_atproto." (name) }
            dt { (words.say("handle-record-type")) } dd.mono { "TXT" }
            dt { (words.say("handle-record-value")) } dd.mono { "did=" (did.as_str()) }
        }
        p.hint { (words.say_with("handle-file", &[("address", &file)])) }
        @match leads {
            Some(found) if found == did => {
                div.done role="status" { p { (words.say_with("handle-ready", &[("handle", name)])) } }
                form method="post" action="/account/handle" {
                    (resident.fields(app))
                    input type="hidden" name="name" value=(name);
                    div.buttons { button type="submit" { (words.say_with("handle-use", &[("handle", name)])) } }
                }
            },
            Some(other) => div.note role="status" { p { (words.say_with("handle-leads-to", &[("did", other.as_str())])) } },
            None => div.note role="status" { p { (words.say("handle-leads-nowhere")) } },
        }
    }
}
