//! DID documents, and identities with both of their names.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atproto::syntax::{AtIdentifier, Did, INVALID_HANDLE};
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::{Answer, App};
use crate::service::identity::{Freshness, Resolved};

/// Parameters of `resolveDid`.
#[derive(Deserialize)]
pub struct DidParams {
    did: Did,
}

/// Answer of `resolveDid`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DidAnswer {
    did_doc: Value,
}

/// `com.atproto.identity.resolveDid`: the document of a DID.
pub async fn resolve_did(
    State(app): State<App>,
    Params(params): Params<DidParams>,
) -> Answer<DidAnswer> {
    let document = app.identity.document(&params.did, Freshness::Cached).await?;
    Ok(Json(DidAnswer { did_doc: document.to_json().clone() }))
}

/// Parameters of `resolveIdentity`, and input of `refreshIdentity`.
#[derive(Deserialize)]
pub struct Identifier {
    identifier: AtIdentifier,
}

/// An identity with its document, and its handle if both sides confirm it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityInfo {
    did: Did,
    handle: String,
    did_doc: Value,
}

impl From<Resolved> for IdentityInfo {
    fn from(resolved: Resolved) -> Self {
        let handle = resolved.handle.as_ref();
        Self {
            did: resolved.did,
            handle: handle.map_or(INVALID_HANDLE, |handle| handle.as_str()).to_owned(),
            did_doc: resolved.document.to_json().clone(),
        }
    }
}

/// `com.atproto.identity.resolveIdentity`: who is behind a handle or a DID.
pub async fn resolve_identity(
    State(app): State<App>,
    Params(params): Params<Identifier>,
) -> Answer<IdentityInfo> {
    let resolved = app.identity.resolve(&params.identifier, Freshness::Cached).await?;
    Ok(Json(resolved.into()))
}

/// `com.atproto.identity.refreshIdentity`: the same, asked for anew.
pub async fn refresh_identity(
    State(app): State<App>,
    Input(input): Input<Identifier>,
) -> Answer<IdentityInfo> {
    let resolved = app.identity.resolve(&input.identifier, Freshness::Recheck).await?;
    Ok(Json(resolved.into()))
}
