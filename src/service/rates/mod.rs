//! How often somebody may do something: counts per window of time, in memory.
//!
//! A [`Bucket`] names what is counted and how much of it is allowed; a subject
//! (a client's address, an account's DID, both) has a window of its own in
//! each. Who the subject is and what an answer says about it is not known
//! here. Counts are of this process and end with it: they keep off haste, and
//! are no record.
//!
//! Spec: the limits of the official server, which clients are used to; where
//! one differs, its bucket says why.

mod bucket;
mod windows;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use bucket::{Allowed, Bucket, Subject};

use crate::world::clock::Clock;
use windows::Windows;

/// Counts what is limited.
pub struct Rates {
    clock: Clock,
    counting: Counting,
    /// Keyed anew at each start, so that nobody can aim at a collision.
    hasher: RandomState,
    windows: Mutex<Windows>,
}

/// Whether anything is counted: the operator's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Every bucket holds.
    On,
    /// Nothing is counted.
    Off,
}

/// How a subject stands in the narrowest window of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Points that a window allows.
    pub limit: u32,
    /// Points that are left in this one.
    pub remaining: u32,
    /// How long a window lasts.
    pub window: Duration,
    /// When this one ends, in seconds since 1970.
    pub resets_at: u64,
    /// Seconds until then, rounded up.
    pub resets_in: u64,
}

/// What was asked for is more than what is left; nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Rate Limit Exceeded")]
pub struct Exhausted(pub Standing);

impl Rates {
    /// Makes the counter, with nothing counted yet.
    pub fn new(clock: Clock, counting: Counting) -> Self {
        let (hasher, windows) = (RandomState::new(), Mutex::new(Windows::default()));
        Self { clock, counting, hasher, windows }
    }

    /// Whether anything is counted.
    pub fn counting(&self) -> Counting {
        self.counting
    }

    /// Takes points from every window of a bucket, or from none. Returns the
    /// narrowest of them; nothing, where nothing is counted.
    ///
    /// # Errors
    /// [`Exhausted`], with the window that has too few left and ends last.
    pub fn spend(
        &self,
        bucket: Bucket,
        subject: &str,
        points: u32,
    ) -> Result<Option<Standing>, Exhausted> {
        if self.counting == Counting::Off {
            return Ok(None);
        }
        let now_ms = self.clock.now_us() / 1_000;
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&windows, (bucket, subject), points, now_ms)?;
        for (at, allowed) in bucket.allowed().iter().enumerate() {
            windows.add(self.key(bucket, at, subject), points, now_ms, allowed.window);
        }
        self.look(&windows, (bucket, subject), 0, now_ms)
    }

    /// Tells whether that many points could be taken, and takes none.
    ///
    /// # Errors
    /// Those of [`Rates::spend`].
    pub fn admits(&self, bucket: Bucket, subject: &str, points: u32) -> Result<(), Exhausted> {
        if self.counting == Counting::Off {
            return Ok(());
        }
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&windows, (bucket, subject), points, self.clock.now_us() / 1_000).map(|_| ())
    }

    /// The narrowest window of a bucket, if every one has that many points.
    fn look(
        &self,
        windows: &Windows,
        (bucket, subject): (Bucket, &str),
        points: u32,
        now_ms: u64,
    ) -> Result<Option<Standing>, Exhausted> {
        let standings = bucket.allowed().iter().enumerate().map(|(at, allowed)| {
            let key = self.key(bucket, at, subject);
            let (used, ends_ms) = windows.read(key, now_ms, allowed.window);
            Standing::of(allowed, used, ends_ms, now_ms)
        });
        let lacking = standings.clone().filter(|standing| standing.remaining < points);
        match lacking.max_by_key(|standing| standing.resets_at) {
            Some(standing) => Err(Exhausted(standing)),
            None => Ok(standings.min_by_key(|standing| standing.remaining)),
        }
    }

    fn key(&self, bucket: Bucket, window: usize, subject: &str) -> u64 {
        self.hasher.hash_one((bucket, window, subject))
    }
}

impl Standing {
    fn of(allowed: &Allowed, used: u32, ends_ms: u64, now_ms: u64) -> Self {
        Self {
            limit: allowed.points,
            remaining: allowed.points.saturating_sub(used),
            window: allowed.window,
            resets_at: ends_ms.div_ceil(1_000),
            resets_in: ends_ms.saturating_sub(now_ms).div_ceil(1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates() -> (Rates, Clock) {
        let clock = Clock::fake();
        (Rates::new(clock.clone(), Counting::On), clock)
    }

    #[test]
    fn a_window_is_used_up_and_ends() {
        let (rates, clock) = rates();
        for left in (0..10).rev() {
            let standing = rates.spend(Bucket::HandleChange, "did:plc:alice", 1);
            assert_eq!(standing.expect("some are left").expect("counted").remaining, left);
        }
        let refused = rates.spend(Bucket::HandleChange, "did:plc:alice", 1);
        let Exhausted(standing) = refused.expect_err("none is left");
        assert_eq!((standing.limit, standing.remaining, standing.resets_in), (10, 0, 300));
        assert!(rates.spend(Bucket::HandleChange, "did:plc:bob", 1).is_ok());
        clock.advance(299 * SECOND);
        assert!(rates.spend(Bucket::HandleChange, "did:plc:alice", 1).is_err());
        clock.advance(SECOND);
        assert!(rates.spend(Bucket::HandleChange, "did:plc:alice", 1).is_ok());
    }

    #[test]
    fn the_longer_window_outlasts_the_shorter_ones() {
        let (rates, clock) = rates();
        for _ in 0..5 {
            for _ in 0..10 {
                rates.spend(Bucket::HandleChange, "did:plc:alice", 1).expect("fifty a day");
            }
            clock.advance(300 * SECOND);
        }
        let refused = rates.spend(Bucket::HandleChange, "did:plc:alice", 1);
        let Exhausted(standing) = refused.expect_err("the day's are used up");
        assert_eq!((standing.limit, standing.resets_in), (50, 86_400 - 1_500));
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let (rates, _clock) = rates();
        rates.spend(Bucket::RecordWrites, "did:plc:alice", 4_999).expect("within the hour's");
        assert!(rates.spend(Bucket::RecordWrites, "did:plc:alice", 2).is_err());
        assert!(rates.spend(Bucket::RecordWrites, "did:plc:alice", 1).is_ok());
    }

    #[test]
    fn nothing_is_counted_where_it_is_off() {
        let rates = Rates::new(Clock::fake(), Counting::Off);
        for _ in 0..1_000 {
            assert_eq!(rates.spend(Bucket::NewAccount, "192.0.2.1", 1), Ok(None));
        }
    }
}
