//! Trees in memory, and how a cold one comes there.
//!
//! What is kept is a copy that may be behind where another server writes to
//! the same database. The compare-and-set of a commit notices; reads compare
//! with the head first.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::sync::Mutex;

use super::{Owner, RepoError};
use crate::{
    atproto::Cid,
    repo::{Tree, tree::Builder},
    store::{
        AccountId, Db, Snapshot, StoreError,
        heads::{self, Head},
        records::{self, GatherEntries},
    },
};

/// Time to load a cold tree; a million records take a second.
const LOAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Accounts whose exports under way are known, so that they share a tree.
const PASSING_MAX: u64 = 64;
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
    /// Trees that exports have built for themselves, for as long as one of them
    /// needs it. Locked while it is built, so that the others wait for it.
    passing: Cache<AccountId, Arc<Mutex<Weak<AtHead>>>>,
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
        Self { trees: trees.build(), passing: Cache::new(PASSING_MAX) }
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

    /// Returns the repository as a snapshot has it, without making it warm.
    pub async fn passing(
        &self,
        snapshot: &Snapshot,
        owner: &Owner,
        head: &Head,
    ) -> Result<Arc<AtHead>, RepoError> {
        let slot = self.passing.get_with(owner.account, Arc::default);
        let mut built = slot.lock().await;
        let same = |at: &Arc<AtHead>| at.head.commit_cid == head.commit_cid;
        if let Some(at_head) = built.upgrade().filter(same) {
            return Ok(at_head);
        }
        let at_head = Arc::new(load_in(snapshot, owner).await?);
        *built = Arc::downgrade(&at_head);
        Ok(at_head)
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
    let building = Building { owner: owner.clone(), builder: Builder::new() };
    let tree = records::gather(snapshot, owner.account, building).await?;
    if tree.root() != head.data {
        let what =
            format!("the records make the root {}, the head signs {}", tree.root(), head.data);
        return Err(corrupt(owner, what).into());
    }
    Ok(AtHead { head, tree })
}

/// A tree that grows while its records are read.
struct Building {
    owner: Owner,
    builder: Builder,
}

impl GatherEntries for Building {
    type Made = Tree;

    fn entry(&mut self, path: &str, cid: Cid) -> Result<(), StoreError> {
        let pushed = self.builder.push(path, cid);
        pushed.map_err(|error| corrupt(&self.owner, error.to_string()))
    }

    fn made(self) -> Tree {
        self.builder.finish()
    }
}

fn corrupt(owner: &Owner, what: String) -> StoreError {
    let key = owner.did.as_str().to_owned();
    StoreError::Corrupt { table: "records".to_owned(), key, what }
}
