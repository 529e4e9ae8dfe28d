//! Connections to SQLite: how they are set up, and how a statement runs on one.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::super::{BadColumn, Dialect, Row, Statement, Value, queue::Show};
use crate::store::StoreError;

/// How long a statement waits for a lock that another program holds (a backup,
/// a shell); our own threads do not lock each other out.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS_MAX: usize = 512;
/// Bytes of a page of a new database. A record of the usual size fits in it
/// beside others, and a commit touches three or four of them.
const PAGE_BYTES: i64 = 8 << 10;
/// To how many bytes the log is cut when it starts again from its beginning.
const LOG_KEPT_BYTES: i64 = 64 << 20;

/// Opens the connection that writes, and creates the database; with a cache of pages that is filled as it is needed.
pub(super) fn open_writer(path: &Path, pages_bytes: u64) -> Result<Connection, StoreError> {
    let failed = |e| StoreError::engine("opening the database to write", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let set_up = || {
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut must not take an event that a relay has seen.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "fullfsync", "ON")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", cache_size(pages_bytes))?;
        connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
        // The checkpointer does it, on its own thread.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(())
    };
    set_up().map_err(failed)?;
    Ok(connection)
}

/// Opens the connection that checkpoints.
pub(super) fn open_checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let failed = |e| StoreError::engine("opening the database to checkpoint", e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let set_up = || {
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "checkpoint_fullfsync", "ON")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)
    };
    set_up().map_err(failed)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path, pages_bytes: u64) -> Result<Connection, StoreError> {
    let failed = |e| StoreError::engine("opening the database to read", e);
    // Not opened read-only: that could not build the index of a log that a
    // crash left behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let set_up = || {
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "query_only", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", cache_size(pages_bytes))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(())
    };
    set_up().map_err(failed)?;
    Ok(connection)
}

/// Bytes as the pragma takes them: a negative number of KiB.
fn cache_size(bytes: u64) -> i64 {
    i64::try_from(bytes / 1_024).map_or(i64::MIN, |kib| -kib)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(Some(int)) => ValueRef::Integer(*int),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// Runs a statement and returns how many rows it affected or, where it returns
/// rows, how many those were.
pub(super) fn execute(connection: &Connection, statement: &Statement) -> rusqlite::Result<u64> {
    let mut prepared = connection.prepare_cached(statement.sql.spelled(Dialect::Sqlite))?;
    for (index, value) in statement.values.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, value)?;
    }
    if prepared.column_count() == 0 {
        return Ok(prepared.raw_execute()? as u64);
    }
    let mut rows = prepared.raw_query();
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Runs a writing statement, shows the rows that it returns, and returns how
/// many it affected.
pub(super) fn write(
    connection: &Connection,
    statement: &Statement,
    show: &mut Show,
) -> Result<u64, StoreError> {
    let failed = |e| StoreError::engine("writing", e);
    let sql = statement.sql.spelled(Dialect::Sqlite);
    if connection.prepare_cached(sql).map_err(failed)?.column_count() == 0 {
        return execute(connection, statement).map_err(failed);
    }
    let mut rows = 0;
    query(connection, statement, |row| {
        rows += 1;
        show(row).map(|()| Flow::On)
    })?;
    Ok(rows)
}

/// Runs a statement and shows its rows to `show`, until that says to stop.
///
/// # Errors
/// [`StoreError::Corrupt`] where `show` cannot read a row.
pub(super) fn query(
    connection: &Connection,
    statement: &Statement,
    mut show: impl FnMut(&Row<'_>) -> Result<Flow, BadColumn>,
) -> Result<(), StoreError> {
    let failed = |e| StoreError::engine("reading", e);
    let sql = statement.sql.spelled(Dialect::Sqlite);
    let mut prepared = connection.prepare_cached(sql).map_err(failed)?;
    for (index, value) in statement.values.iter().enumerate() {
        prepared.raw_bind_parameter(index + 1, value).map_err(failed)?;
    }
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        match show(&Row::Sqlite(row)).map_err(|bad| statement.corrupt(bad))? {
            Flow::On => {}
            Flow::Stop => break,
        }
    }
    Ok(())
}

/// Whether to go on reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next row, please.
    On,
    /// Enough.
    Stop,
}
