//! The checkpointer: carries what the log holds into the database file, on a
//! thread of its own, so that writers do not wait for it.
//!
//! It checkpoints passively, which disturbs nobody; where writers never pause,
//! the log still grows, and the writer itself starts it again from its
//! beginning when it passes a limit.

use std::{
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use super::{connection, readers::Readers, writer::LOG_PAGES_MAX};
use crate::store::StoreError;

/// Pages that the log has grown by when a checkpoint is due (32 MiB): the pages
/// that every group writes are then carried over once for many groups.
const CHECKPOINT_PAGES: u32 = 4096;
/// Pages that the writer may carry over itself when it starts the log again (2
/// MiB), and how often it is tried to leave it no more.
const REST_PAGES: u32 = 256;
const CARRIES_MAX: u32 = 6;
/// How often overdue snapshots are looked for.
const ROUND: Duration = Duration::from_secs(1);

/// Tells the checkpointer how the log grows. Held by the writer.
pub(super) struct LogSize {
    pages: Arc<AtomicU32>,
    checkpointed_at: u32,
    /// Checkpoints that have ended; the checkpointer counts, the writer looks.
    ended: Arc<AtomicU32>,
    /// How many of them the writer has seen.
    seen: u32,
    wake: SyncSender<()>,
}

/// How the log stands after a transaction.
#[derive(Clone, Copy)]
pub(super) struct Log {
    /// Pages that it holds.
    pub(super) pages: u32,
    /// Whether nearly all of them stand in the database file.
    pub(super) carried: Carried,
}

/// Whether a checkpoint has just ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It has: little is left to carry.
    JustNow,
    /// The last one ended earlier.
    Earlier,
}

/// Starts the thread. It ends when the [`LogSize`] is dropped.
pub(super) fn start(
    path: &Path,
    writer: &mut Connection,
    readers: &Arc<Readers>,
) -> Result<(LogSize, JoinHandle<()>), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::engine("watching the log", e);
    let pages = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&pages);
    let hook = move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    };
    writer.wal_hook(Some(hook)).map_err(failed)?;
    let connection = connection::open_checkpointer(path)?;
    let (wake, woken) = sync_channel(1);
    let readers = Arc::downgrade(readers);
    let ended = Arc::new(AtomicU32::new(0));
    let (count, carried_pages) = (Arc::clone(&ended), Arc::clone(&pages));
    let thread = std::thread::Builder::new().name("checkpointer".to_owned());
    let thread = thread.spawn(move || run(&connection, &woken, (&readers, &carried_pages, &count)));
    let thread = thread.map_err(|e| StoreError::disk("starting the checkpointer", e))?;
    Ok((LogSize { pages, checkpointed_at: 0, ended, seen: 0, wake }, thread))
}

fn run(
    connection: &Connection,
    woken: &Receiver<()>,
    (readers, pages, ended): (&Weak<Readers>, &AtomicU32, &AtomicU32),
) {
    loop {
        let due = match woken.recv_timeout(ROUND) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(readers) = readers.upgrade() {
            readers.end_overdue();
        }
        if !due {
            continue;
        }
        if let Err(error) = carry(connection, pages) {
            tracing::warn!(%error, "A checkpoint failed; the log grows until one succeeds.");
        }
        ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Carries over what the log holds. Where the writer is to start it again, does so
/// until little has come since, since the writer will wait for the rest.
fn carry(connection: &Connection, pages: &AtomicU32) -> rusqlite::Result<()> {
    for _ in 0..CARRIES_MAX {
        // Passive: returns without effect where someone else checkpoints.
        let carried: u32 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok(u32::try_from(row.get::<_, i64>(2)?).unwrap_or(0))
        })?;
        let pages = pages.load(Ordering::Relaxed);
        if pages < LOG_PAGES_MAX || pages.saturating_sub(carried) < REST_PAGES {
            break;
        }
    }
    Ok(())
}

impl LogSize {
    /// Returns how the log stands, and asks for a checkpoint when it is due.
    /// Called after every transaction.
    pub(super) fn note(&mut self) -> Log {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.checkpointed_at {
            // The log started again from its beginning.
            self.checkpointed_at = 0;
        }
        if pages - self.checkpointed_at >= CHECKPOINT_PAGES {
            self.checkpointed_at = pages;
            // A full channel means that one is asked for already.
            let _ = self.wake.try_send(());
        }
        let ended = self.ended.load(Ordering::Relaxed);
        let carried = match ended == self.seen {
            true => Carried::Earlier,
            false => Carried::JustNow,
        };
        self.seen = ended;
        Log { pages, carried }
    }
}
