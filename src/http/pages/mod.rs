//! Pages for people: what this server is, the ways in, what an app wants, and
//! the account.
//!
//! Every page is made on the server and is whole without scripts. A page asks
//! the services and says what they answer; it decides nothing.

pub mod account;
mod assets;
mod authorize;
mod entrance;
mod failure;
mod home;
mod journey;
mod look;
mod moving;
mod page;
mod qr;
mod visitor;
mod words;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};

use super::App;
use failure::Failure;
pub use home::home;
pub use words::LANGUAGES;

/// The pages.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/oauth/authorize", get(authorize::show).post(authorize::decide))
        .route("/account/sign-in", get(entrance::show_sign_in).post(entrance::sign_in))
        .route("/account/sign-in/code", get(entrance::show_code).post(entrance::check_code))
        .route(
            "/account/sign-in/passkey",
            get(entrance::show_passkey).post(entrance::check_passkey),
        )
        .route("/account/sign-up", get(entrance::show_sign_up).post(entrance::sign_up))
        .route(entrance::HANDLE_PATH, get(entrance::check_handle))
        .route("/account/sign-out", post(entrance::sign_out))
        .route("/account/reset-password", get(entrance::ask_for_code).post(entrance::request_code))
        .route(
            "/account/reset-password/code",
            get(entrance::show_set_password).post(entrance::set_password),
        )
        .route("/.well-known/change-password", get(change_password))
        .merge(account::router())
        .merge(moving::router())
        .merge(assets::router())
}

/// Where password managers send people.
///
/// Spec: <https://w3c.github.io/webappsec-change-password-url/>
async fn change_password() -> Redirect {
    Redirect::temporary("/account/password")
}

/// There is no such page; programs are told so in fewer words.
pub async fn not_found(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match accept.is_some_and(|accept| accept.contains("text/html")) {
        true => Failure::NotFound.into_page(&app, visitor::words(&headers)),
        false => (StatusCode::NOT_FOUND, "There is nothing here").into_response(),
    }
}
