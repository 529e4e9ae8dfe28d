//! Snapshots on Postgres: a repeatable-read transaction.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use sqlx::{PgPool, Transaction};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
};

use super::{
    super::{
        Read, Row, RowStream, Statement,
        deadline::Deadline,
        stream::{Scan, Shape, Unshaped},
    },
    statements,
};
use crate::store::StoreError;

/// A read transaction. Rolled back when the last clone goes away.
#[derive(Clone, Debug)]
pub(in crate::store::engine) struct PostgresSnapshot {
    held: Arc<Held>,
    deadline: Deadline,
}

#[derive(Debug)]
struct Held {
    tx: Mutex<Transaction<'static, sqlx::Postgres>>,
    _room: OwnedSemaphorePermit,
}

impl PostgresSnapshot {
    pub(super) async fn begin(
        pool: &PgPool,
        room: &Arc<Semaphore>,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let failed = |e| StoreError::engine("beginning a snapshot", e);
        let limit_ms = i32::try_from(deadline.as_millis()).unwrap_or(i32::MAX);
        let deadline = Deadline::after(deadline);
        let beginning = async {
            let room = Arc::clone(room).acquire_owned().await.map_err(|_| StoreError::Closed)?;
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            let mut tx = pool.begin_with(begin).await.map_err(failed)?;
            // The server ends it where nobody reads, and the state that is seen
            // is that of this first statement.
            let limit = "SELECT set_config('idle_in_transaction_session_timeout', $1, true)";
            let limited = sqlx::query(limit).bind(limit_ms.to_string()).execute(&mut *tx).await;
            limited.map_err(failed)?;
            Ok::<_, StoreError>(Held { tx: Mutex::new(tx), _room: room })
        };
        let held = deadline.limit(beginning).await??;
        Ok(Self { held: Arc::new(held), deadline })
    }

    pub(in crate::store::engine) async fn row<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut tx = self.held.tx.lock().await;
        statements::row(&mut **tx, statement, read).await
    }

    pub(in crate::store::engine) fn stream<S: Shape>(
        &self,
        statement: Statement,
        mut shape: S,
    ) -> RowStream<S::Item> {
        let (held, deadline) = (Arc::clone(&self.held), self.deadline);
        RowStream::new(move |mut scan| {
            let mut tx = held.tx.blocking_lock();
            let scanned = scan_rows(&mut tx, &statement, &mut shape, (&mut scan, deadline));
            if let Err(error) = scanned {
                scan.fail(error);
            }
        })
    }
}

fn scan_rows<S: Shape>(
    tx: &mut Transaction<'static, sqlx::Postgres>,
    statement: &Statement,
    shape: &mut S,
    (scan, deadline): (&mut Scan<S::Item>, Deadline),
) -> Result<(), StoreError> {
    let mut out = Vec::new();
    deadline.check()?;
    // A scan has a thread to itself, which may block.
    let runtime = Handle::current();
    let mut fetching = statements::query(statement).fetch(&mut **tx);
    loop {
        let next = runtime.block_on(fetching.try_next());
        let Some(row) = next.map_err(|e| StoreError::engine("reading", e))? else { break };
        match shape.row(&Row::Postgres(&row), &mut out) {
            Ok(()) => {}
            Err(Unshaped::Column(bad)) => return Err(statement.corrupt(bad)),
            Err(Unshaped::Store(error)) => return Err(error),
        }
        if scan.send_all(&mut out, deadline).is_err() {
            return Ok(());
        }
    }
    shape.end(&mut out)?;
    // A reader that left does not want the rest.
    let _ = scan.send_all(&mut out, deadline).and_then(|()| scan.flush(deadline));
    Ok(())
}
