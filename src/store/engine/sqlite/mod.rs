//! SQLite: one writing thread, reading connections, and a checkpointer.

mod checkpointer;
mod commit;
mod connection;
mod ownership;
mod readers;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

use super::{
    DbSettings, Dialect, NowUs, Read, Statement,
    feed::Feeding,
    migrations::{self, Migration},
    queue::{self, Queue, Work},
};
use crate::store::StoreError;
use ownership::Ownership;
use readers::Readers;
use writer::Writer;

pub(super) use readers::SqliteSnapshot;

/// A database in a file of this process.
#[derive(Debug)]
pub(super) struct Sqlite {
    readers: Arc<Readers>,
    /// `None` where the database was opened to read, or has been closed.
    queue: RwLock<Option<Arc<Queue>>>,
    /// Joined when the database is closed.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens and migrates the file and starts the threads. Blocks.
    pub(super) fn open(
        path: &Path,
        settings: &DbSettings,
        feeding: Feeding,
        now_us: NowUs,
    ) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|e| StoreError::disk("creating the data folder", e))?;
        }
        let ownership = Ownership::take(path)?;
        let mut connection = connection::open_writer(path, settings.writer_pages_bytes)?;
        migrate(&mut connection)?;
        let readers = Arc::new(readers(path, settings));
        let (queue, waiting) = queue::queue();
        let (log_size, checkpointer) = checkpointer::start(path, &mut connection, &readers)?;
        let writer = Writer {
            connection,
            waiting,
            feeding,
            log_size,
            now_us,
            restart_at: writer::LOG_PAGES_MAX,
            _ownership: ownership,
        };
        let thread = std::thread::Builder::new().name("writer".to_owned());
        let thread = thread.spawn(move || writer.run());
        let thread = thread.map_err(|e| StoreError::disk("starting the writer", e))?;
        Ok(Self {
            readers,
            queue: RwLock::new(Some(Arc::new(queue))),
            threads: Mutex::new(vec![thread, checkpointer]),
        })
    }

    /// Opens the file beside whoever owns it. Blocks.
    pub(super) fn open_to_read(path: &Path, settings: &DbSettings) -> Result<Self, StoreError> {
        let readers = readers(path, settings);
        let applied = connection::open_reader(path, settings.reader_pages_bytes)?;
        let missing = migrations::pending(&applied_migrations(&applied)?)?.len();
        if missing > 0 {
            let text = "it was written by an older version; start the server once".to_owned();
            return Err(StoreError::Schema(text));
        }
        Ok(Self { readers: Arc::new(readers), queue: RwLock::new(None), threads: Mutex::default() })
    }

    /// Hands work to the writer.
    pub(super) async fn put(&self, work: Work) -> Result<(), StoreError> {
        let queue = self.queue.read().clone();
        queue.ok_or(StoreError::Closed)?.put(work).await
    }

    pub(super) async fn row<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        self.readers.row(statement, read).await
    }

    pub(super) async fn rows<T: Send + 'static>(
        &self,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.readers.rows(statement, read).await
    }

    pub(super) async fn snapshot(&self, deadline: Duration) -> Result<SqliteSnapshot, StoreError> {
        self.readers.snapshot(deadline).await
    }

    /// Stops the threads after what is queued, and lets go of the file.
    pub(super) async fn close(&self) {
        drop(self.queue.write().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        let joining = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        // A thread that panicked has said so.
        let _ = joining.await;
    }
}

fn readers(path: &Path, settings: &DbSettings) -> Readers {
    Readers::new(PathBuf::from(path), settings)
}

/// Brings the tables up to date.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = |e| StoreError::engine("preparing the tables", e);
    let texts = migrations::texts(Dialect::Sqlite);
    connection.execute_batch(&texts.create_table).map_err(failed)?;
    for migration in migrations::pending(&applied_migrations(connection)?)? {
        apply(connection, migration, &texts.insert).map_err(failed)?;
    }
    Ok(())
}

fn applied_migrations(connection: &Connection) -> Result<Vec<(i64, String)>, StoreError> {
    let read = || {
        let mut statement = connection.prepare(&migrations::texts(Dialect::Sqlite).select)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(|e| StoreError::engine("reading the schema's history", e))
}

fn apply(connection: &mut Connection, migration: &Migration, insert: &str) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    for statement in migration.statements(Dialect::Sqlite) {
        tx.execute_batch(&statement)?;
    }
    tx.execute(insert, (migration.number, migration.name, migration.digest()))?;
    tx.commit()
}
