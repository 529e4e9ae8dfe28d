//! Private preferences.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};

/// Answer of `getPreferences`.
#[derive(Serialize)]
pub struct Shown {
    preferences: Vec<Value>,
}

/// Input of `putPreferences`.
#[derive(Deserialize)]
pub struct Wanted {
    preferences: Vec<Map<String, Value>>,
}

/// `app.bsky.actor.getPreferences`: what clients have kept with the account.
pub async fn get_preferences(State(app): State<App>, Auth(actor): Auth) -> Answer<Shown> {
    let preferences = app.preferences.read(&actor).await?;
    Ok(Json(Shown { preferences }))
}

/// `app.bsky.actor.putPreferences`: replaces it.
pub async fn put_preferences(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(wanted): Input<Wanted>,
) -> Result<(), XrpcError> {
    Ok(app.preferences.replace(&actor, &wanted.preferences).await?)
}
