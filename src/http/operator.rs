//! What the operator's commands ask of the running server and the protocol has
//! no method for.
//!
//! Only the administrator is answered, and only on the server's own port, like
//! every other administrative call.

use axum::extract::State;
use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};

use super::auth::Admin;
use super::{Answer, App, XrpcError};
use crate::atproto::event::HostingStatus;
use crate::atproto::syntax::{AtIdentifier, Did, Handle};
use crate::service::accounts::{Decision, Decisions, EmailError, Rotation, Subject, find_named};
use crate::service::email_tokens::Purpose;
use crate::service::hosting::status_of;

/// Where codes are made.
pub const CODE_PATH: &str = "/operator/account-code";

/// Asks for a code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// A handle, a DID or an e-mail address.
    pub account: String,
    /// [`Purpose::name`].
    pub purpose: String,
}

/// A code, and whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// The account's handle.
    pub handle: Handle,
    /// The account's DID.
    pub did: Did,
    /// The code.
    pub code: String,
}

/// Where the network is told again of an account.
pub const ANNOUNCE_PATH: &str = "/operator/announce";
/// Where an account is given another signing key.
pub const ROTATE_KEY_PATH: &str = "/operator/rotate-key";

/// Where an account is suspended, and let back.
pub const SUSPEND_PATH: &str = "/operator/suspend";

/// Asks for a suspension, or for its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Suspension {
    /// A handle, a DID or an e-mail address.
    pub account: String,
    /// Whether it is suspended from now on.
    pub suspended: bool,
}

/// Names an account for a command that is about nothing more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Which {
    /// A handle, a DID or an e-mail address.
    pub account: String,
}

/// What became of one account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The network was told how the account stands: nothing, if it is active.
    Announced {
        /// The protocol's word for a state that is not active.
        status: Option<String>,
    },
    /// The account signs with this key.
    Rotated {
        /// As did:key.
        key: String,
    },
    /// The owner must put this key into the DID document.
    Waiting {
        /// As did:key.
        key: String,
    },
}

impl Which {
    async fn did(&self, app: &App) -> Result<Did, XrpcError> {
        let account = find_named(&app.store.db, &self.account).await?;
        Ok(account.ok_or(EmailError::Missing)?.did)
    }
}

impl From<Rotation> for Outcome {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::Done(key) => Self::Rotated { key: key.as_str().to_owned() },
            Rotation::Waiting(key) => Self::Waiting { key: key.as_str().to_owned() },
        }
    }
}

impl From<HostingStatus> for Outcome {
    fn from(status: HostingStatus) -> Self {
        Self::Announced { status: status.word().map(str::to_owned) }
    }
}

/// The places.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route(ANNOUNCE_PATH, post(announce))
        .route(CODE_PATH, post(account_code))
        .route(ROTATE_KEY_PATH, post(rotate_key))
        .route(SUSPEND_PATH, post(suspend))
}

async fn announce(
    State(app): State<App>,
    Admin: Admin,
    Json(which): Json<Which>,
) -> Answer<Outcome> {
    Ok(Json(app.accounts.announce(&which.did(&app).await?).await?.into()))
}

async fn rotate_key(
    State(app): State<App>,
    Admin: Admin,
    Json(which): Json<Which>,
) -> Answer<Outcome> {
    Ok(Json(app.accounts.rotate_key(&which.did(&app).await?, None).await?.into()))
}

async fn suspend(
    State(app): State<App>,
    Admin: Admin,
    Json(wanted): Json<Suspension>,
) -> Answer<Outcome> {
    let did = Which { account: wanted.account }.did(&app).await?;
    let suspended = match wanted.suspended {
        true => Decision::Apply(None),
        false => Decision::Lift,
    };
    let decisions = Decisions { suspended: Some(suspended), ..Decisions::default() };
    app.accounts.decide(&Subject::Account(did.clone()), &decisions).await?;
    let account = app.accounts.look_up(&AtIdentifier::Did(did)).await?;
    Ok(Json(status_of(&account).into()))
}

async fn account_code(
    State(app): State<App>,
    Admin: Admin,
    Json(wanted): Json<Wanted>,
) -> Answer<Made> {
    let purpose = Purpose::named(&wanted.purpose);
    let purpose = purpose.ok_or_else(|| XrpcError::invalid_request("No such purpose"))?;
    let account = find_named(&app.store.db, &wanted.account).await?;
    let account = account.ok_or(EmailError::Missing)?;
    let code = app.email_tokens.create(account.id, purpose).await?;
    Ok(Json(Made { handle: account.handle, did: account.did, code }))
}
