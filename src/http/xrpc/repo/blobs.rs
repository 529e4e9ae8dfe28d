//! Blobs: uploading them, and which are still missing.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::atproto::Cid;
use crate::http::auth::Auth;
use crate::http::input::Upload;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::repos::Owner;

/// Answer of [`upload_blob`].
#[derive(Serialize)]
pub struct Uploaded {
    blob: serde_json::Value,
}

/// Parameters of [`list_missing_blobs`].
#[derive(Deserialize)]
pub struct Page {
    limit: u32,
    cursor: Option<String>,
}

/// Answer of [`list_missing_blobs`].
#[derive(Serialize)]
pub struct Missing {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    blobs: Vec<MissingBlob>,
}

/// A blob that a record refers to and nobody has uploaded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingBlob {
    cid: Cid,
    record_uri: String,
}

/// `com.atproto.repo.uploadBlob`: takes bytes that a record will refer to.
pub async fn upload_blob(
    State(app): State<App>,
    Auth(actor): Auth,
    upload: Upload,
) -> Answer<Uploaded> {
    let declared = upload.content_type.clone();
    let blob = app.blobs.upload(&actor, &declared, upload.into_stream()).await?;
    let blob = json!({
        "$type": "blob",
        "ref": { "$link": blob.cid },
        "mimeType": blob.mime_type,
        "size": blob.size,
    });
    Ok(Json(Uploaded { blob }))
}

/// `com.atproto.repo.listMissingBlobs`: which blobs the account's records refer
/// to and were not uploaded; the cursor is the last CID.
pub async fn list_missing_blobs(
    State(app): State<App>,
    Auth(actor): Auth,
    Params(page): Params<Page>,
) -> Answer<Missing> {
    let owner = Owner { account: actor.account, did: actor.did };
    let after = match page.cursor.map(|cursor| cursor.parse::<Cid>()) {
        None => None,
        Some(Ok(cid)) => Some(cid),
        Some(Err(_)) => return Err(XrpcError::invalid_request("Malformed cursor")),
    };
    let missing = app.blobs.list_missing(&owner, after, page.limit).await?;
    let blobs = missing
        .iter()
        .map(|blob| MissingBlob { cid: blob.cid, record_uri: blob.path.uri(&owner.did) });
    let cursor = missing.last().map(|blob| blob.cid.to_string());
    Ok(Json(Missing { cursor, blobs: blobs.collect() }))
}
