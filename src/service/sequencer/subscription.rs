//! One subscriber: a cursor.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{LOG_PAGE_EVENTS, PRUNE_GRACE, Sequencer, TAKE, ring::Found};
use crate::store::{StoreError, events};

/// Whether a subscriber gets everything after its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Everything.
    Whole,
    /// Events after the cursor are older than the window and are not sent; what
    /// follows begins with the oldest in the window.
    Outdated,
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The subscriber fell too far behind.
    #[error("the subscriber is too slow")]
    TooSlow,
    /// The server stops.
    #[error("the server stops")]
    Stopped,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A subscriber's place in the stream.
#[derive(Debug)]
pub struct Subscription {
    sequencer: Sequencer,
    /// The last `seq` that was handed out.
    cursor: u64,
    history: History,
    /// The ordinal of the cursor, once the subscriber has reached the head.
    /// Until then it reads history and may take its time.
    live: Option<u64>,
    head: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Subscription {
    pub(super) fn new(
        sequencer: Sequencer,
        cursor: u64,
        history: History,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let head = sequencer.0.head.subscribe();
        Self { sequencer, cursor, history, live: None, head, _place: place }
    }

    /// Says whether events are missing between the cursor that was asked for
    /// and the first that is sent.
    pub fn history(&self) -> History {
        self.history
    }

    /// Waits for the next frames, in order and at least one. May be dropped
    /// while it waits; nothing is lost.
    ///
    /// # Errors
    /// [`Ended`]; the subscription is over.
    pub async fn next(&mut self) -> Result<Vec<Bytes>, Ended> {
        let stop = self.sequencer.0.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Ended::Stopped),
            frames = self.read() => frames,
        }
    }

    async fn read(&mut self) -> Result<Vec<Bytes>, Ended> {
        loop {
            // Marked as seen before the look, so that an event between the look
            // and the wait wakes the wait.
            self.head.borrow_and_update();
            let (found, pushed) = {
                let ring = self.sequencer.0.ring.lock();
                (ring.after(self.cursor, TAKE), ring.pushed())
            };
            if self.live.is_some_and(|at| self.is_too_far(at, pushed)) {
                return Err(Ended::TooSlow);
            }
            match found {
                Found::Events(events, ordinal) => {
                    let last = events.last().map_or(self.cursor, |event| event.seq);
                    self.cursor = last;
                    self.live = self.live.map(|_| ordinal);
                    return Ok(events.iter().map(|event| event.bytes.clone()).collect());
                }
                Found::AtHead(ordinal) => {
                    self.live = Some(ordinal);
                    if self.head.changed().await.is_err() {
                        return Err(Ended::Stopped);
                    }
                }
                Found::BelowFloor => {
                    if let Some(frames) = self.read_log().await? {
                        return Ok(frames);
                    }
                }
            }
        }
    }

    /// Reads a page of the log; `None` if there is nothing more in it, since
    /// what followed was deleted.
    async fn read_log(&mut self) -> Result<Option<Vec<Bytes>>, Ended> {
        if self.is_pruned() {
            return Err(Ended::TooSlow);
        }
        let head = self.sequencer.head();
        let db = &self.sequencer.0.db;
        let page = events::range(db, self.cursor, LOG_PAGE_EVENTS).await?;
        let Some(last) = page.last() else {
            self.cursor = self.cursor.max(head);
            return Ok(None);
        };
        self.cursor = last.seq;
        self.live = self.live.map(|at| at + page.len() as u64);
        Ok(Some(page.into_iter().map(|event| event.bytes).collect()))
    }

    fn is_too_far(&self, at: u64, pushed: u64) -> bool {
        pushed.saturating_sub(at) > self.sequencer.0.settings.lag_events_max
    }

    /// Says whether events after the cursor may have been pruned since it
    /// began, so that reading on would skip some.
    fn is_pruned(&self) -> bool {
        let kept = self.sequencer.0.settings.backfill + PRUNE_GRACE;
        let oldest = self.sequencer.0.clock.now().minus(kept).unix_ms();
        i64::try_from(self.cursor / 1000).is_ok_and(|cursor_ms| cursor_ms < oldest)
    }
}
