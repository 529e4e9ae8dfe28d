//! The style sheet and the scripts, under names that change with what they say.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::http::App;

const STYLE: &str = include_str!("style.css");
const SUBMIT: &str = include_str!("submit.js");
const PASSKEYS: &str = include_str!("passkeys.js");
const FOLLOW: &str = include_str!("follow.js");
const HANDLE: &str = include_str!("handle.js");
const ICON: &str = include_str!("favicon.svg");

/// Where the style sheet is.
pub static STYLE_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/style.css", STYLE));

/// Where the script is that sends a form by itself.
pub static SUBMIT_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/submit.js", SUBMIT));

/// Where the script for passkeys is.
pub static PASSKEYS_PATH: LazyLock<String> =
    LazyLock::new(|| versioned("/assets/passkeys.js", PASSKEYS));

/// Where the script is that shows how far something is.
pub static FOLLOW_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/follow.js", FOLLOW));

/// Where the script is that checks a handle while it is typed.
pub static HANDLE_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/handle.js", HANDLE));

/// Where the operator's colour is.
pub const LOOK_PATH: &str = "/assets/look.css";

/// The files.
pub fn router() -> Router<App> {
    Router::new()
        .route("/assets/style.css", get(style))
        .route("/assets/look.css", get(look))
        .route("/assets/submit.js", get(submit))
        .route("/assets/passkeys.js", get(passkeys))
        .route("/assets/follow.js", get(follow))
        .route("/assets/handle.js", get(handle))
        .route("/favicon.svg", get(icon))
        .route("/branding/logo", get(logo))
}

/// A path that is another one when the content is.
pub fn versioned(path: &str, content: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(content.as_bytes()));
    format!("{path}?v={}", &digest[..12])
}

async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE.to_owned())
}

async fn look(State(app): State<App>) -> Response {
    let mut response = file("text/css; charset=utf-8", super::look::style(&app));
    let short = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, short);
    response
}

async fn submit() -> Response {
    file("text/javascript; charset=utf-8", SUBMIT.to_owned())
}

async fn passkeys() -> Response {
    file("text/javascript; charset=utf-8", PASSKEYS.to_owned())
}

async fn follow() -> Response {
    file("text/javascript; charset=utf-8", FOLLOW.to_owned())
}

async fn handle() -> Response {
    file("text/javascript; charset=utf-8", HANDLE.to_owned())
}

async fn icon() -> Response {
    file("image/svg+xml", ICON.to_owned())
}

async fn logo(State(app): State<App>) -> Response {
    let Some(logo) = &app.look.logo else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = logo.bytes.clone().into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&logo.media_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    // A picture in SVG that is opened by itself must not run anything.
    let nothing =
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn file(kind: &'static str, content: String) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let long = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, long);
    response
}
