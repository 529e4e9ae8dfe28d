//! The engine seam: the only room that knows which database runs.
//!
//! Above it stand statements ([`Statement`]), rows ([`Row`]) and batches
//! ([`super::Batch`]); below it SQLite through rusqlite or Postgres through
//! sqlx. On both, commits are joined into groups and numbered by one thread.

mod deadline;
mod feed;
mod migrations;
mod postgres;
mod queue;
mod row;
mod sqlite;
mod statement;
mod stream;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Batch, Commit, CommitError, Committed, EventFeed, StoreError, error::RunError};
use feed::Feeding;
use postgres::{Postgres, PostgresSnapshot};
use queue::Work;
use sqlite::{Sqlite, SqliteSnapshot};

pub(in crate::store) use row::{BadColumn, Row};
pub(in crate::store) use statement::{Dialect, Sql, Statement, Value};
use stream::Each;
pub use stream::RowStream;
pub(in crate::store) use stream::{Shape, Unshaped};

/// Which database, and where.
#[derive(Clone)]
pub enum Location {
    /// SQLite, in this file. It and the folder above it are created.
    Sqlite(PathBuf),
    /// Postgres 13 or newer, at this URL.
    Postgres(String),
}

impl fmt::Debug for Location {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "Sqlite({})", path.display()),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// What the database needs to know to run.
#[derive(Clone, Debug)]
pub struct DbSettings {
    /// Which database, and where.
    pub location: Location,
    /// Connections for short reads, and on Postgres for batches.
    pub readers_max: u32,
    /// Snapshots that may be open at once; each holds a connection.
    pub snapshots_max: u32,
    /// Bytes of pages that SQLite's writer keeps.
    pub writer_pages_bytes: u64,
    /// Bytes of pages that each of SQLite's readers keeps.
    pub reader_pages_bytes: u64,
}

impl DbSettings {
    /// Takes the usual numbers for a database.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            readers_max: 8,
            snapshots_max: 16,
            writer_pages_bytes: 64 << 20,
            reader_pages_bytes: 4 << 20,
        }
    }
}

/// What says the time in microseconds since 1970: the World's clock.
pub type NowUs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Reads a row into what the caller wants.
pub(in crate::store) type Read<T> = fn(&Row<'_>) -> Result<T, BadColumn>;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Arc<Engine>,
    feeding: Feeding,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Db {
    /// Opens the database, brings its tables up to date, and starts its threads.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another process has the SQLite file;
    /// [`StoreError::Schema`] where a newer Freehold wrote it.
    pub async fn open(settings: DbSettings, now_us: NowUs) -> Result<Self, StoreError> {
        let feeding = Feeding::new();
        let engine = match settings.location.clone() {
            Location::Sqlite(path) => {
                let feeding = feeding.clone();
                let open = move || Sqlite::open(&path, &settings, feeding, now_us);
                Engine::Sqlite(blocking("opening the database", open).await?)
            }
            Location::Postgres(url) => {
                let opening = Postgres::open(&url, &settings, feeding.clone(), now_us);
                Engine::Postgres(opening.await?)
            }
        };
        Ok(Self { engine: Arc::new(engine), feeding })
    }

    /// Opens the database to read only, also while a server runs on it. Writes
    /// are [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::Schema`] where its tables are not those of this version.
    pub async fn open_to_read(settings: DbSettings) -> Result<Self, StoreError> {
        let engine = match settings.location.clone() {
            Location::Sqlite(path) => {
                let open = move || Sqlite::open_to_read(&path, &settings);
                Engine::Sqlite(blocking("opening the database", open).await?)
            }
            Location::Postgres(url) => {
                Engine::Postgres(Postgres::open_to_read(&url, &settings).await?)
            }
        };
        Ok(Self { engine: Arc::new(engine), feeding: Feeding::new() })
    }

    /// Runs a batch in one transaction. Once it is queued it runs, even if the
    /// caller goes away.
    ///
    /// # Errors
    /// [`RunError::Unmet`] where an expectation failed; nothing of the batch was
    /// done then.
    pub async fn run(&self, batch: Batch) -> Result<(), RunError> {
        if batch.is_empty() {
            return Ok(());
        }
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let (reply, answer) = oneshot::channel();
                sqlite.put(Work::Run(batch, reply)).await?;
                answer.await.unwrap_or(Err(RunError::Store(StoreError::Closed)))
            }
            Engine::Postgres(postgres) => postgres.run(&batch).await,
        }
    }

    /// Makes a commit durable with its events, and returns them numbered. Once
    /// it is queued it is made, even if the caller goes away.
    ///
    /// # Errors
    /// [`CommitError::Stale`] where the head is not the one it was made on;
    /// [`CommitError::Unmet`] where an expectation of its batch failed. Nothing
    /// of the commit was done then, nor after any [`CommitError::Store`] but
    /// [`StoreError::OutcomeUnknown`].
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Commit(Box::new(commit), reply);
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.put(work).await?,
            Engine::Postgres(postgres) => postgres.put(work).await?,
        }
        answer.await.unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }

    /// Starts to listen to new events.
    pub fn events(&self) -> EventFeed {
        self.feeding.listen()
    }

    /// Begins a read transaction that sees one state of everything, and ends by
    /// itself after `deadline`.
    ///
    /// Waits where too many snapshots are open, until the deadline at most.
    pub async fn snapshot(&self, deadline: Duration) -> Result<Snapshot, StoreError> {
        let view = match &*self.engine {
            Engine::Sqlite(sqlite) => View::Sqlite(sqlite.snapshot(deadline).await?),
            Engine::Postgres(postgres) => View::Postgres(postgres.snapshot(deadline).await?),
        };
        Ok(Snapshot { view })
    }

    /// Finishes what was accepted, stops the threads and lets go of the files.
    /// What is asked afterwards is [`StoreError::Closed`].
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    pub(in crate::store) async fn row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.row(&statement, read).await,
            Engine::Postgres(postgres) => postgres.row(&statement, read).await,
        }
    }

    pub(in crate::store) async fn rows<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.rows(statement, read).await,
            Engine::Postgres(postgres) => postgres.rows(&statement, read).await,
        }
    }

    /// Runs a single writing statement and returns how many rows it affected.
    pub(in crate::store) async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        self.write_showing(statement, Box::new(|_| Ok(()))).await
    }

    /// Runs a single writing statement that returns a row.
    pub(in crate::store) async fn write_row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        let show = move |row: &Row<'_>| {
            *filled.lock() = Some(read(row)?);
            Ok(())
        };
        self.write_showing(statement, Box::new(show)).await?;
        let row = slot.lock().take();
        Ok(row)
    }

    async fn write_showing(
        &self,
        statement: Statement,
        show: queue::Show,
    ) -> Result<u64, StoreError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let (reply, answer) = oneshot::channel();
                sqlite.put(Work::Write(statement, show, reply)).await?;
                answer.await.unwrap_or(Err(StoreError::Closed))
            }
            Engine::Postgres(postgres) => postgres.write(&statement, show).await,
        }
    }
}

/// A read transaction: one state of everything, for as long as its deadline
/// allows.
#[derive(Clone, Debug)]
pub struct Snapshot {
    view: View,
}

#[derive(Clone, Debug)]
enum View {
    Sqlite(SqliteSnapshot),
    Postgres(PostgresSnapshot),
}

impl Snapshot {
    /// Reads a row. Not while a stream of the same snapshot runs.
    pub(in crate::store) async fn row<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        match &self.view {
            View::Sqlite(snapshot) => snapshot.row(&statement, read).await,
            View::Postgres(snapshot) => snapshot.row(&statement, read).await,
        }
    }

    /// Reads rows. Not while a stream of the same snapshot runs.
    pub(in crate::store) async fn rows<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.stream(statement, read).try_collect().await
    }

    pub(in crate::store) fn stream<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> RowStream<T> {
        self.stream_shaped(statement, Each(read))
    }

    /// Streams what `shape` makes of the rows.
    pub(in crate::store) fn stream_shaped<S: Shape>(
        &self,
        statement: Statement,
        shape: S,
    ) -> RowStream<S::Item> {
        match &self.view {
            View::Sqlite(snapshot) => snapshot.stream(statement, shape),
            View::Postgres(snapshot) => snapshot.stream(statement, shape),
        }
    }
}

/// Runs `work` on a thread where it may block.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| StoreError::engine(doing, e))?
}
