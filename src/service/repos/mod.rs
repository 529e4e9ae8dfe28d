//! Repositories: every change of one, and what is read from one.
//!
//! A write takes the repository's lock, looks at the tree and the head, computes
//! the next commit, and hands it to the store whole: records, head, references
//! to blobs and the event become durable together. The head moves by
//! compare-and-set, so that two servers on one database may race: the loser
//! loads what is there and tries again.
//!
//! Trees are kept warm in memory, bounded in bytes. A cold one is rebuilt from
//! the records, and its root must be the one that the head signs.

mod blob_refs;
mod lifecycle;
mod locks;
mod owner;
mod pipeline;
mod prepare;
mod read;
mod rekey;
pub(in crate::service) mod subjects;
mod warm;
mod write;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

use crate::{
    atproto::{
        Cid,
        syntax::{Nsid, RecordPath, Tid},
        tid::{ClockId, tid_after},
    },
    repo::write::WriteError,
    store::{AccountId, Snapshot, Store, StoreError, Unmet, accounts::Status, heads},
    world::World,
};

use super::keys::{AccountKeys, KeyError};

pub use lifecycle::Genesis;
pub(in crate::service) use lifecycle::{NewKey, Replacement};
pub use locks::{Guard, Locks};
pub use owner::{NotOwner, Owner, Unseen};
pub use prepare::{Draft, Validate};
pub use read::{Described, Listing};
pub use warm::AtHead;
pub use write::{BatchWrite, Deletion, SwapRecord, Written};

/// How much the repositories may keep in memory; the operator's choice.
#[derive(Clone, Copy, Debug)]
pub struct RepoLimits {
    /// Bytes of trees that are kept warm, about 115 for each record. A tree that
    /// is larger is rebuilt for each write.
    pub tree_cache_bytes_max: u64,
}

impl Default for RepoLimits {
    fn default() -> Self {
        // The largest repository of the network, 600,000 records, fits.
        Self { tree_cache_bytes_max: 96 * 1024 * 1024 }
    }
}

/// The commit that a write made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMeta {
    /// The signed commit.
    pub cid: Cid,
    /// Its revision.
    pub rev: Tid,
}

/// Changes and reads repositories. Shared by all requests.
pub struct Repos {
    store: Store,
    keys: AccountKeys,
    world: World,
    /// One writer for each repository; also held by whoever keeps or removes
    /// the bytes of an account's blobs.
    locks: Locks,
    warm: warm::WarmTrees,
    /// The number of this process in the TIDs that it makes.
    clock: ClockId,
    /// Accounts whose key is being changed in a directory that has not said
    /// whether it did: nothing is signed for them. As many as there are open
    /// changes in the journal of intents; looked at and never held across an await.
    held: Mutex<HashSet<AccountId>>,
    /// The last record key made here: no two are the same.
    last_rkey: Mutex<Option<Tid>>,
}

/// A repository was not changed or read.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The account has no repository.
    #[error("the account has no repository")]
    NoRepo,
    /// The head is not the commit that the client has seen.
    #[error("the repository is at commit {found}, not at {expected}")]
    CommitSwap {
        /// What the client gave.
        expected: Cid,
        /// The head.
        found: Cid,
    },
    /// The record is not the one that the client has seen.
    #[error("the record is another one than the given")]
    RecordSwap {
        /// What the client gave; nothing if there should be no record.
        expected: Option<Cid>,
        /// The record that is there.
        found: Option<Cid>,
    },
    /// The writes themselves cannot be made.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A record names another type than its collection.
    #[error("invalid $type: expected {}, got {found}", .collection.as_str())]
    WrongType {
        /// The collection.
        collection: Nsid,
        /// What the record says.
        found: String,
    },
    /// The record is not one of the data model.
    #[error("invalid record: {0}")]
    NotARecord(&'static str),
    /// The record breaks its schema.
    #[error("invalid {} record: {reason}", .collection.as_str())]
    Invalid {
        /// The collection.
        collection: Nsid,
        /// Which rule.
        reason: String,
    },
    /// A check against the schema was asked for, and there is no schema.
    #[error("unknown lexicon type: {}", .0.as_str())]
    UnknownLexicon(Nsid),
    /// The record has a blob in the form of old.
    #[error("legacy blobs are not allowed")]
    LegacyBlob,
    /// The record refers to a blob that the account does not have.
    #[error("could not find blob: {cid}")]
    BlobNotFound {
        /// The blob.
        cid: Cid,
    },
    /// The record gives a temporary blob another media type than its upload.
    #[error("referenced mime type does not match the stored blob: expected {stored}, got {given}")]
    BlobMimeType {
        /// That of the upload.
        stored: String,
        /// That of the record.
        given: String,
    },
    /// The record gives a temporary blob another size than its upload.
    #[error("referenced size does not match the stored blob: expected {stored}, got {given}")]
    BlobSize {
        /// That of the upload.
        stored: i64,
        /// That of the record.
        given: i64,
    },
    /// An expectation of the statements that went along did not hold.
    #[error("not done: {0}")]
    Unmet(Unmet),
    /// The account stands otherwise by now than what was asked needs.
    #[error("the account is {0:?} by now")]
    Standing(Status),
    /// Others moved the repository each time; nothing was done.
    #[error("others keep writing to the repository")]
    Contended,
    /// The account's signing key is being changed, and nobody knows yet which
    /// one the world takes for it.
    #[error("the account's signing key is being changed, try again")]
    KeyChanging,
    /// The account's signing key is not at hand.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A computation broke down.
    #[error("a computation broke down: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// An event could not be framed.
    #[error(transparent)]
    Event(#[from] crate::atproto::event::EventError),
}

impl Repos {
    /// Returns the repositories in `store`, signed with `keys`.
    pub fn new(store: Store, keys: AccountKeys, world: World, limits: RepoLimits) -> Self {
        let number = u16::from_be_bytes(world.entropy.bytes());
        Self {
            store,
            keys,
            world,
            locks: Locks::default(),
            warm: warm::WarmTrees::new(limits.tree_cache_bytes_max),
            clock: ClockId::new(number),
            held: Mutex::default(),
            last_rkey: Mutex::new(None),
        }
    }

    /// Takes the lock of an account: nobody else writes to its repository or
    /// keeps and removes bytes of its blobs while the guard lives.
    pub async fn lock(&self, account: AccountId) -> Guard {
        self.locks.lock(account).await
    }

    /// Forgets the tree of an account that is gone.
    pub fn forget(&self, owner: &Owner) {
        self.warm.forget(owner);
    }

    /// Returns the repository at its head: the tree for proofs and exports.
    ///
    /// # Errors
    /// [`RepoError::NoRepo`]; a tree that does not have the root that the head
    /// signs is [`StoreError::Corrupt`].
    pub async fn at_head(&self, owner: &Owner) -> Result<Arc<AtHead>, RepoError> {
        self.warm.current(&self.store.db, owner).await
    }

    /// Returns the repository as `snapshot` has it, without making it warm: a
    /// relay that reads everything must not push out what is written to.
    ///
    /// # Errors
    /// As [`Repos::at_head`].
    pub async fn in_snapshot(
        &self,
        snapshot: &Snapshot,
        owner: &Owner,
    ) -> Result<Arc<AtHead>, RepoError> {
        let warm = self.warm.peek(owner);
        let head = heads::find_in(snapshot, owner.account).await?.ok_or(RepoError::NoRepo)?;
        match warm.filter(|warm| warm.head.commit_cid == head.commit_cid) {
            Some(warm) => Ok(warm),
            None => self.warm.passing(snapshot, owner, &head).await,
        }
    }

    /// Makes a record key that this process has not made before, in the order
    /// of time.
    fn next_rkey(&self) -> Tid {
        let mut last = self.last_rkey.lock();
        let next = tid_after(last.as_ref(), self.world.clock.now_us(), self.clock);
        *last = Some(next.clone());
        next
    }
}

/// Returns where a record is in the world.
pub fn uri(owner: &Owner, path: &RecordPath) -> String {
    path.uri(&owner.did)
}
