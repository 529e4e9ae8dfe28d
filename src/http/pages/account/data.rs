//! Everything somebody has here, to take along.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use maud::html;

use super::resident::{Resident, Shown};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::moving::{IN_PATH, OUT_PATH};
use crate::service::rates::Bucket;

/// `/account/data`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
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
            div.buttons { a.button href=(resident.link("/account/data/download")) { (words.say("data-download")) } }
            p.hint { (words.say("data-progress")) }
        }
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

/// Sends everything as one archive.
pub async fn download(State(app): State<App>, resident: Resident) -> Response {
    if let Err(first) = resident.recently(&app).await {
        return first;
    }
    if resident.visitor.meter.spend_by_address(Bucket::Archives, 1).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let package = match app.packages.of(&resident.account).await {
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
