//! `com.atproto.temp`: what the Bluesky app asks beside the protocol.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::AtIdentifier;
use crate::http::auth::{Admin, Auth};
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};

/// Answer of `checkSignupQueue`.
#[derive(Serialize)]
pub struct Queue {
    activated: bool,
}

/// `com.atproto.temp.checkSignupQueue`: nobody waits here.
pub async fn check_signup_queue(Auth(_): Auth) -> Answer<Queue> {
    Ok(Json(Queue { activated: true }))
}

/// Input of `revokeAccountCredentials`.
#[derive(Deserialize)]
pub struct Whose {
    account: AtIdentifier,
}

/// `com.atproto.temp.revokeAccountCredentials`: ends the password, app
/// passwords and sessions of an account that somebody else got into.
pub async fn revoke_account_credentials(
    State(app): State<App>,
    Admin: Admin,
    Input(whose): Input<Whose>,
) -> Result<(), XrpcError> {
    Ok(app.accounts.revoke_credentials(&whose.account).await?)
}
