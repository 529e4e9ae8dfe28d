//! What time it is, and waiting.
//!
//! The only file that may ask the system for the time. Its twin for tests
//! stands still until it is told to advance, so that a test of an expiry or a
//! schedule never sleeps. Durations of work (for logs) are `Instant`s and need
//! no clock.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::atproto::Moment;

/// Where a fake clock starts: 2026-01-02T03:04:05.678Z.
const FAKE_START_US: u64 = 1_767_323_045_678_000;

/// Tells the time and waits; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// The system's clock, and the latest microsecond it has told.
    System(Arc<AtomicU64>),
    /// Microseconds, moved by [`Clock::advance`] only.
    Fake(Arc<watch::Sender<u64>>),
}

/// A wait took longer than it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time given has passed")]
pub struct Elapsed;

impl Clock {
    /// Returns the system's clock.
    pub fn system() -> Self {
        Self(Kind::System(Arc::new(AtomicU64::new(0))))
    }

    /// Returns a clock that stands still until [`Clock::advance`].
    pub fn fake() -> Self {
        Self(Kind::Fake(Arc::new(watch::Sender::new(FAKE_START_US))))
    }

    /// Returns the present moment.
    pub fn now(&self) -> Moment {
        let ms = self.now_us() / 1000;
        Moment::from_unix_ms(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Returns microseconds since 1970, never fewer than an earlier call of this
    /// clock or of its clones returned.
    pub fn now_us(&self) -> u64 {
        match &self.0 {
            Kind::System(latest) => {
                let now = system_us();
                latest.fetch_max(now, Ordering::Relaxed).max(now)
            }
            Kind::Fake(now) => *now.borrow(),
        }
    }

    /// Waits for `duration`, counted from this call and not from the first poll.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let wait = match &self.0 {
            Kind::System(_) => Wait::System(tokio::time::Instant::now() + duration),
            Kind::Fake(now) => {
                let until_us = now.borrow().saturating_add(micros(duration));
                Wait::Fake(now.subscribe(), until_us)
            }
        };
        wait.done()
    }

    /// Returns what `work` returns, unless that takes longer than `limit`.
    ///
    /// # Errors
    /// [`Elapsed`]; `work` is dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        let sleep = self.sleep(limit);
        tokio::select! {
            biased;
            output = work => Ok(output),
            () = sleep => Err(Elapsed),
        }
    }

    /// Returns an interval whose first tick comes after one `period`.
    pub fn interval(&self, period: Duration) -> Interval {
        Interval { clock: self.clone(), period }
    }

    /// Moves a fake clock forward and wakes whoever waited for that; the system's
    /// clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Kind::Fake(now) = &self.0 {
            now.send_modify(|us| *us = us.saturating_add(micros(by)));
        }
    }

    /// Returns how many waits are under way on a fake clock: a test advances
    /// once the task it tests has come to wait.
    pub fn waiting(&self) -> usize {
        match &self.0 {
            Kind::System(_) => 0,
            Kind::Fake(now) => now.receiver_count(),
        }
    }
}

/// Ticks at a distance of at least one period; ticks missed are not made up for.
#[derive(Debug)]
pub struct Interval {
    clock: Clock,
    period: Duration,
}

impl Interval {
    /// Waits for the next tick.
    pub async fn tick(&mut self) {
        self.clock.sleep(self.period).await;
    }
}

enum Wait {
    System(tokio::time::Instant),
    Fake(watch::Receiver<u64>, u64),
}

impl Wait {
    async fn done(self) {
        match self {
            Self::System(until) => tokio::time::sleep_until(until).await,
            Self::Fake(mut now, until_us) => {
                // The clock is gone: nobody can advance it, so nobody waits any more.
                let _ = now.wait_for(|us| *us >= until_us).await;
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else asks")]
fn system_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = Clock::system();
        let first = clock.now_us();
        if let Kind::System(latest) = &clock.0 {
            latest.store(first + 5_000_000, Ordering::Relaxed);
        }
        assert_eq!(clock.clone().now_us(), first + 5_000_000);
    }

    #[tokio::test]
    async fn a_fake_sleep_ends_when_its_time_is_reached_and_not_before() {
        let clock = Clock::fake();
        let sleep = clock.sleep(Duration::from_secs(10));
        tokio::pin!(sleep);
        clock.advance(Duration::from_millis(9_999));
        assert!(futures_util::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_millis(1));
        sleep.await;
        assert_eq!(clock.now().unix_ms(), 1_767_323_055_678);
    }

    #[tokio::test]
    async fn work_is_given_up_when_its_time_has_passed() {
        let clock = Clock::fake();
        let work = clock.timeout(Duration::from_secs(1), std::future::pending::<()>());
        tokio::pin!(work);
        assert!(futures_util::poll!(&mut work).is_pending());
        clock.advance(Duration::from_secs(1));
        assert_eq!(work.await, Err(Elapsed));
        assert_eq!(clock.timeout(Duration::ZERO, async { 7 }).await, Ok(7));
    }
}
