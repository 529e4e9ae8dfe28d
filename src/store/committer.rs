//! Commits: what moves a repository or says something to the world.
//!
//! A [`Commit`] is finished before it comes here: computed, signed, framed. The
//! committer takes everybody who waits, makes all of it durable in one
//! transaction, numbers the events in the order of that transaction, feeds them
//! to the [`super::EventFeed`], and then answers.

use std::sync::Arc;

use bytes::Bytes;

use crate::atproto::{Cid, event::Frame, syntax::RecordPath};

use super::{
    AccountId, Batch, Event, StoreError, accounts::Status, batch::Unmet, engine::Sql, heads::Head,
};

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
    /// How the account must stand when the head moves; its batch has run then.
    pub needs: Needs,
    /// The new head.
    pub head: Head,
    /// Records created or updated. The paths of `puts` and `deletes` are
    /// distinct.
    pub puts: Vec<RecordPut>,
    /// Records deleted.
    pub deletes: Vec<RecordPath>,
}

/// How an account must stand for its repository to move. The first commit of a
/// repository needs nothing: its account is made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// However it stands.
    Nothing,
    /// Exactly so.
    Status(Status),
}

impl Needs {
    /// The word for it in [`MOVE_HEAD`] and its like on Postgres.
    pub(in crate::store) fn word(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Status(Status::Active) => Some("active"),
            Self::Status(Status::Deactivated) => Some("deactivated"),
            Self::Status(Status::Suspended) => Some("suspended"),
            Self::Status(Status::TakenDown) => Some("takendown"),
        }
    }
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
    /// The head is not the one on which the commit was made, or the account
    /// does not stand as the commit needs: look at both and try again.
    #[error("the repository has moved on")]
    Stale,
    /// An expectation of the batch did not hold.
    #[error("not done: {0}")]
    Unmet(Unmet),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Commit {
    pub(in crate::store) fn size_bytes(&self) -> usize {
        let repo = self.repo.as_ref().map_or(0, |change| {
            let puts = change.puts.iter().map(|put| put.value.len() + RECORD_BYTES);
            let deletes = change.deletes.len() * RECORD_BYTES;
            puts.sum::<usize>() + deletes + change.head.commit_bytes.len()
        });
        let frames = self.frames.iter().map(|frame| frame.unsealed().len());
        self.batch.size_bytes() + repo + frames.sum::<usize>()
    }
}

/// What a record weighs beside its value, roughly.
const RECORD_BYTES: usize = 128;

// The statements of a commit. The engines run them in forms of their own; these
// are the words they share.

pub(in crate::store) static INSERT_HEAD: Sql = Sql::new(
    "INSERT INTO heads (account_id, commit_cid, data_cid, rev, commit_bytes)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
);

pub(in crate::store) static MOVE_HEAD: Sql = Sql::new(
    "UPDATE heads SET commit_cid = $2, data_cid = $3, rev = $4, commit_bytes = $5
     WHERE account_id = $1 AND commit_cid = $6 AND ($7 = (
        SELECT CASE WHEN taken_down_at IS NOT NULL THEN 'takendown'
            WHEN suspended_at IS NOT NULL THEN 'suspended'
            WHEN deactivated_at IS NOT NULL THEN 'deactivated'
            ELSE 'active' END
        FROM accounts WHERE id = $1) OR $7 IS NULL)",
);

pub(in crate::store) static PUT_RECORD: Sql = Sql::new(
    "INSERT INTO records (account_id, path, cid, rev, value) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (account_id, path) DO UPDATE
     SET cid = excluded.cid, rev = excluded.rev, value = excluded.value",
);

pub(in crate::store) static DELETE_RECORD: Sql =
    Sql::new("DELETE FROM records WHERE account_id = $1 AND path = $2");

pub(in crate::store) static INSERT_EVENT: Sql = Sql::new(
    "INSERT INTO events (seq, account_id, did, kind, at, bytes) VALUES ($1, $2, $3, $4, $5, $6)",
);

pub(in crate::store) static LAST_SEQ: Sql = Sql::new("SELECT last FROM sequence WHERE id = 1");

// Never back: a batch of the same transaction may have raised it further.
pub(in crate::store) static SET_LAST_SEQ: Sql =
    Sql::new("UPDATE sequence SET previous = last, last = $1 WHERE id = 1 AND last < $1");
