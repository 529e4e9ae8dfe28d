//! Writing one record.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::{Commit, Record, may_write};
use crate::atproto::Cid;
use crate::atproto::scope::RepoAction;
use crate::atproto::syntax::{AtIdentifier, Nsid, RecordKey, RecordPath};
use crate::http::auth::Auth;
use crate::http::input::{Input, InputValue};
use crate::http::{Answer, App};
use crate::service::repos::Deletion;

/// Body of [`delete_record`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delete {
    repo: AtIdentifier,
    collection: Nsid,
    rkey: RecordKey,
    swap_record: Option<Cid>,
    swap_commit: Option<Cid>,
}

/// Answer of [`delete_record`].
#[derive(Serialize)]
pub struct Deleted {
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Commit>,
}

/// `com.atproto.repo.createRecord`: writes a new record.
pub async fn create_record(
    State(app): State<App>,
    Auth(actor): Auth,
    input: InputValue,
) -> Answer<Record> {
    let mut fields = Fields::of(input)?;
    let owner = app.repos.own(&actor, &fields.repo()?).await?;
    let swap_commit = fields.swap_commit()?;
    let draft = fields.draft("record", fields.validate())?;
    may_write(&actor, &draft.collection, &[RepoAction::Create])?;
    let written = app.repos.create_record(&owner, draft, swap_commit).await?;
    Ok(Json(written.into()))
}

/// `com.atproto.repo.putRecord`: writes a record, whether there is one or not.
pub async fn put_record(
    State(app): State<App>,
    Auth(actor): Auth,
    input: InputValue,
) -> Answer<Record> {
    let mut fields = Fields::of(input)?;
    let owner = app.repos.own(&actor, &fields.repo()?).await?;
    let (swap_record, swap_commit) = (fields.swap_record()?, fields.swap_commit()?);
    let draft = fields.draft("record", fields.validate())?;
    may_write(&actor, &draft.collection, &[RepoAction::Create, RepoAction::Update])?;
    let written = app.repos.put_record(&owner, draft, swap_record, swap_commit).await?;
    Ok(Json(written.into()))
}

/// `com.atproto.repo.deleteRecord`: deletes a record, if it is there.
pub async fn delete_record(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(input): Input<Delete>,
) -> Answer<Deleted> {
    let owner = app.repos.own(&actor, &input.repo).await?;
    may_write(&actor, &input.collection, &[RepoAction::Delete])?;
    let deletion = Deletion {
        path: RecordPath::new(input.collection, input.rkey),
        swap_record: input.swap_record,
        swap_commit: input.swap_commit,
    };
    let commit = app.repos.delete_record(&owner, deletion).await?;
    Ok(Json(Deleted { commit: commit.map(Commit::from) }))
}
