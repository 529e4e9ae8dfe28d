//! Repositories and parts of them, as CAR files.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Deserialize;

use super::{OneRepo, asker};
use crate::atproto::Cid;
use crate::atproto::syntax::{Did, Nsid, RecordKey, RecordPath, Tid};
use crate::http::auth::Viewer;
use crate::http::params::Params;
use crate::http::{App, XrpcError};
use crate::repo::car;
use crate::service::export::ExportError;
use crate::service::hosting;
use crate::service::repos::{Owner, RepoError};
use crate::store::accounts::Account;

/// Parameters of [`get_repo`].
#[derive(Deserialize)]
pub struct RepoSince {
    did: Did,
    since: Option<Tid>,
}

/// Parameters of [`get_record`].
#[derive(Deserialize)]
pub struct OneRecord {
    did: Did,
    collection: Nsid,
    rkey: RecordKey,
}

/// Parameters of [`get_blocks`].
#[derive(Deserialize)]
pub struct SomeBlocks {
    did: Did,
    #[serde(default)]
    cids: Vec<String>,
}

/// `com.atproto.sync.getRepo`: a whole repository, or what is new in it.
pub async fn get_repo(
    State(app): State<App>,
    Params(params): Params<RepoSince>,
    viewer: Viewer,
) -> Result<Response, XrpcError> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    let archive = app.exports.repository(owner(account), params.since).await?;
    Ok(car(Body::from_stream(archive)))
}

/// `com.atproto.sync.getCheckout`: the old name of [`get_repo`] without `since`.
pub async fn get_checkout(
    State(app): State<App>,
    Params(params): Params<OneRepo>,
    viewer: Viewer,
) -> Result<Response, XrpcError> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    let archive = app.exports.repository(owner(account), None).await?;
    Ok(car(Body::from_stream(archive)))
}

/// `com.atproto.sync.getRecord`: the proof that a record is there, or not.
pub async fn get_record(
    State(app): State<App>,
    Params(params): Params<OneRecord>,
    viewer: Viewer,
) -> Result<Response, XrpcError> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    let path = RecordPath::new(params.collection, params.rkey);
    match app.exports.record(&owner(account), &path).await {
        Ok(archive) => Ok(car(archive.into())),
        Err(ExportError::Repo(error @ RepoError::NoRepo)) => {
            Err(XrpcError::named("RecordNotFound", error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// `com.atproto.sync.getBlocks`: single blocks of a repository.
pub async fn get_blocks(
    State(app): State<App>,
    Params(params): Params<SomeBlocks>,
    viewer: Viewer,
) -> Result<Response, XrpcError> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    // What is no CID of ours names no block of ours.
    let cids: Result<Vec<Cid>, _> = params.cids.iter().map(|cid| cid.parse()).collect();
    let unknown = |_| XrpcError::named("BlockNotFound", "Could not find a block with this CID");
    let archive = app.exports.blocks(&owner(account), &cids.map_err(unknown)?).await?;
    Ok(car(archive.into()))
}

fn owner(account: Account) -> Owner {
    Owner { account: account.id, did: account.did }
}

fn car(body: Body) -> Response {
    ([(header::CONTENT_TYPE, car::MEDIA_TYPE)], body).into_response()
}
