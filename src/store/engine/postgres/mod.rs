//! Postgres: a pool for reads and batches, and one connection that commits.

mod batch;
mod commit;
mod committer;
mod outcome;
mod snapshot;
mod statements;

use std::{str::FromStr, sync::Arc, thread::JoinHandle, time::Duration};

use parking_lot::{Mutex, RwLock};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Semaphore;

use super::{
    DbSettings, Dialect, NowUs, Read, Statement,
    feed::Feeding,
    migrations,
    queue::{self, Queue, Show, Work},
};
use crate::store::{Batch, StoreError, committer::LAST_SEQ, error::RunError};
use committer::Committer;
use statements::doing;

pub(super) use snapshot::PostgresSnapshot;

/// The oldest server that knows what we ask (`pg_current_xact_id`).
const SERVER_VERSION_MIN: u32 = 130_000;
/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS_MAX: usize = 512;
/// How long a caller waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(20);
/// Held while the tables are prepared, so that two nodes do not do it at once.
const MIGRATION_LOCK: i64 = 0x4672_6565_686f_6c64;

/// A database on a server.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    /// Room for snapshots, so that they leave connections to short reads.
    snapshots: Arc<Semaphore>,
    /// `None` where the database was opened to read, or has been closed.
    queue: RwLock<Option<Arc<Queue>>>,
    /// Joined when the database is closed.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Postgres {
    /// Connects, prepares the tables and starts the committer.
    pub(super) async fn open(
        url: &str,
        settings: &DbSettings,
        feeding: Feeding,
        now_us: NowUs,
    ) -> Result<Self, StoreError> {
        let options = options(url)?;
        let opened = Self::connect(&options, settings).await?;
        opened.migrate().await?;
        let last = opened.row(&LAST_SEQ.statement(), |row| row.at(0)).await?;
        let (queue, waiting) = queue::queue();
        let committer = Committer {
            options: committing(options),
            waiting,
            feeding,
            now_us,
            link: None,
            last: last.unwrap_or(0),
        };
        *opened.thread.lock() = Some(start(committer)?);
        *opened.queue.write() = Some(Arc::new(queue));
        Ok(opened)
    }

    /// Connects to read only.
    pub(super) async fn open_to_read(url: &str, settings: &DbSettings) -> Result<Self, StoreError> {
        let opened = Self::connect(&options(url)?, settings).await?;
        let mut connection = opened.pool.acquire().await.map_err(doing("connecting"))?;
        if !migrations::pending(&applied(&mut connection).await?)?.is_empty() {
            let text = "it was written by an older version; start the server once".to_owned();
            return Err(StoreError::Schema(text));
        }
        drop(connection);
        Ok(opened)
    }

    async fn connect(
        options: &PgConnectOptions,
        settings: &DbSettings,
    ) -> Result<Self, StoreError> {
        let mut first = PgConnection::connect_with(options).await.map_err(doing("connecting"))?;
        check_server(&mut first).await?;
        // The server notices also without a farewell.
        let _ = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.readers_max + settings.snapshots_max)
            .acquire_timeout(CONNECTION_WAIT)
            .connect_lazy_with(options.clone());
        Ok(Self {
            pool,
            snapshots: Arc::new(Semaphore::new(settings.snapshots_max as usize)),
            queue: RwLock::new(None),
            thread: Mutex::new(None),
        })
    }

    /// Brings the tables up to date, in one transaction.
    async fn migrate(&self) -> Result<(), StoreError> {
        let failed = doing("preparing the tables");
        let texts = migrations::texts(Dialect::Postgres);
        let mut tx = self.pool.begin().await.map_err(&failed)?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
        lock.execute(&mut *tx).await.map_err(&failed)?;
        let create = sqlx::raw_sql(AssertSqlSafe(texts.create_table));
        create.execute(&mut *tx).await.map_err(&failed)?;
        for migration in migrations::pending(&applied(&mut tx).await?)? {
            for statement in migration.statements(Dialect::Postgres) {
                let statement = sqlx::raw_sql(AssertSqlSafe(statement));
                statement.execute(&mut *tx).await.map_err(&failed)?;
            }
            let remember = sqlx::query(AssertSqlSafe(texts.insert.clone()))
                .bind(migration.number)
                .bind(migration.name)
                .bind(migration.digest());
            remember.execute(&mut *tx).await.map_err(&failed)?;
        }
        tx.commit().await.map_err(&failed)
    }

    /// Hands a commit to the committer.
    pub(super) async fn put(&self, work: Work) -> Result<(), StoreError> {
        let queue = self.queue.read().clone();
        queue.ok_or(StoreError::Closed)?.put(work).await
    }

    /// Runs a batch.
    pub(super) async fn run(&self, batch: &Batch) -> Result<(), RunError> {
        self.check_writable()?;
        batch::run(&self.pool, batch).await
    }

    pub(super) async fn write(&self, statement: &Statement, show: Show) -> Result<u64, StoreError> {
        self.check_writable()?;
        statements::write(&self.pool, statement, show).await
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        self.queue.read().as_ref().map(|_| ()).ok_or(StoreError::Closed)
    }

    pub(super) async fn row<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        statements::row(&self.pool, statement, read).await
    }

    pub(super) async fn rows<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        statements::rows(&self.pool, statement, read).await
    }

    pub(super) async fn snapshot(
        &self,
        deadline: Duration,
    ) -> Result<PostgresSnapshot, StoreError> {
        PostgresSnapshot::begin(&self.pool, &self.snapshots, deadline).await
    }

    /// Stops the committer after what is queued, and lets the connections go.
    pub(super) async fn close(&self) {
        drop(self.queue.write().take());
        let thread = self.thread.lock().take();
        let joining = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join));
        // A thread that panicked has said so.
        let _ = joining.await;
        self.pool.close().await;
    }
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(doing("reading the database's URL"))?;
    Ok(options
        .application_name("freehold")
        .statement_cache_capacity(STATEMENTS_MAX)
        // A power cut must not take an event that a relay has seen.
        .options([("synchronous_commit", "on")])
        .disable_statement_logging())
}

/// The options of the connection that commits: all its statements go by key,
/// and are planned once.
fn committing(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")])
}

async fn check_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    let version = connection.server_version_num().unwrap_or(0);
    if version < SERVER_VERSION_MIN {
        let text = format!("Postgres {} is too old, 13 is the oldest", version / 10_000);
        return Err(StoreError::Schema(text));
    }
    let encoding = sqlx::query_scalar("SHOW server_encoding").fetch_one(connection).await;
    let encoding: String = encoding.map_err(doing("asking for the encoding"))?;
    match encoding.as_str() {
        "UTF8" => Ok(()),
        other => Err(StoreError::Schema(format!("its encoding is {other}, it must be UTF8"))),
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, String)>, StoreError> {
    let failed = doing("reading the schema's history");
    let select = sqlx::query(AssertSqlSafe(migrations::texts(Dialect::Postgres).select));
    let rows = select.fetch_all(connection).await.map_err(&failed)?;
    let entry = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(entry).collect::<Result<_, sqlx::Error>>().map_err(&failed)
}

/// Starts the committer's thread, with a runtime of its own: a busy server does
/// not delay it.
fn start(committer: Committer) -> Result<JoinHandle<()>, StoreError> {
    let failed = |e| StoreError::disk("starting the committer", e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let thread = std::thread::Builder::new().name("committer".to_owned());
    thread.spawn(move || runtime.block_on(committer.run())).map_err(failed)
}
