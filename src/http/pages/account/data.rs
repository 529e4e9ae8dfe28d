//! Everything somebody has here, to take along.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use maud::html;
use serde_json::json;

use super::bytes;
use super::resident::{Resident, Shown};
use crate::http::App;
use crate::http::pages::assets::FOLLOW_PATH;
use crate::http::pages::failure::Failure;
use crate::http::pages::moving::{IN_PATH, OUT_PATH};
use crate::http::pages::visitor::Visitor;
use crate::service::packages::Progress;
use crate::service::rates::Bucket;

/// The name of a download, by which its page follows it.
const TICKET: &str = "download";
const TICKET_BYTES: usize = 16;

/// `/account/data`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let ticket = app.world.entropy.token_hex(TICKET_BYTES);
    let address = |path: &str| resident.link(&format!("{path}?{TICKET}={ticket}"));
    let body = html! {
        section.panel {
            h2 { (words.say("data-all")) }
            p { (words.say("data-all-text")) }
            ul {
                li { (words.say("data-repo")) }
                li { (words.say("data-blobs")) }
                li { (words.say("data-preferences")) }
                li { (words.say("data-about")) }
            }
            div.buttons { a.button #download href=(address("/account/data/download")) { (words.say("data-download")) } }
            p.hint #download-hint { (words.say("data-progress")) }
            div data-follow=(address("/account/data/progress")) data-begins-with="#download" data-stage="sending" hidden {
                progress aria-labelledby="download-hint" {}
                p.hint data-told="" {}
            }
        }
        script src=(FOLLOW_PATH.as_str()) defer {}
        (moving(&resident))
    };
    let title = words.say("data");
    resident.show(&app, Shown { place: "data", title, wrong: None, done: None, body }).await
}

fn moving(resident: &Resident) -> maud::Markup {
    let words = resident.words();
    html! {
        section.panel {
            h2 { (words.say("move-away")) }
            p { (words.say("move-away-text")) }
            div.buttons { a.button.second href=(resident.link(OUT_PATH)) { (words.say("move-away")) } }
        }
        section.panel {
            h2 { (words.say("move-in")) }
            p { (words.say("move-in-text")) }
            div.buttons { a.button.second href=(IN_PATH) { (words.say("move-in")) } }
        }
    }
}

/// How far the archive is, for the page's script.
pub async fn progress(State(app): State<App>, visitor: Visitor) -> Response {
    let ticket = visitor.asked(TICKET).unwrap_or_default();
    let signed_in = match visitor.signed_in(&app).await {
        Ok(signed_in) => signed_in,
        Err(failure) => return failure.into_page(&app, visitor.words),
    };
    let found = signed_in.iter().find_map(|one| app.packages.progress(one.account.id, ticket));
    let told = match found {
        // It has not begun; the script asks again.
        None => json!({ "stage": "sending" }),
        Some(Progress { sent_bytes, size_bytes }) => {
            let stage = if sent_bytes < size_bytes { "sending" } else { "sent" };
            let said = format!("{} / {}", bytes(sent_bytes), bytes(size_bytes));
            json!({ "stage": stage, "done": sent_bytes, "total": size_bytes, "said": said })
        }
    };
    visitor.answer(&app, Json(told)).await
}

/// Sends everything as one archive.
pub async fn download(State(app): State<App>, resident: Resident) -> Response {
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    if resident.visitor.meter.spend_by_address(Bucket::Archives, 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let ticket = resident.visitor.asked(TICKET).unwrap_or_default();
    let package = match app.packages.of(&resident.account, ticket).await {
        Ok(package) => package,
        Err(error) => return resident.fail(&app, Failure::internal(error)),
    };
    let name = format!("{}.tar", resident.account.handle.as_str());
    let (length, stream) = (package.size_bytes, package.into_stream());
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    resident.visitor.answer(&app, response).await
}
