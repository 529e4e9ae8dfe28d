//! Exports: a repository, or parts of it, as archives.
//!
//! [`Exports::repository`] scans twice in one snapshot: once for paths and CIDs,
//! from which the tree comes, and once for the values in the same order, which
//! is the order of a streamable archive. What is sent never waits in memory
//! beyond a few chunks; a reader who takes too long loses the export, so that
//! nobody can pin a snapshot for ever. [`Exports::record`] and
//! [`Exports::blocks`] answer with a few blocks.
//!
//! Whoever calls has asked [`super::hosting`] whether the account is shown.
//!
//! Spec: <https://atproto.com/specs/repository#car-file-serialization>

mod archive;
mod blocks;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::tasks::Tasks;
use crate::{
    atproto::{
        Cid,
        syntax::{RecordPath, Tid},
    },
    repo::tree::{Builder, Tree},
    store::{
        AccountId, Db, Snapshot, StoreError,
        heads::{self, Head},
        records,
    },
    world::Clock,
};

pub use archive::Archive;
use archive::Sender;

/// Exports at once: each holds a tree, a snapshot and a few chunks.
const EXPORTS_MAX: usize = 8;
/// How long an export waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an export may take. While it lasts, the database keeps what it
/// reads, also what was overwritten since.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the few reads for a proof may take.
const PROOF_TIME_MAX: Duration = Duration::from_secs(30);
/// Blocks that one request may name.
pub const BLOCKS_MAX: usize = 1_000;

/// Makes archives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exports {
    db: Db,
    clock: Clock,
    tasks: Tasks,
    /// A turn for each export.
    turns: Arc<Semaphore>,
}

/// Why there is no archive, or no rest of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The account has no repository.
    #[error("the account has no repository")]
    NoRepository,
    /// A block that was asked for is not part of the repository.
    #[error("the block {0} is not in the repository")]
    BlockNotFound(Cid),
    /// More than [`BLOCKS_MAX`] blocks were asked for.
    #[error("more than {BLOCKS_MAX} blocks at once")]
    TooManyBlocks,
    /// Too many exports are under way.
    #[error("too many exports are under way")]
    Busy,
    /// The reader takes too long.
    #[error("the reader of the export is too slow")]
    SlowReader,
    /// A computation of ours broke down.
    #[error("an export broke down")]
    Broken,
    /// The store failed, or its records are not what the commit signs.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A repository as one snapshot has it.
struct Loaded {
    snapshot: Snapshot,
    head: Head,
    tree: Tree,
}

impl Exports {
    /// Returns a service that runs its exports among `tasks`.
    pub fn new(db: Db, clock: Clock, tasks: Tasks) -> Self {
        Self { db, clock, tasks, turns: Arc::new(Semaphore::new(EXPORTS_MAX)) }
    }

    /// Starts to send a whole repository; with `since`, the tree's nodes and the
    /// records that are newer than that revision.
    ///
    /// # Errors
    /// [`ExportError`] before anything is sent; later troubles end the archive
    /// with an error.
    // spec: repository#streamable-car-block-ordering
    pub async fn repository(
        &self,
        account: AccountId,
        since: Option<Tid>,
    ) -> Result<Archive, ExportError> {
        let turn = self.turn().await?;
        let loaded = self.load(account, EXPORT_TIME_MAX).await?;
        let (sender, archive) = archive::channel(self.clock.clone());
        let send = send_repository(loaded, account, since, sender, turn);
        self.tasks.run("export", async move {
            send.await;
            Ok(())
        });
        Ok(archive)
    }

    /// Returns the proof that a repository has, or has not, a record at `path`,
    /// and the record.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn record(
        &self,
        account: AccountId,
        path: &RecordPath,
    ) -> Result<Vec<u8>, ExportError> {
        let loaded = self.load(account, PROOF_TIME_MAX).await?;
        blocks::record(&loaded, account, path).await
    }

    /// Returns single blocks of a repository: its commit, nodes and records.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn blocks(&self, account: AccountId, cids: &[Cid]) -> Result<Vec<u8>, ExportError> {
        if cids.len() > BLOCKS_MAX {
            return Err(ExportError::TooManyBlocks);
        }
        let loaded = self.load(account, PROOF_TIME_MAX).await?;
        blocks::blocks(&loaded, account, cids).await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, ExportError> {
        let turn = self.turns.clone().acquire_owned();
        match self.clock.timeout(TURN_TIME_MAX, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ExportError::Busy),
        }
    }

    /// Takes a snapshot and builds the tree, whose root must be the one that
    /// the head's commit signs.
    async fn load(&self, account: AccountId, time_max: Duration) -> Result<Loaded, ExportError> {
        let snapshot = self.db.snapshot(time_max).await?;
        let head = heads::find_in(&snapshot, account).await?;
        let head = head.ok_or(ExportError::NoRepository)?;
        let tree = build_tree(&snapshot, account).await?;
        if tree.root() != head.data {
            let what = format!("they make the tree {}, not {}", tree.root(), head.data);
            return Err(corrupt(account, what).into());
        }
        Ok(Loaded { snapshot, head, tree })
    }
}

async fn build_tree(snapshot: &Snapshot, account: AccountId) -> Result<Tree, StoreError> {
    let mut entries = records::stream_entries(snapshot, account);
    let mut builder = Builder::new();
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let pushed = builder.push(&entry.path, entry.cid);
        pushed.map_err(|error| corrupt(account, error.to_string()))?;
    }
    Ok(builder.finish())
}

/// Returns the error for records that do not make the tree that was signed.
fn corrupt(account: AccountId, what: String) -> StoreError {
    let table = "records".to_owned();
    StoreError::Corrupt { table, key: format!("account {}", account.0), what }
}

/// Sends everything; what goes wrong goes to the reader, as the end.
async fn send_repository(
    loaded: Loaded,
    account: AccountId,
    since: Option<Tid>,
    mut sender: Sender,
    _turn: OwnedSemaphorePermit,
) {
    let sent = archive::send(&loaded, account, since.as_ref(), &mut sender).await;
    match sent {
        Ok(()) | Err(archive::Unsent::Left) => {}
        Err(archive::Unsent::Failed(error)) => sender.fail(error).await,
    }
}
