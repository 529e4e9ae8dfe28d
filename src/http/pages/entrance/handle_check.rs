//! Whether a handle can be had, while somebody types it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::sign_up::whole_handle;
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::visitor::Visitor;
use crate::service::identity::{Availability, AvailabilityError};

/// Where the page's script asks.
pub const PATH: &str = "/account/sign-up/handle";

/// `/account/sign-up/handle`
pub async fn check_handle(State(app): State<App>, visitor: Visitor) -> Response {
    let words = visitor.words;
    let name = visitor.asked("name").unwrap_or_default().trim();
    let handle = whole_handle(&app, name, visitor.asked("domain"));
    let told = match app.identity.availability(&handle, None).await {
        Ok(Availability::Available) => {
            json!({ "free": true, "said": words.say_with("handle-free", &[("handle", &handle)]) })
        }
        Ok(Availability::Taken(_)) => json!({ "free": false, "said": words.say("taken-handle") }),
        Err(AvailabilityError::Store(error)) => return Failure::from(error).into_page(&app, words),
        Err(_) => json!({ "free": false, "said": words.say("bad-handle") }),
    };
    Json(told).into_response()
}
