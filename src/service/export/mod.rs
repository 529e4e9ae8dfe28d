//! Exports: a repository, or parts of it, as archives.
//!
//! [`Exports::repository`] reads one snapshot: the tree is warm, or comes from a
//! scan of paths and CIDs; the values come from a scan in the tree's order,
//! which is the order of a streamable archive. What is sent never waits in
//! memory beyond a few chunks; a reader who takes too long loses the export, so
//! that nobody can pin a snapshot for ever. [`Exports::record`] and
//! [`Exports::blocks`] answer with a few blocks.
//!
//! Whoever calls has asked [`super::hosting`] whether the account is shown.
//!
//! Spec: <https://atproto.com/specs/repository#car-file-serialization>

mod archive;
mod blocks;

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    repos::{AtHead, Owner, RepoError, Repos},
    tasks::Tasks,
};
use crate::{
    atproto::{
        Cid,
        syntax::{RecordPath, Tid},
    },
    store::{Db, Snapshot, StoreError},
    world::Clock,
};

pub use archive::Archive;
use archive::{Sender, Unsent};
use blocks::Found;

/// Exports at once: each holds a tree, a snapshot and a few chunks.
const EXPORTS_MAX: usize = 8;
/// How long an export waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an export may take. While it lasts, the database keeps what it
/// reads, also what was overwritten since.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// Blocks that one request may name: their CIDs fit into one query string.
pub const BLOCKS_MAX: usize = 800;
/// How often blocks are looked for in a repository that moves meanwhile.
const ATTEMPTS_MAX: usize = 3;

/// Makes archives. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    repos: Arc<Repos>,
    db: Db,
    clock: Clock,
    tasks: Tasks,
    /// A turn for each export.
    turns: Arc<Semaphore>,
}

/// Why there is no archive, or no rest of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A block that was asked for is not part of the repository.
    #[error("the block {0} is not in the repository")]
    BlockNotFound(Cid),
    /// More than [`BLOCKS_MAX`] blocks were asked for.
    #[error("more than {BLOCKS_MAX} blocks at once")]
    TooManyBlocks,
    /// Too many exports are under way, or the repository moves too fast.
    #[error("too much is going on")]
    Busy,
    /// The reader takes too long.
    #[error("the reader of the export is too slow")]
    SlowReader,
    /// A computation broke down.
    #[error("a computation broke down: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// The repository is not there or cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Repo(error.into())
    }
}

/// A repository as one snapshot has it.
struct Source {
    owner: Owner,
    snapshot: Snapshot,
    repo: Arc<AtHead>,
    /// Only what is newer than this is asked for.
    since: Option<Tid>,
}

impl Exports {
    /// Returns a service that runs its exports among `tasks`.
    pub fn new(repos: Arc<Repos>, db: Db, clock: Clock, tasks: Tasks) -> Self {
        Self { repos, db, clock, tasks, turns: Arc::new(Semaphore::new(EXPORTS_MAX)) }
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
        owner: Owner,
        since: Option<Tid>,
    ) -> Result<Archive, ExportError> {
        let turn = self.turn().await?;
        let snapshot = self.db.snapshot(EXPORT_TIME_MAX).await?;
        let repo = self.repos.in_snapshot(&snapshot, &owner).await?;
        let source = Source { owner, snapshot, repo, since };
        let (sender, archive) = archive::channel(self.clock.clone());
        self.tasks.run("export a repository", async move {
            send_repository(source, sender, turn).await;
            Ok(())
        });
        Ok(archive)
    }

    /// Returns the proof that a repository has, or has not, a record at `path`,
    /// and the record.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn record(&self, owner: &Owner, path: &RecordPath) -> Result<Vec<u8>, ExportError> {
        for _ in 0..ATTEMPTS_MAX {
            let repo = self.repos.at_head(owner).await?;
            if let Found::Archive(archive) = blocks::record(&self.db, owner, &repo, path).await? {
                return Ok(archive);
            }
        }
        Err(ExportError::Busy)
    }

    /// Returns single blocks of a repository: its commit, nodes and records.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn blocks(&self, owner: &Owner, cids: &[Cid]) -> Result<Vec<u8>, ExportError> {
        if cids.len() > BLOCKS_MAX {
            return Err(ExportError::TooManyBlocks);
        }
        for _ in 0..ATTEMPTS_MAX {
            let repo = self.repos.at_head(owner).await?;
            if let Found::Archive(archive) = blocks::blocks(&self.db, owner, &repo, cids).await? {
                return Ok(archive);
            }
        }
        Err(ExportError::Busy)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, ExportError> {
        let turn = self.turns.clone().acquire_owned();
        match self.clock.timeout(TURN_TIME_MAX, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(ExportError::Busy),
        }
    }
}

/// Returns the error for records that are not what the tree says.
fn corrupt(owner: &Owner, what: String) -> StoreError {
    let key = owner.did.as_str().to_owned();
    StoreError::Corrupt { table: "records".to_owned(), key, what }
}

/// Sends everything; what goes wrong goes to the reader, as the end.
async fn send_repository(source: Source, mut sender: Sender, _turn: OwnedSemaphorePermit) {
    match archive::send(&source, &mut sender).await {
        Ok(()) | Err(Unsent::Left) => {}
        Err(Unsent::Failed(error)) => {
            let did = source.owner.did.as_str();
            tracing::warn!(did, "An export of {did} ended early: {error}.");
            sender.fail(error).await;
        }
    }
}
