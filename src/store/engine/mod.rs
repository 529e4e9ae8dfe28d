//! The engine seam: the only room that knows which database runs.
//!
//! Above it stand statements ([`Statement`]), rows ([`Row`]) and batches
//! ([`super::Batch`]); below it SQLite through rusqlite or Postgres through
//! sqlx.

mod row;
mod statement;

use std::{
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{Batch, Commit, CommitError, Committed, EventFeed, StoreError, error::RunError};

pub(in crate::store) use row::{BadColumn, Row};
pub(in crate::store) use statement::{Dialect, Sql, Statement, Value};

/// Which database, and where.
#[derive(Clone, Debug)]
pub enum Location {
    /// SQLite, in this file. It and the folder above it are created.
    Sqlite(PathBuf),
    /// Postgres 13 or newer, at this URL.
    Postgres(String),
}

/// What the database needs to know to run.
#[derive(Clone, Debug)]
pub struct DbSettings {
    /// Which database, and where.
    pub location: Location,
    /// Connections for short reads.
    pub readers_max: u32,
    /// Snapshots that may be open at once; each holds a connection.
    pub snapshots_max: u32,
}

impl DbSettings {
    /// Takes the usual numbers for a database.
    pub fn new(location: Location) -> Self {
        Self { location, readers_max: 8, snapshots_max: 16 }
    }
}

/// What says the time in microseconds since 1970: the World's clock.
pub type NowUs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {}

/// Reads a row into what the caller wants.
pub(in crate::store) type Read<T> = fn(&Row<'_>) -> Result<T, BadColumn>;

impl Db {
    /// Opens the database, brings its tables up to date, and starts its threads.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another process has the SQLite file;
    /// [`StoreError::Schema`] where a newer Freehold wrote it.
    pub async fn open(settings: DbSettings, now_us: NowUs) -> Result<Self, StoreError> {
        unreachable!("being written")
    }

    /// Opens the database to read only, also while a server runs on it. Writes
    /// fail.
    pub async fn open_to_read(settings: DbSettings) -> Result<Self, StoreError> {
        unreachable!("being written")
    }

    /// Runs a batch in one transaction.
    ///
    /// # Errors
    /// [`RunError::Unmet`] where an expectation failed; nothing of the batch was
    /// done then.
    pub async fn run(&self, batch: Batch) -> Result<(), RunError> {
        unreachable!("being written")
    }

    /// Makes a commit durable with its events, and returns them numbered.
    ///
    /// # Errors
    /// [`CommitError::Stale`] where the head is not the one it was made on.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        unreachable!("being written")
    }

    /// Starts to listen to new events.
    pub fn events(&self) -> EventFeed {
        unreachable!("being written")
    }

    /// Begins a read transaction that sees one state of everything, and ends by
    /// itself after `deadline`.
    ///
    /// Waits where too many snapshots are open.
    pub async fn snapshot(&self, deadline: Duration) -> Result<Snapshot, StoreError> {
        unreachable!("being written")
    }

    /// Finishes what was accepted, stops the threads and lets go of the files.
    pub async fn close(&self) {
        unreachable!("being written")
    }

    pub(in crate::store) async fn row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        unreachable!("being written")
    }

    pub(in crate::store) async fn rows<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        unreachable!("being written")
    }

    /// Runs a single writing statement and returns how many rows it affected.
    pub(in crate::store) async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        unreachable!("being written")
    }

    /// Runs a single writing statement that returns a row.
    pub(in crate::store) async fn write_row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        unreachable!("being written")
    }
}

/// A read transaction: one state of everything, for as long as its deadline
/// allows.
#[derive(Debug)]
pub struct Snapshot {}

impl Snapshot {
    pub(in crate::store) async fn row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        unreachable!("being written")
    }

    pub(in crate::store) fn stream<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> RowStream<T> {
        unreachable!("being written")
    }
}

/// Rows of a scan as they come, with back-pressure: the scan waits for its
/// reader, until the snapshot's deadline. Streams of one snapshot run one after
/// the other.
pub struct RowStream<T> {
    rows: std::marker::PhantomData<fn() -> T>,
}

impl<T> futures_util::Stream for RowStream<T> {
    type Item = Result<T, StoreError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        unreachable!("being written")
    }
}
