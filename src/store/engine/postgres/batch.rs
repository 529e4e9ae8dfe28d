//! Batches on Postgres: a transaction of their own on a connection of the pool.

use sqlx::{PgConnection, PgPool};

use super::{
    outcome::{self, Ending},
    statements::{self, Verdict, judge},
};
use crate::store::{
    Batch, StoreError,
    batch::{Expect, Unmet},
    error::RunError,
};

/// How often a batch is tried where another transaction is in its way.
const ATTEMPTS_MAX: u32 = 5;

/// Runs a batch, durable on return.
pub(super) async fn run(pool: &PgPool, batch: &Batch) -> Result<(), RunError> {
    let mut attempt = 1;
    loop {
        match run_once(pool, batch).await {
            Err(Failed::Conflict(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(Failed::Conflict(error) | Failed::Other(error)) => return Err(error.into()),
            Ok(Some(unmet)) => return Err(RunError::Unmet(unmet)),
            Ok(None) => return Ok(()),
        }
    }
}

enum Failed {
    Conflict(StoreError),
    Other(StoreError),
}

fn failed(error: sqlx::Error) -> Failed {
    let verdict = judge(&error);
    let error = StoreError::engine("running a batch", error);
    match verdict {
        Verdict::Conflict => Failed::Conflict(error),
        Verdict::Refused | Verdict::Lost => Failed::Other(error),
    }
}

async fn run_once(pool: &PgPool, batch: &Batch) -> Result<Option<Unmet>, Failed> {
    let mut tx = pool.begin().await.map_err(failed)?;
    if let Some(unmet) = statements(&mut tx, batch).await.map_err(failed)? {
        tx.rollback().await.map_err(failed)?;
        return Ok(Some(unmet));
    }
    let number = "SELECT pg_current_xact_id()::text";
    let number: String = sqlx::query_scalar(number).fetch_one(&mut *tx).await.map_err(failed)?;
    let Err(error) = tx.commit().await else { return Ok(None) };
    match judge(&error) {
        Verdict::Refused | Verdict::Conflict => Err(failed(error)),
        Verdict::Lost => match find_out(pool, &number).await.map_err(Failed::Other)? {
            Ending::Committed => Ok(None),
            Ending::Aborted => Err(Failed::Conflict(StoreError::engine("running a batch", error))),
        },
    }
}

/// Asks what became of a transaction whose end was not heard.
async fn find_out(pool: &PgPool, number: &str) -> Result<Ending, StoreError> {
    let unknown = |_| StoreError::OutcomeUnknown;
    let mut connection = pool.acquire().await.map_err(unknown)?;
    outcome::ask(&mut connection, number, None).await.map_err(|_| StoreError::OutcomeUnknown)
}

/// Runs the statements of a batch, up to the first unmet expectation.
pub(super) async fn statements(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<Option<Unmet>, sqlx::Error> {
    for (statement, expect) in &batch.statements {
        let done = statements::query(statement).execute(&mut *connection).await?;
        match expect {
            Expect::Rows(rows, unmet) if done.rows_affected() != *rows => return Ok(Some(*unmet)),
            Expect::Rows(..) | Expect::Anything => {}
        }
    }
    Ok(None)
}
