//! What became of a transaction whose end we did not hear.
//!
//! Postgres is asked by the transaction's own number. Before that, the session
//! that ran it is ended, so that the answer is final.

use sqlx::PgConnection;

use super::statements::doing;
use crate::store::StoreError;

/// How often a transaction that still runs is asked for again.
const ASKS_MAX: u32 = 100;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is durable.
    Committed,
    /// Nothing of it was done.
    Aborted,
}

/// A session, as the server knows it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    process: i32,
    began_at: String,
}

impl Session {
    /// Asks which session a connection is.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let sql = "SELECT pid, backend_start::text FROM pg_stat_activity
            WHERE pid = pg_backend_pid()";
        let (process, began_at) = sqlx::query_as(sql).fetch_one(connection).await?;
        Ok(Self { process, began_at })
    }

    /// Ends the session, if it still runs.
    async fn end(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid = $1 AND backend_start::text = $2";
        let query = sqlx::query(sql).bind(self.process).bind(&self.began_at);
        query.execute(connection).await.map(|_| ())
    }
}

/// Asks over a fresh connection what became of transaction `number`, which the
/// session `ran_in` ran.
///
/// # Errors
/// [`StoreError::OutcomeUnknown`] where the server cannot say.
pub(super) async fn ask(
    connection: &mut PgConnection,
    number: &str,
    ran_in: Option<&Session>,
) -> Result<Ending, StoreError> {
    if let Some(session) = ran_in {
        let ended = session.end(connection).await;
        ended.map_err(doing("ending a lost session"))?;
    }
    for _ in 0..ASKS_MAX {
        // The server does the waiting: where it must, it takes 50 ms.
        let sql = "SELECT status, CASE WHEN status = 'in progress' THEN pg_sleep(0.05) END IS NULL
            FROM (SELECT pg_xact_status($1::text::xid8) AS status) AS asked";
        let asked = sqlx::query_as(sql).bind(number).fetch_one(&mut *connection).await;
        let (status, _): (Option<String>, bool) =
            asked.map_err(doing("asking for a transaction"))?;
        match status.as_deref() {
            Some("committed") => return Ok(Ending::Committed),
            Some("aborted") => return Ok(Ending::Aborted),
            Some(_) => {}
            None => break,
        }
    }
    Err(StoreError::OutcomeUnknown)
}
