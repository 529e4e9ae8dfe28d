//! The queue before the thread that writes: who waits, and how much.
//!
//! Bounded in jobs and in bytes. Whoever finds it full waits, for a while.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{BadColumn, Row, Statement};
use crate::store::{Batch, Commit, CommitError, Committed, StoreError, error::RunError};

/// Jobs that wait at most; more than any group takes.
pub(super) const QUEUE_JOBS_MAX: usize = 4096;
/// Bytes that wait at most. One job may be larger and then waits alone.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// A permit of the queue stands for this many bytes.
const PERMIT_BYTES: usize = 1024;
/// How long a caller waits for room in the queue.
const ROOM_WAIT: Duration = Duration::from_secs(20);
/// Jobs that one transaction takes at most: from here on larger groups are not
/// faster.
pub(super) const GROUP_JOBS_MAX: usize = 512;
/// Bytes from which on a transaction takes no further job.
pub(super) const GROUP_BYTES_MAX: usize = 8 << 20;

/// What the rows of a writing statement are shown to.
pub(super) type Show = Box<dyn FnMut(&Row<'_>) -> Result<(), BadColumn> + Send>;

/// What somebody wants written, and whom to tell.
pub(super) enum Work {
    /// A batch.
    Run(Batch, oneshot::Sender<Result<(), RunError>>),
    /// One statement, whose rows are shown.
    Write(Statement, Show, oneshot::Sender<Result<u64, StoreError>>),
    /// A commit.
    Commit(Box<Commit>, oneshot::Sender<Result<Committed, CommitError>>),
}

/// Work with the room that it takes in the queue.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) size_bytes: usize,
    _room: OwnedSemaphorePermit,
}

/// The end at which jobs come in.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

/// The end at which groups of jobs are taken.
pub(super) struct Waiting {
    jobs: mpsc::Receiver<Job>,
    /// A job that was taken and did not fit into its group.
    next: Option<Job>,
}

/// Makes a queue.
pub(super) fn queue() -> (Queue, Waiting) {
    let (sender, receiver) = mpsc::channel(QUEUE_JOBS_MAX);
    let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX / PERMIT_BYTES));
    (Queue { jobs: sender, room }, Waiting { jobs: receiver, next: None })
}

impl Queue {
    /// Puts work into the queue.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] where there was no room for long.
    pub(super) async fn put(&self, work: Work) -> Result<(), StoreError> {
        let size_bytes = work.size_bytes();
        let permits = (size_bytes / PERMIT_BYTES).clamp(1, QUEUE_BYTES_MAX / PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let enter = async {
            let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
            let _room = room.map_err(|_| StoreError::Closed)?;
            let job = Job { work, size_bytes, _room };
            self.jobs.send(job).await.map_err(|_| StoreError::Closed)
        };
        let entered = tokio::time::timeout(ROOM_WAIT, enter).await;
        entered.unwrap_or(Err(StoreError::Overloaded))
    }
}

impl Waiting {
    /// Waits for a job and takes it with all who wait, as far as a group goes.
    /// Empty when the queue is closed and drained.
    pub(super) fn take_blocking(&mut self) -> Vec<Job> {
        let first = self.next.take().or_else(|| self.jobs.blocking_recv());
        first.map_or_else(Vec::new, |first| self.fill(first))
    }

    /// The same for a writer that is a future.
    pub(super) async fn take(&mut self) -> Vec<Job> {
        let first = match self.next.take() {
            Some(job) => Some(job),
            None => self.jobs.recv().await,
        };
        first.map_or_else(Vec::new, |first| self.fill(first))
    }

    fn fill(&mut self, first: Job) -> Vec<Job> {
        let mut size_bytes = first.size_bytes;
        let mut group = vec![first];
        while group.len() < GROUP_JOBS_MAX {
            let Ok(job) = self.jobs.try_recv() else { break };
            size_bytes += job.size_bytes;
            if size_bytes > GROUP_BYTES_MAX {
                self.next = Some(job);
                break;
            }
            group.push(job);
        }
        group
    }
}

impl Work {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Run(batch, _) => batch.size_bytes(),
            Self::Write(statement, ..) => statement.size_bytes(),
            Self::Commit(commit, _) => commit.size_bytes(),
        }
    }

    /// Answers with a failure.
    pub(super) fn fail(self, error: StoreError) {
        // A caller that went away does not want to know.
        match self {
            Self::Run(_, reply) => drop(reply.send(Err(error.into()))),
            Self::Write(.., reply) => drop(reply.send(Err(error))),
            Self::Commit(_, reply) => drop(reply.send(Err(error.into()))),
        }
    }
}
