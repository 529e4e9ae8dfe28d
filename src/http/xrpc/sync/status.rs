//! Where repositories stand.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{OneRepo, asker};
use crate::atproto::Cid;
use crate::atproto::syntax::{Did, Tid};
use crate::http::auth::Viewer;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::export::ExportError;
use crate::service::hosting;
use crate::service::repos::RepoError;
use crate::store::AccountId;
use crate::store::heads::{self, Head, Hosted};

/// Answer of [`get_latest_commit`].
#[derive(Serialize)]
pub struct LatestCommit {
    cid: Cid,
    rev: Tid,
}

/// Answer of [`get_head`].
#[derive(Serialize)]
pub struct Root {
    root: Cid,
}

/// Answer of [`get_repo_status`].
#[derive(Serialize)]
pub struct RepoStatus {
    did: Did,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<Tid>,
}

/// Parameters of [`list_repos`].
#[derive(Deserialize)]
pub struct RepoPage {
    limit: u32,
    cursor: Option<String>,
}

/// Answer of [`list_repos`].
#[derive(Serialize)]
pub struct Repos {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    repos: Vec<ListedRepo>,
}

/// One repository of a list.
#[derive(Serialize)]
pub struct ListedRepo {
    did: Did,
    head: Cid,
    rev: Tid,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// `com.atproto.sync.getLatestCommit`: the commit at which a repository stands.
pub async fn get_latest_commit(
    State(app): State<App>,
    Params(params): Params<OneRepo>,
    viewer: Viewer,
) -> Answer<LatestCommit> {
    let head = shown_head(&app, &params.did, viewer).await?;
    let head = head.ok_or(ExportError::Repo(RepoError::NoRepo))?;
    Ok(Json(LatestCommit { cid: head.commit_cid, rev: head.rev }))
}

/// `com.atproto.sync.getHead`: what [`get_latest_commit`] replaced.
pub async fn get_head(
    State(app): State<App>,
    Params(params): Params<OneRepo>,
    viewer: Viewer,
) -> Answer<Root> {
    match shown_head(&app, &params.did, viewer).await? {
        Some(head) => Ok(Json(Root { root: head.commit_cid })),
        None => Err(XrpcError::named("HeadNotFound", "Could not find root for DID")),
    }
}

/// `com.atproto.sync.getRepoStatus`: whether a repository is served, in whatever
/// state it is.
pub async fn get_repo_status(
    State(app): State<App>,
    Params(params): Params<OneRepo>,
) -> Answer<RepoStatus> {
    let account = hosting::find_hosted(&app.store.db, &params.did).await?;
    let status = hosting::status_of(&account);
    let rev = match status.is_active() {
        true => heads::find(&app.store.db, account.id).await?.map(|head| head.rev),
        false => None,
    };
    Ok(Json(RepoStatus {
        did: account.did,
        active: status.is_active(),
        status: status.word(),
        rev,
    }))
}

/// `com.atproto.sync.listRepos`: every repository here, inactive ones too.
pub async fn list_repos(State(app): State<App>, Params(page): Params<RepoPage>) -> Answer<Repos> {
    let after = match page.cursor.as_deref().map(str::parse) {
        None => AccountId(0),
        Some(Ok(id)) => AccountId(id),
        Some(Err(_)) => return Err(XrpcError::invalid_request("Malformed cursor")),
    };
    let hosted = heads::list(&app.store.db, after, page.limit).await?;
    let full = hosted.len() == page.limit as usize;
    let last = hosted.last().filter(|_| full);
    let cursor = last.map(|last| last.account.id.0.to_string());
    Ok(Json(Repos { cursor, repos: hosted.into_iter().map(ListedRepo::from).collect() }))
}

impl From<Hosted> for ListedRepo {
    fn from(hosted: Hosted) -> Self {
        let status = hosting::status_of(&hosted.account);
        Self {
            did: hosted.account.did,
            head: hosted.head.commit_cid,
            rev: hosted.head.rev,
            active: status.is_active(),
            status: status.word(),
        }
    }
}

async fn shown_head(app: &App, did: &Did, viewer: Viewer) -> Result<Option<Head>, XrpcError> {
    let account = hosting::find_shown(&app.store.db, did, &asker(viewer)).await?;
    Ok(heads::find(&app.store.db, account.id).await?)
}
