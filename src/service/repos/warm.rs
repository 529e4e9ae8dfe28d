//! Trees in memory, and how a cold one comes there.
//!
//! What is kept is a copy that may be behind where another server writes to
//! the same database. The compare-and-set of a commit notices; reads compare
//! with the head first.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use moka::{policy::EvictionPolicy, sync::Cache};

use super::{Owner, RepoError};
use crate::{
    repo::{Tree, tree::Builder},
    store::{
        AccountId, Db, Snapshot, StoreError,
        heads::{self, Head},
        records::{self, RecordEntry},
    },
};

/// Time to load a cold tree; a million records take a second.
const LOAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Records that are put into a tree at once. More than one such portion, which
/// takes about a millisecond, goes to a blocking thread.
const PORTION_RECORDS: usize = 4_096;
/// What an entry of the cache costs beside its tree.
const ENTRY_BYTES: usize = 1_024;

/// A repository at one of its commits.
#[derive(Debug)]
pub struct AtHead {
    /// The commit.
    pub head: Head,
    /// Its tree.
    pub tree: Tree,
}

pub(super) struct WarmTrees {
    trees: Cache<AccountId, Arc<AtHead>>,
}

impl WarmTrees {
    pub fn new(bytes_max: u64) -> Self {
        let weigh = |_: &AccountId, warm: &Arc<AtHead>| {
            u32::try_from(warm.tree.size_bytes() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let trees = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru());
        Self { trees: trees.build() }
    }

    /// Returns the repository as it was last seen here.
    pub async fn last_seen(&self, db: &Db, owner: &Owner) -> Result<Arc<AtHead>, RepoError> {
        match self.trees.get(&owner.account) {
            Some(warm) => Ok(warm),
            None => self.load(db, owner).await,
        }
    }

    /// Returns the repository as it is.
    pub async fn current(&self, db: &Db, owner: &Owner) -> Result<Arc<AtHead>, RepoError> {
        if let Some(warm) = self.trees.get(&owner.account) {
            if is_current(db, owner, &warm).await? {
                return Ok(warm);
            }
            self.forget(owner);
        }
        self.load(db, owner).await
    }

    /// Returns the repository as it was last seen here, if it is warm.
    pub fn peek(&self, owner: &Owner) -> Option<Arc<AtHead>> {
        self.trees.get(&owner.account)
    }

    pub fn put(&self, owner: &Owner, at_head: AtHead) {
        self.trees.insert(owner.account, Arc::new(at_head));
    }

    pub fn forget(&self, owner: &Owner) {
        self.trees.invalidate(&owner.account);
    }

    async fn load(&self, db: &Db, owner: &Owner) -> Result<Arc<AtHead>, RepoError> {
        let loaded = Arc::new(load(db, owner).await?);
        // A writer may have put a newer one there in the meantime.
        let kept = self.trees.entry(owner.account).or_insert(loaded);
        Ok(kept.into_value())
    }
}

/// Says whether nobody else has moved the repository.
pub(super) async fn is_current(db: &Db, owner: &Owner, seen: &AtHead) -> Result<bool, StoreError> {
    let head = heads::find(db, owner.account).await?;
    Ok(head.is_some_and(|head| head.commit_cid == seen.head.commit_cid))
}

async fn load(db: &Db, owner: &Owner) -> Result<AtHead, RepoError> {
    let snapshot = db.snapshot(LOAD_TIME_MAX).await?;
    load_in(&snapshot, owner).await
}

/// Builds the tree of a repository as a snapshot has it.
pub(in crate::service) async fn load_in(
    snapshot: &Snapshot,
    owner: &Owner,
) -> Result<AtHead, RepoError> {
    let head = heads::find_in(snapshot, owner.account).await?.ok_or(RepoError::NoRepo)?;
    let mut entries =
        records::stream_entries(snapshot, owner.account).ready_chunks(PORTION_RECORDS);
    let mut builder = Builder::new();
    let mut portion = Vec::new();
    while let Some(rows) = entries.next().await {
        for row in rows {
            portion.push(row?);
        }
        if portion.len() >= PORTION_RECORDS {
            let full = std::mem::take(&mut portion);
            let add = move || add(builder, full);
            builder =
                tokio::task::spawn_blocking(add).await?.map_err(|what| corrupt(owner, what))?;
        }
    }
    let builder = add(builder, portion).map_err(|what| corrupt(owner, what))?;
    let tree = builder.finish();
    if tree.root() != head.data {
        let what =
            format!("the records make the root {}, the head signs {}", tree.root(), head.data);
        return Err(corrupt(owner, what));
    }
    Ok(AtHead { head, tree })
}

fn add(mut builder: Builder, entries: Vec<RecordEntry>) -> Result<Builder, String> {
    for entry in entries {
        builder.push(&entry.path, entry.cid).map_err(|error| error.to_string())?;
    }
    Ok(builder)
}

fn corrupt(owner: &Owner, what: String) -> RepoError {
    let key = owner.did.as_str().to_owned();
    RepoError::Store(StoreError::Corrupt { table: "records".to_owned(), key, what })
}
