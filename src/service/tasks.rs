//! Work that no request waits for: periodic tasks and long-running ones.
//!
//! The only place besides the hall that starts tasks. Each has a name for the
//! log and ends when the server stops; one that fails says so and is tried
//! again after its period; one that panics costs its own run and nothing else.
//!
//! What a task does belongs to the service whose data it is; this file knows
//! when, not what.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::world::Clock;

/// Why a task's run failed; it is logged here and nowhere else.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// Starts tasks and waits for their end; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// Knows which tasks still run; [`Tasks::finish`] waits for it to be empty.
    tracker: TaskTracker,
    /// Shared with everyone who must notice that the server stops.
    stop: CancellationToken,
    clock: Clock,
}

impl Tasks {
    /// Returns a set without tasks.
    pub fn new(clock: Clock) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), clock }
    }

    /// Returns the token that is cancelled when the server stops.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs `work` once after each `period`, until the server stops. A run
    /// that is under way when the server stops is dropped at its next await,
    /// so each must be safe to give up and to repeat.
    pub fn every<W, F>(&self, name: &'static str, period: Duration, work: W)
    where
        W: Fn() -> F + Send + 'static,
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let mut interval = tasks.clock.interval(period);
            loop {
                tokio::select! {
                    () = tasks.stop.cancelled() => return,
                    () = interval.tick() => {}
                }
                tasks.run_once(name, work()).await;
            }
        });
    }

    /// Runs `work` until it ends by itself or the server stops.
    pub fn run<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let tasks = self.clone();
        self.tracker.spawn(async move { tasks.run_once(name, work).await });
    }

    /// Tells every task to stop; returns at once.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Tells every task to stop and waits until all have ended.
    pub async fn finish(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Runs in a task of its own, so that a panic ends there.
    async fn run_once<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let stop = self.stop.clone();
        let run = self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                outcome = work => outcome,
            }
        });
        match run.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let causes = causes(error.as_ref());
                tracing::warn!(
                    task = name,
                    "The task {name} failed and will be tried again: {causes}."
                );
            }
            Err(panic) => tracing::error!(task = name, "The task {name} broke down: {panic}."),
        }
    }
}

fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// A task that says when it ran, and does what its run number says.
    struct Counter {
        runs: AtomicU32,
        ran: Notify,
    }

    async fn next_tick(clock: &Clock, counter: &Counter, waiting: usize) {
        while clock.waiting() < waiting {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(60));
        counter.ran.notified().await;
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_runs_again_and_stops_when_told() {
        let clock = Clock::fake();
        let at_rest = clock.waiting();
        let tasks = Tasks::new(clock.clone());
        let counter = Arc::new(Counter { runs: AtomicU32::new(0), ran: Notify::new() });
        let shared = counter.clone();
        tasks.every("a test", Duration::from_secs(60), move || {
            let counter = shared.clone();
            async move {
                let run = counter.runs.fetch_add(1, Ordering::SeqCst);
                counter.ran.notify_one();
                match run {
                    0 => Err("the first run fails".into()),
                    1 => panic!("the second run breaks down"),
                    _ => Ok(()),
                }
            }
        });
        for _ in 0..3 {
            next_tick(&clock, &counter, at_rest + 1).await;
        }
        tasks.finish().await;
        assert_eq!(counter.runs.load(Ordering::SeqCst), 3);
    }
}
