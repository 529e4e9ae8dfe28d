//! `com.atproto.repo`: records, blobs, and whole repositories that come in.

mod apply_writes;
mod blobs;
mod fields;
mod import;
mod listing;
mod records;

pub use apply_writes::apply_writes;
pub use blobs::{list_missing_blobs, upload_blob};
pub use import::import_repo;
pub use listing::{describe_repo, get_record, list_records};
pub use records::{create_record, delete_record, put_record};

use serde::Serialize;

use crate::atproto::Cid;
use crate::atproto::lexicon::Validation;
use crate::atproto::scope::{Need, RepoAction};
use crate::atproto::syntax::{Nsid, Tid};
use crate::service::grants::{Actor, MissingScope};
use crate::service::repos::{CommitMeta, Written};

/// Asks the caller's grant about all that a write may do.
fn may_write(actor: &Actor, collection: &Nsid, actions: &[RepoAction]) -> Result<(), MissingScope> {
    let mut needs = actions.iter().map(|action| Need::Write { collection, action: *action });
    needs.try_for_each(|need| actor.grant.permits(&need))
}

/// The commit that a write made.
#[derive(Serialize)]
pub struct Commit {
    cid: Cid,
    rev: Tid,
}

/// What the check of a record against its schema found.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationStatus {
    /// It is what its schema says.
    Valid,
    /// There is no such schema here.
    Unknown,
}

/// Answer of [`create_record`] and [`put_record`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    uri: String,
    cid: Cid,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Commit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_status: Option<ValidationStatus>,
}

impl From<CommitMeta> for Commit {
    fn from(commit: CommitMeta) -> Self {
        Self { cid: commit.cid, rev: commit.rev }
    }
}

impl From<Validation> for ValidationStatus {
    fn from(validation: Validation) -> Self {
        match validation {
            Validation::Valid => Self::Valid,
            Validation::Unknown => Self::Unknown,
        }
    }
}

impl From<Written> for Record {
    fn from(written: Written) -> Self {
        Self {
            uri: written.uri,
            cid: written.cid,
            commit: written.commit.map(Commit::from),
            validation_status: written.validation.map(ValidationStatus::from),
        }
    }
}
