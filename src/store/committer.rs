//! Commits: what moves a repository or says something to the world.
//!
//! A [`Commit`] is finished before it comes here: computed, signed, framed. The
//! committer takes everybody who waits, makes all of it durable in one
//! transaction, numbers the events in the order of that transaction, feeds them
//! to the [`super::EventFeed`], and then answers.

use std::sync::Arc;

use bytes::Bytes;

use crate::atproto::{Cid, event::Frame, syntax::RecordPath};

use super::{AccountId, Batch, Event, StoreError, batch::Unmet, heads::Head};

/// Statements, a repository's move and its events: all or nothing.
#[derive(Debug)]
pub struct Commit {
    /// Whose repository and events these are.
    pub account: AccountId,
    /// Further statements, run before the rest.
    pub batch: Batch,
    /// The move of the repository, if any.
    pub repo: Option<RepoChange>,
    /// The messages, in the order in which they are to be numbered.
    pub frames: Vec<Frame>,
}

/// A repository's move from one signed commit to the next.
#[derive(Debug)]
pub struct RepoChange {
    /// The commit on which this one was made; `None` for the first.
    pub old: Option<Cid>,
    /// The new head.
    pub head: Head,
    /// Records created or updated. The paths of `puts` and `deletes` are
    /// distinct.
    pub puts: Vec<RecordPut>,
    /// Records deleted.
    pub deletes: Vec<RecordPath>,
}

/// A record created or updated.
#[derive(Debug)]
pub struct RecordPut {
    /// Where it stands.
    pub path: RecordPath,
    /// The CID of its value.
    pub cid: Cid,
    /// Its value, encoded.
    pub value: Bytes,
}

/// A commit that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its events, numbered, in the order of its frames.
    pub events: Vec<Arc<Event>>,
}

/// Why a commit was not made. Nothing of it was done, but for
/// [`StoreError::OutcomeUnknown`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The head is not the one on which the commit was made: load it and try
    /// again.
    #[error("the repository has moved on")]
    Stale,
    /// An expectation of the batch did not hold.
    #[error("not done: {0}")]
    Unmet(Unmet),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
