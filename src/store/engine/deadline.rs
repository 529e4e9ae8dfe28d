//! Deadlines of reads, by the machine's own timer.
//!
//! Not by the World's clock: that says what time it is and may be set, while
//! this measures for how long a reader has kept a transaction open.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;

/// The end of somebody's patience.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// Begins to measure.
    pub(super) fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// Fails if it has passed.
    pub(super) fn check(self) -> Result<(), StoreError> {
        if Instant::now() < self.0 { Ok(()) } else { Err(StoreError::DeadlinePassed) }
    }

    /// Waits for `work`, or fails when it passes.
    pub(super) async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| StoreError::DeadlinePassed)
    }
}
