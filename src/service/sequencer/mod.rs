//! The sequencer: every event to every subscriber, in order, none skipped.
//!
//! The store numbers events and keeps the log; this service keeps the newest
//! ones in a [`ring`] and lets subscribers read. A [`Subscription`] is a cursor
//! and nothing more: it reads the ring, or the log where it is behind the ring,
//! or waits at the head. Nothing is queued for anybody, so a thousand slow
//! subscribers hold a thousand cursors.
//!
//! `seq` is time, so how old a cursor is can be seen in the cursor itself.
//!
//! Spec: <https://atproto.com/specs/event-stream#sequence-numbers>

mod ring;
mod subscription;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    atproto::Moment,
    store::{
        Db, EventFeed, StoreError,
        events::{self, Fed},
    },
    world::Clock,
};

use ring::{Ring, RingLimits, Take};

pub use subscription::{Ended, History, Subscription};

/// Events of one page of the log.
const LOG_PAGE_EVENTS: u32 = 100;
/// What a subscriber takes from the ring at once.
const TAKE: Take = Take { events_max: 64, bytes_max: 1 << 20 };
/// The newest events in memory: minutes of a busy server.
const RING_EVENTS_MAX: usize = 10_000;
/// Bytes of them, unless the operator's memory says otherwise.
const RING_BYTES_MAX: u64 = 32 << 20;
/// How much longer than the window events are kept, so that a subscriber who
/// starts at its edge has time to read them.
const PRUNE_GRACE: Duration = Duration::from_secs(60 * 60);
/// Pause before the log is read again after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The operator's choices.
#[derive(Clone, Copy, Debug)]
pub struct SequencerSettings {
    /// How old events may be that a cursor still gets.
    pub backfill: Duration,
    /// Events that a subscriber who has reached the head may fall behind it.
    pub lag_events_max: u64,
    /// Subscribers at once; each costs about 21 KiB.
    pub subscribers_max: usize,
    /// Bytes of the newest events that are kept in memory.
    pub ring_bytes_max: u64,
}

impl Default for SequencerSettings {
    fn default() -> Self {
        Self {
            backfill: Duration::from_secs(72 * 60 * 60),
            lag_events_max: 5_000,
            subscribers_max: 2_000,
            ring_bytes_max: RING_BYTES_MAX,
        }
    }
}

impl SequencerSettings {
    fn ring(&self) -> RingLimits {
        let bytes_max = usize::try_from(self.ring_bytes_max).unwrap_or(usize::MAX);
        RingLimits { events_max: RING_EVENTS_MAX, bytes_max }
    }
}

/// Lets subscribers read the stream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sequencer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    clock: Clock,
    settings: SequencerSettings,
    /// Written by whoever holds `turn`, read by every subscriber; held for the
    /// length of a look, never across an await.
    ring: Mutex<Ring>,
    /// Held while the ring is brought up to date, so that events enter it in
    /// order; asynchronous, because the log may be read meanwhile.
    turn: tokio::sync::Mutex<()>,
    /// The head's `seq`, to wake who waits for the next event.
    head: watch::Sender<u64>,
    /// A place for each subscriber.
    places: Arc<Semaphore>,
    /// Cancelled when the server stops; subscriptions end then.
    stop: CancellationToken,
}

/// Why a subscription did not begin.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Nobody was given this cursor yet.
    #[error("the cursor {cursor} is ahead of the stream, which stands at {head}")]
    FutureCursor {
        /// What was asked for.
        cursor: u64,
        /// The last `seq`.
        head: u64,
    },
    /// As many subscribers are here as the operator allows.
    #[error("there are too many subscribers")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sequencer {
    /// Starts at the end of the log. What comes after is taken up by
    /// [`Sequencer::follow`], which the hall runs as a task with the feed that
    /// comes back.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn open(
        db: Db,
        clock: Clock,
        settings: SequencerSettings,
        stop: CancellationToken,
    ) -> Result<(Self, EventFeed), StoreError> {
        // The feed first, so that no event falls between the two.
        let feed = db.events();
        let head = events::last_seq(&db).await?;
        let shared = Shared {
            db,
            clock,
            settings,
            ring: Mutex::new(Ring::new(head, settings.ring())),
            turn: tokio::sync::Mutex::new(()),
            head: watch::Sender::new(head),
            places: Arc::new(Semaphore::new(settings.subscribers_max)),
            stop,
        };
        Ok((Self(Arc::new(shared)), feed))
    }

    /// Takes up new events until the store is closed.
    pub async fn follow(self, mut feed: EventFeed) {
        while let Some(fed) = feed.next().await {
            match fed {
                Fed::Event(event) => {
                    let _turn = self.0.turn.lock().await;
                    self.0.ring.lock().push(event);
                    self.announce();
                }
                Fed::Missed => {
                    while let Err(error) = self.catch_up().await {
                        tracing::warn!("Could not read the log of events: {error}. Trying again.");
                        self.0.clock.sleep(RETRY_AFTER).await;
                    }
                }
            }
        }
    }

    /// Takes up what other nodes of this server have written.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read; what was read is kept.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let _turn = self.0.turn.lock().await;
        loop {
            let from = self.head();
            let page = events::range(&self.0.db, from, LOG_PAGE_EVENTS).await?;
            if page.is_empty() {
                return Ok(());
            }
            {
                let mut ring = self.0.ring.lock();
                page.into_iter().for_each(|event| ring.push(Arc::new(event)));
            }
            self.announce();
        }
    }

    /// Begins to read after `cursor`, or at the head without one.
    ///
    /// # Errors
    /// [`SubscribeError`].
    // spec: event-stream#sequence-numbers
    pub async fn subscribe(&self, cursor: Option<u64>) -> Result<Subscription, SubscribeError> {
        let place = self.0.places.clone().try_acquire_owned();
        let place = place.map_err(|_| SubscribeError::Full)?;
        let (start, history) = match cursor {
            None => (self.head(), History::Whole),
            Some(cursor) => self.start_after(cursor).await?,
        };
        Ok(Subscription::new(self.clone(), start, history, place))
    }

    /// Deletes events that nobody can ask for any more, but for the newest of
    /// them: it tells that there were some.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read or written.
    pub async fn prune(&self, now: Moment) -> Result<u64, StoreError> {
        let before = now.minus(self.0.settings.backfill + PRUNE_GRACE);
        match events::last_before(&self.0.db, before).await? {
            Some(newest) => events::prune(&self.0.db, newest).await,
            None => Ok(0),
        }
    }

    /// Returns the `seq` of the last event that was taken up.
    pub fn head(&self) -> u64 {
        self.0.ring.lock().head()
    }

    /// Waits until there is an event after `seq`; at once if there is.
    pub async fn wait_after(&self, seq: u64) {
        let mut head = self.0.head.subscribe();
        // The sender lives as long as `self`.
        let _ = head.wait_for(|head| *head > seq).await;
    }

    /// Finds where a subscriber with this cursor begins, and whether events
    /// after it are gone.
    async fn start_after(&self, cursor: u64) -> Result<(u64, History), SubscribeError> {
        if cursor > self.head() {
            // Another node may have told it.
            self.catch_up().await?;
            let head = self.head();
            if cursor > head {
                return Err(SubscribeError::FutureCursor { cursor, head });
            }
        }
        let window = self.0.clock.now().minus(self.0.settings.backfill);
        match events::first_after(&self.0.db, cursor).await? {
            None => Ok((cursor, History::Whole)),
            Some((seq, at)) if at >= window => Ok((seq - 1, History::Whole)),
            Some(_) => {
                // Before the question, so that what is told meanwhile follows.
                let head = self.head();
                let first = events::first_since(&self.0.db, window).await?;
                let start = first.map_or(head, |seq| seq - 1);
                Ok((start, History::Outdated))
            }
        }
    }

    fn announce(&self) {
        let head = self.head();
        self.0.head.send_if_modified(|told| std::mem::replace(told, head) != head);
    }
}
