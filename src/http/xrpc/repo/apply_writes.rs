//! Many writes in one commit.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::fields::Fields;
use super::{Commit, ValidationStatus, may_write};
use crate::atproto::Cid;
use crate::atproto::data::Value;
use crate::atproto::scope::RepoAction;
use crate::atproto::syntax::RecordPath;
use crate::http::auth::Auth;
use crate::http::input::InputValue;
use crate::http::limits::Meter;
use crate::http::table::{CREATE_POINTS, DELETE_POINTS, UPDATE_POINTS};
use crate::http::{Answer, App, XrpcError};
use crate::service::rates::Bucket;
use crate::service::repos::{BatchWrite, Validate, Written};

const CREATE: &str = "com.atproto.repo.applyWrites#create";
const UPDATE: &str = "com.atproto.repo.applyWrites#update";
const DELETE: &str = "com.atproto.repo.applyWrites#delete";

/// Answer of [`apply_writes`].
#[derive(Serialize)]
pub struct Applied {
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Commit>,
    results: Vec<WriteResult>,
}

/// What became of one write.
#[derive(Serialize)]
#[serde(tag = "$type")]
pub enum WriteResult {
    /// A record was created.
    #[serde(rename = "com.atproto.repo.applyWrites#createResult")]
    Create(Record),
    /// A record was updated.
    #[serde(rename = "com.atproto.repo.applyWrites#updateResult")]
    Update(Record),
    /// A record was deleted.
    #[serde(rename = "com.atproto.repo.applyWrites#deleteResult")]
    Delete {},
}

/// A record that one of the writes wrote.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    uri: String,
    cid: Cid,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_status: Option<ValidationStatus>,
}

/// `com.atproto.repo.applyWrites`: makes all writes in one commit, or none.
pub async fn apply_writes(
    State(app): State<App>,
    Auth(actor): Auth,
    meter: Meter,
    input: InputValue,
) -> Answer<Applied> {
    let mut fields = Fields::of(input)?;
    let owner = app.repos.own(&actor, &fields.repo()?).await?;
    let (validate, swap_commit) = (fields.validate(), fields.swap_commit()?);
    let writes = fields.list("writes")?.into_iter();
    let writes: Vec<BatchWrite> =
        writes.map(|write| read_write(write, validate)).collect::<Result<_, _>>()?;
    for write in &writes {
        let (collection, action) = match write {
            BatchWrite::Create(draft) => (&draft.collection, RepoAction::Create),
            BatchWrite::Update(draft) => (&draft.collection, RepoAction::Update),
            BatchWrite::Delete(path) => (&path.collection, RepoAction::Delete),
        };
        may_write(&actor, collection, &[action])?;
    }
    let kinds: Vec<Kind> = writes.iter().map(Kind::of).collect();
    let points = kinds.iter().map(Kind::points).sum();
    meter.spend(Bucket::RecordWrites, owner.did.as_str(), points)?;
    let (commit, written) = app.repos.apply_writes(&owner, writes, swap_commit).await?;
    let results = kinds.into_iter().zip(written).map(|(kind, written)| kind.result(written));
    Ok(Json(Applied { commit: commit.map(Commit::from), results: results.collect() }))
}

fn read_write(write: Value, validate: Validate) -> Result<BatchWrite, XrpcError> {
    let mut fields = Fields::of_value(write)?;
    match fields.type_name() {
        CREATE => Ok(BatchWrite::Create(fields.draft("value", validate)?)),
        UPDATE => Ok(BatchWrite::Update(fields.draft("value", validate)?)),
        DELETE => {
            let rkey = fields.rkey()?;
            let rkey = rkey.ok_or_else(|| XrpcError::invalid_request("A delete needs an rkey"))?;
            Ok(BatchWrite::Delete(RecordPath::new(fields.collection()?, rkey)))
        }
        other => Err(XrpcError::invalid_request(format!("Action not supported: {other}"))),
    }
}

/// Which result a write has.
enum Kind {
    Create,
    Update,
    Delete,
}

impl Kind {
    fn of(write: &BatchWrite) -> Self {
        match write {
            BatchWrite::Create(_) => Self::Create,
            BatchWrite::Update(_) => Self::Update,
            BatchWrite::Delete(_) => Self::Delete,
        }
    }

    fn points(&self) -> u32 {
        match self {
            Self::Create => CREATE_POINTS,
            Self::Update => UPDATE_POINTS,
            Self::Delete => DELETE_POINTS,
        }
    }

    fn result(self, written: Option<Written>) -> WriteResult {
        match (self, written.map(Record::from)) {
            (Self::Create, Some(record)) => WriteResult::Create(record),
            (Self::Update, Some(record)) => WriteResult::Update(record),
            (Self::Create | Self::Update, None) | (Self::Delete, _) => WriteResult::Delete {},
        }
    }
}

impl From<Written> for Record {
    fn from(written: Written) -> Self {
        Self {
            uri: written.uri,
            cid: written.cid,
            validation_status: written.validation.map(ValidationStatus::from),
        }
    }
}
