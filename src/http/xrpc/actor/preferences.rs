//! Private preferences.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::atproto::scope::Need;
use crate::atproto::syntax::Nsid;
use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::row::Called;
use crate::http::{Answer, App, XrpcError};
use crate::service::grants::{Actor, MissingScope};

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
pub async fn get_preferences(
    State(app): State<App>,
    Auth(actor): Auth,
    Called(method): Called,
) -> Answer<Shown> {
    may_call(&app, &actor, method)?;
    let preferences = app.preferences.read(&actor).await?;
    Ok(Json(Shown { preferences }))
}

/// `app.bsky.actor.putPreferences`: replaces it.
pub async fn put_preferences(
    State(app): State<App>,
    Auth(actor): Auth,
    Called(method): Called,
    Input(wanted): Input<Wanted>,
) -> Result<(), XrpcError> {
    may_call(&app, &actor, method)?;
    Ok(app.preferences.replace(&actor, &wanted.preferences).await?)
}

/// Asks the caller's grant as if the AppView answered: to apps, these are
/// methods of its.
fn may_call(app: &App, actor: &Actor, method: &Nsid) -> Result<(), MissingScope> {
    let audience = app.proxy.appview().unwrap_or_default();
    actor.grant.permits(&Need::Call { method: Some(method), audience: &audience })
}
