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

use super::{connection, readers::Readers};
use crate::store::StoreError;

/// Pages that the log has grown by when a checkpoint is due (32 MiB): the pages
/// that every group writes are then carried over once for many groups.
const CHECKPOINT_PAGES: u32 = 4096;
/// How often overdue snapshots are looked for.
const ROUND: Duration = Duration::from_secs(1);

/// Tells the checkpointer how the log grows. Held by the writer.
pub(super) struct LogSize {
    pages: Arc<AtomicU32>,
    checkpointed_at: u32,
    wake: SyncSender<()>,
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
    let thread = std::thread::Builder::new().name("checkpointer".to_owned());
    let thread = thread.spawn(move || run(&connection, &woken, &readers));
    let thread = thread.map_err(|e| StoreError::disk("starting the checkpointer", e))?;
    Ok((LogSize { pages, checkpointed_at: 0, wake }, thread))
}

fn run(connection: &Connection, woken: &Receiver<()>, readers: &Weak<Readers>) {
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
        // Passive: returns without effect where someone else checkpoints.
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(%error, "A checkpoint failed; the log grows until one succeeds.");
        }
    }
}

impl LogSize {
    /// Returns how many pages the log holds, and asks for a checkpoint when it
    /// is due. Called after every transaction.
    pub(super) fn note(&mut self) -> u32 {
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
        pages
    }
}
