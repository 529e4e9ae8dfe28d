//! Accounts: created, looked at, put to rest and back into use.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atproto::Cid;
use crate::atproto::syntax::{Datetime, Did, Handle, Tid};
use crate::http::auth::{Auth, Newcomer};
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};
use crate::service::accounts::{OpenedBy, SignUp};

/// Input of `createAccount`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    handle: String,
    did: Option<Did>,
    email: Option<String>,
    password: Option<String>,
    invite_code: Option<String>,
    recovery_key: Option<String>,
    plc_op: Option<Value>,
}

/// Answer of `createAccount`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    access_jwt: String,
    refresh_jwt: String,
    handle: Handle,
    did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_doc: Option<Value>,
}

/// `com.atproto.server.createAccount`: an account with a new DID, or one that
/// moves in with the DID that its present server vouches for.
pub async fn create_account(
    State(app): State<App>,
    Newcomer(newcomer): Newcomer,
    Input(wanted): Input<Wanted>,
) -> Answer<Created> {
    if wanted.plc_op.is_some() {
        return Err(XrpcError::invalid_request("Unsupported input: \"plcOp\""));
    }
    let sign_up = SignUp {
        handle: wanted.handle,
        email: wanted.email,
        password: wanted.password,
        invite_code: wanted.invite_code,
        recovery_key: wanted.recovery_key,
        opened_by: OpenedBy::Password,
    };
    let created = match (wanted.did, newcomer) {
        (None, _) => app.accounts.create(&sign_up).await?,
        (Some(did), Some(newcomer)) if newcomer.did == did => {
            app.accounts.admit(&sign_up, &newcomer).await?
        }
        (Some(did), _) => {
            let did = did.as_str();
            let message = format!("Missing auth to create account with did: {did}");
            return Err(XrpcError::unauthorized("AuthenticationRequired", message));
        }
    };
    let did_doc = match created.document {
        Some(document) => Some(document),
        None => app.sessions.document(&created.did).await,
    };
    Ok(Json(Created {
        access_jwt: created.tokens.access,
        refresh_jwt: created.tokens.refresh,
        handle: created.handle,
        did: created.did,
        did_doc,
    }))
}

/// Answer of `checkAccountStatus`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    activated: bool,
    valid_did: bool,
    repo_commit: Cid,
    repo_rev: Tid,
    repo_blocks: usize,
    indexed_records: i64,
    private_state_values: i64,
    expected_blobs: i64,
    imported_blobs: i64,
}

/// `com.atproto.server.checkAccountStatus`: how much of an account has arrived.
pub async fn check_account_status(State(app): State<App>, Auth(actor): Auth) -> Answer<Status> {
    let status = app.accounts.status(&actor).await?;
    Ok(Json(Status {
        activated: status.activated,
        valid_did: status.valid_did,
        repo_commit: status.head.commit_cid,
        repo_rev: status.head.rev,
        repo_blocks: status.blocks,
        indexed_records: status.records,
        // Clients of old knew private values beside preferences; none exist.
        private_state_values: 0,
        expected_blobs: status.expected_blobs,
        imported_blobs: status.imported_blobs,
    }))
}

/// `com.atproto.server.activateAccount`: into use, once the DID leads here.
pub async fn activate_account(State(app): State<App>, Auth(actor): Auth) -> Result<(), XrpcError> {
    Ok(app.accounts.activate(&actor).await?)
}

/// Input of `deactivateAccount`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    delete_after: Option<Datetime>,
}

/// `com.atproto.server.deactivateAccount`: out of use, with everything kept.
pub async fn deactivate_account(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(rest): Input<Rest>,
) -> Result<(), XrpcError> {
    let delete_after = rest.delete_after.map(|at| at.moment());
    Ok(app.accounts.deactivate(&actor, delete_after).await?)
}
