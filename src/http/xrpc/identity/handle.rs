//! Where a handle leads, and giving an account another one.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::{Did, Handle};
use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::identity::{AskedBy, Freshness};

/// Parameters of `resolveHandle`.
#[derive(Deserialize)]
pub struct HandleParams {
    handle: Handle,
}

/// Answer of `resolveHandle`.
#[derive(Serialize)]
pub struct HandleAnswer {
    did: Did,
}

/// `com.atproto.identity.resolveHandle`: the DID that a handle leads to.
pub async fn resolve_handle(
    State(app): State<App>,
    Params(params): Params<HandleParams>,
) -> Answer<HandleAnswer> {
    let did = app.identity.resolve_handle(&params.handle, Freshness::Cached).await?;
    Ok(Json(HandleAnswer { did }))
}

/// Input of `updateHandle`. Checked by policy, which says what is wrong with it.
#[derive(Deserialize)]
pub struct HandleInput {
    handle: String,
}

/// `com.atproto.identity.updateHandle`: gives the calling account another handle.
pub async fn update_handle(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(input): Input<HandleInput>,
) -> Result<StatusCode, XrpcError> {
    app.identity.update_handle(&actor.did, &input.handle, AskedBy::Owner).await?;
    Ok(StatusCode::OK)
}
