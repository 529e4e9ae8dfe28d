//! How statements run on a connection to Postgres.

use futures_util::TryStreamExt;
use sqlx::{
    Executor, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::super::{Dialect, Read, Row, Statement, Value, queue::Show};
use crate::store::StoreError;

/// Makes sqlx's query of a statement.
pub(super) fn query(statement: &Statement) -> Query<'_, Postgres, PgArguments> {
    let mut query = sqlx::query(statement.sql.spelled(Dialect::Postgres));
    for value in &statement.values {
        query = match value {
            Value::Int(int) => query.bind(*int),
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Bytes(bytes) => query.bind(bytes.as_deref()),
        };
    }
    query
}

/// Says whether a statement looks for text with a zero byte, which Postgres
/// cannot hold: no row has it.
pub(super) fn is_futile(statement: &Statement) -> bool {
    let zero = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
    statement.values.iter().any(zero)
}

/// Reads the first row.
pub(super) async fn row<'c, T>(
    executor: impl Executor<'c, Database = Postgres>,
    statement: &Statement,
    read: Read<T>,
) -> Result<Option<T>, StoreError> {
    if is_futile(statement) {
        return Ok(None);
    }
    let row = query(statement).fetch_optional(executor).await;
    let row = row.map_err(|e| StoreError::engine("reading", e))?;
    row.map(|row| read_row(&row, statement, read)).transpose()
}

/// Reads all rows.
pub(super) async fn rows<'c, T>(
    executor: impl Executor<'c, Database = Postgres>,
    statement: &Statement,
    read: Read<T>,
) -> Result<Vec<T>, StoreError> {
    if is_futile(statement) {
        return Ok(Vec::new());
    }
    let mut fetching = query(statement).fetch(executor);
    let mut rows = Vec::new();
    while let Some(row) = fetching.try_next().await.map_err(|e| StoreError::engine("reading", e))? {
        rows.push(read_row(&row, statement, read)?);
    }
    Ok(rows)
}

/// Runs a writing statement, shows the rows that it returns, and returns how
/// many it affected.
pub(super) async fn write<'c>(
    executor: impl Executor<'c, Database = Postgres>,
    statement: &Statement,
    mut show: Show,
) -> Result<u64, StoreError> {
    let mut running = executor.fetch_many(query(statement));
    let mut affected = 0;
    while let Some(step) = running.try_next().await.map_err(|e| StoreError::engine("writing", e))? {
        match step {
            sqlx::Either::Left(done) => affected += done.rows_affected(),
            sqlx::Either::Right(row) => {
                show(&Row::Postgres(&row)).map_err(|bad| statement.corrupt(bad))?;
            }
        }
    }
    Ok(affected)
}

pub(super) fn read_row<T>(
    row: &PgRow,
    statement: &Statement,
    read: Read<T>,
) -> Result<T, StoreError> {
    read(&Row::Postgres(row)).map_err(|bad| statement.corrupt(bad))
}

/// Says what we were doing when sqlx failed.
pub(super) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::engine(doing, error)
}

/// What a failure of a transaction means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The server refused a statement; it would again.
    Refused,
    /// The server gave up for the sake of another transaction; it may succeed
    /// the next time.
    Conflict,
    /// The connection is gone.
    Lost,
}

/// Judges a failure.
pub(super) fn judge(error: &sqlx::Error) -> Verdict {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } => return Verdict::Refused,
        _ => return Verdict::Lost,
    };
    match code.as_deref() {
        // serialization_failure, deadlock_detected, lock_not_available
        Some("40001" | "40P01" | "55P03") => Verdict::Conflict,
        // Connection exceptions; the server shuts down or starts.
        Some(code) if code.starts_with("08") || code.starts_with("57P") => Verdict::Lost,
        _ => Verdict::Refused,
    }
}
