//! Readers: connections for short reads, and snapshots for long ones.
//!
//! A short read runs where it is asked for, in some ten microseconds; a list
//! and a scan run on a blocking thread.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    super::{
        BadColumn, DbSettings, Read, Row, RowStream, Statement,
        deadline::Deadline,
        stream::{Scan, Shape, Unshaped},
    },
    connection::{self, Flow},
};
use crate::store::StoreError;

/// All reading connections of a database.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    /// Bytes of pages that each keeps.
    pages_bytes: u64,
    idle: Mutex<Vec<Connection>>,
    /// Room for short reads.
    short: Arc<Semaphore>,
    /// Room for snapshots.
    long: Arc<Semaphore>,
    /// Idle connections that are kept.
    idle_max: usize,
    /// Snapshots that are open, so that those past their deadline can be ended.
    open: Mutex<Vec<Weak<Held>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, settings: &DbSettings) -> Self {
        let DbSettings { readers_max, snapshots_max, reader_pages_bytes, .. } = *settings;
        Self {
            path,
            pages_bytes: reader_pages_bytes,
            idle: Mutex::default(),
            short: Arc::new(Semaphore::new(readers_max as usize)),
            long: Arc::new(Semaphore::new(snapshots_max as usize)),
            idle_max: readers_max as usize,
            open: Mutex::default(),
        }
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().pop();
        idle.map_or_else(|| connection::open_reader(&self.path, self.pages_bytes), Ok)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
    }

    /// Reads the first row, here and now.
    pub(super) async fn row<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        let _room = self.short.acquire().await.map_err(|_| StoreError::Closed)?;
        let connection = self.connection()?;
        let row = first_row(&connection, statement, read);
        self.give_back(connection);
        row
    }

    /// Reads all rows, on a blocking thread.
    pub(super) async fn rows<T: Send + 'static>(
        self: &Arc<Self>,
        statement: Statement,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        let room = Arc::clone(&self.short).acquire_owned().await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let reading = move || {
            let _room = room;
            let connection = readers.connection()?;
            let mut rows = Vec::new();
            let read = connection::query(&connection, &statement, |row| {
                rows.push(read(row)?);
                Ok(Flow::On)
            });
            readers.give_back(connection);
            read.map(|()| rows)
        };
        let done = tokio::task::spawn_blocking(reading).await;
        done.map_err(|e| StoreError::engine("reading", e))?
    }

    /// Begins a read transaction.
    pub(super) async fn snapshot(
        self: &Arc<Self>,
        deadline: Duration,
    ) -> Result<SqliteSnapshot, StoreError> {
        let deadline = Deadline::after(deadline);
        let room = Arc::clone(&self.long).acquire_owned();
        let room = deadline.limit(room).await?.map_err(|_| StoreError::Closed)?;
        let connection = self.connection()?;
        // The state that is seen is that of the first read.
        let begun = connection.execute_batch("BEGIN; SELECT last FROM sequence");
        begun.map_err(|e| StoreError::engine("beginning a snapshot", e))?;
        let held = Arc::new(Held {
            connection: Mutex::new(Some(connection)),
            readers: Arc::clone(self),
            deadline,
            _room: room,
        });
        let mut open = self.open.lock();
        open.retain(|held| held.strong_count() > 0);
        open.push(Arc::downgrade(&held));
        Ok(SqliteSnapshot { held })
    }

    /// Ends snapshots that nobody reads and whose deadline has passed, since
    /// they keep the log from starting again.
    pub(super) fn end_overdue(&self) {
        let open: Vec<_> = self.open.lock().iter().filter_map(Weak::upgrade).collect();
        for held in open {
            if held.deadline.check().is_err() {
                held.end();
            }
        }
    }
}

fn first_row<T>(
    connection: &Connection,
    statement: &Statement,
    read: Read<T>,
) -> Result<Option<T>, StoreError> {
    let mut first = None;
    connection::query(connection, statement, |row| {
        first = Some(read(row)?);
        Ok(Flow::Stop)
    })?;
    Ok(first)
}

/// A read transaction.
#[derive(Clone, Debug)]
pub(in crate::store::engine) struct SqliteSnapshot {
    held: Arc<Held>,
}

/// A connection inside a read transaction; `None` when that has ended.
#[derive(Debug)]
struct Held {
    connection: Mutex<Option<Connection>>,
    readers: Arc<Readers>,
    deadline: Deadline,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// Ends the transaction, unless a scan is reading: that sees the deadline
    /// itself.
    fn end(&self) {
        let Some(mut slot) = self.connection.try_lock() else { return };
        let Some(connection) = slot.take() else { return };
        if connection.execute_batch("ROLLBACK").is_ok() {
            self.readers.give_back(connection);
        }
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let slot = self.connection.lock();
        let connection = slot.as_ref().ok_or(StoreError::DeadlinePassed)?;
        self.deadline.check()?;
        work(connection)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

impl SqliteSnapshot {
    pub(in crate::store::engine) async fn row<T>(
        &self,
        statement: &Statement,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        self.held.with(|connection| first_row(connection, statement, read))
    }

    pub(in crate::store::engine) fn stream<S: Shape>(
        &self,
        statement: Statement,
        mut shape: S,
    ) -> RowStream<S::Item> {
        let held = Arc::clone(&self.held);
        RowStream::new(move |mut scan| {
            let sending = (&mut scan, held.deadline);
            let scanned = held.with(|c| scan_rows(c, &statement, &mut shape, sending));
            if let Err(error) = scanned {
                scan.fail(error);
            }
        })
    }
}

fn scan_rows<S: Shape>(
    connection: &Connection,
    statement: &Statement,
    shape: &mut S,
    (scan, deadline): (&mut Scan<S::Item>, Deadline),
) -> Result<(), StoreError> {
    let (mut stopped, mut failure, mut out) = (false, None, Vec::new());
    let show = |row: &Row<'_>| -> Result<Flow, BadColumn> {
        match shape.row(row, &mut out) {
            Ok(()) => stopped = scan.send_all(&mut out, deadline).is_err(),
            Err(Unshaped::Column(bad)) => return Err(bad),
            Err(Unshaped::Store(error)) => failure = Some(error),
        }
        Ok(if stopped || failure.is_some() { Flow::Stop } else { Flow::On })
    };
    connection::query(connection, statement, show)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if !stopped {
        shape.end(&mut out)?;
        // A reader that left does not want the rest.
        let _ = scan.send_all(&mut out, deadline).and_then(|()| scan.flush(deadline));
    }
    Ok(())
}
