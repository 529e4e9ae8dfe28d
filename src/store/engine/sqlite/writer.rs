//! The writer: one thread, one connection, and everybody who waits in one
//! transaction.
//!
//! While a transaction is made durable, the next callers queue up; so groups
//! form by themselves, large under load and of one when idle. A member of a
//! group that is refused is rolled back alone. A group that fails is run again
//! one by one, so that nobody fails for another's fault.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;

use super::{
    super::{Dialect, NowUs, feed::Feeding, queue::Job, queue::Waiting, queue::Work},
    checkpointer::{Carried, Log, LogSize},
    commit::{self, Applied},
    connection,
    ownership::Ownership,
};
use crate::store::{
    Batch, CommitError, Committed, Event, StoreError,
    batch::{Expect, Unmet},
    committer::{LAST_SEQ, SET_LAST_SEQ},
    error::RunError,
};

/// Pages from which on the writer starts the log again from its beginning (256
/// MiB), under permanent load only. It does so when a checkpoint has just ended
/// and little is left to carry: a stall of some 10 ms instead of 50.
pub(super) const LOG_PAGES_MAX: u32 = 32 << 10;
/// Pages by which the log grows at most while that is waited for (64 MiB).
const LOG_RESTART_WITHIN: u32 = 8 << 10;
/// How long that waits for readers of an old state before it lets them be.
const LOG_RESTART_WAIT: Duration = Duration::from_millis(100);
/// Pages by which the log grows before it is tried again.
const LOG_RESTART_STEP: u32 = 4 << 10;

/// What the writing thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) waiting: Waiting,
    pub(super) feeding: Feeding,
    pub(super) log_size: LogSize,
    pub(super) now_us: NowUs,
    /// Pages at which the log is started again next.
    pub(super) restart_at: u32,
    /// Let go of when the thread has ended.
    pub(super) _ownership: Ownership,
}

/// What became of a member inside the transaction of its group.
enum Outcome {
    Rows(u64),
    Done(Vec<Arc<Event>>),
    Stale,
    Unmet(Unmet),
}

/// Who else is in the transaction of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    None,
    Others,
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let group = self.waiting.take_blocking();
            if group.is_empty() {
                return self.finish();
            }
            self.write(group);
            let Log { pages, carried } = self.log_size.note();
            let soon = pages >= self.restart_at && carried == Carried::JustNow;
            if soon || pages >= self.restart_at.saturating_add(LOG_RESTART_WITHIN) {
                self.restart_log();
            }
        }
    }

    /// Writes a group, or its members one by one where it fails.
    fn write(&mut self, mut group: Vec<Job>) {
        match self.try_write(&mut group) {
            Ok(outcomes) => self.answer(group, outcomes),
            Err(error) if group.len() == 1 => {
                tracing::error!(%error, "A transaction failed.");
                group.into_iter().for_each(|job| job.work.fail(error.clone()));
            }
            Err(_) => group.into_iter().for_each(|job| self.write(vec![job])),
        }
    }

    /// Runs a group in one transaction, made durable on return. Nothing of it
    /// is left after a failure, not even after a panic.
    fn try_write(&mut self, group: &mut [Job]) -> Result<Vec<Outcome>, StoreError> {
        let run = catch_unwind(AssertUnwindSafe(|| self.transaction(group)));
        let outcomes = run.unwrap_or_else(|_| {
            Err(StoreError::engine("writing", "the writer panicked in a transaction"))
        });
        if outcomes.is_err() && !self.connection.is_autocommit() {
            let undone = self.connection.execute_batch("ROLLBACK");
            undone.map_err(|e| StoreError::engine("rolling back", e))?;
        }
        outcomes
    }

    fn transaction(&mut self, group: &mut [Job]) -> Result<Vec<Outcome>, StoreError> {
        let now_us = (self.now_us)();
        let began = self.last_of_transaction().map_err(|e| StoreError::engine("beginning", e))?;
        let mut last = began;
        let company = if group.len() == 1 { Company::None } else { Company::Others };
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            let mut member = Member { connection: &self.connection, now_us, last: &mut last };
            outcomes.push(member.run(job, company)?);
        }
        let failed = |e| StoreError::engine("making a transaction durable", e);
        if last > began {
            let seq = i64::try_from(last).unwrap_or(i64::MAX);
            let sql = SET_LAST_SEQ.spelled(Dialect::Sqlite);
            let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
            statement.execute([seq]).map_err(failed)?;
        }
        execute_word(&self.connection, "COMMIT").map_err(failed)?;
        Ok(outcomes)
    }

    /// Begins a transaction and returns the last number given.
    fn last_of_transaction(&self) -> rusqlite::Result<u64> {
        execute_word(&self.connection, "BEGIN IMMEDIATE")?;
        let mut statement = self.connection.prepare_cached(LAST_SEQ.spelled(Dialect::Sqlite))?;
        let last: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    /// Tells the feed first, in order, then the members.
    fn answer(&self, group: Vec<Job>, outcomes: Vec<Outcome>) {
        for outcome in &outcomes {
            if let Outcome::Done(events) = outcome {
                self.feeding.tell(events);
            }
        }
        for (job, outcome) in group.into_iter().zip(outcomes) {
            answer_one(job.work, outcome);
        }
    }

    /// Starts the log again from its beginning, if readers let it.
    fn restart_log(&mut self) {
        let restarted = (|| {
            self.connection.busy_timeout(LOG_RESTART_WAIT)?;
            let busy = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let busy = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], busy);
            self.connection.busy_timeout(connection::BUSY_WAIT)?;
            busy
        })();
        match restarted {
            Ok(0) => self.restart_at = LOG_PAGES_MAX,
            Ok(_) => self.restart_at += LOG_RESTART_STEP,
            Err(error) => {
                self.restart_at += LOG_RESTART_STEP;
                tracing::warn!(%error, "The log could not be started again; it grows.");
            }
        }
    }

    /// Leaves a database without a log behind, for whoever copies the file.
    fn finish(self) {
        let done = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::warn!(%error, "The last checkpoint failed; the next start makes up for it.");
        }
    }
}

/// Runs a word of transaction control.
fn execute_word(connection: &Connection, word: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(word)?.raw_execute().map(|_| ())
}

/// One member of a group, inside its transaction.
struct Member<'a> {
    connection: &'a Connection,
    now_us: u64,
    last: &'a mut u64,
}

impl Member<'_> {
    /// Runs a job; one that is refused leaves nothing behind.
    fn run(&mut self, job: &mut Job, company: Company) -> Result<Outcome, StoreError> {
        let failed = |e| StoreError::engine("writing", e);
        // A commit without statements of its own is refused before it writes.
        let plain = matches!(&job.work, Work::Commit(commit, _) if commit.batch.is_empty());
        let guarded = company == Company::Others && !plain;
        if guarded {
            execute_word(self.connection, "SAVEPOINT member").map_err(failed)?;
        }
        let numbered = *self.last;
        let outcome = self.statements(&mut job.work)?;
        let refused = matches!(outcome, Outcome::Stale | Outcome::Unmet(_));
        if refused {
            *self.last = numbered;
        }
        match (guarded, refused) {
            (false, false) => {}
            (false, true) if company == Company::None => self.undo_alone().map_err(failed)?,
            (false, true) => {}
            (true, false) => execute_word(self.connection, "RELEASE member").map_err(failed)?,
            (true, true) => {
                execute_word(self.connection, "ROLLBACK TO member").map_err(failed)?;
                execute_word(self.connection, "RELEASE member").map_err(failed)?;
            }
        }
        Ok(outcome)
    }

    /// Begins the transaction anew, without what a refused member has done.
    fn undo_alone(&self) -> rusqlite::Result<()> {
        execute_word(self.connection, "ROLLBACK")?;
        execute_word(self.connection, "BEGIN IMMEDIATE")
    }

    fn statements(&mut self, work: &mut Work) -> Result<Outcome, StoreError> {
        let failed = |e| StoreError::engine("writing", e);
        match work {
            Work::Run(batch, _) => {
                let unmet = self.batch(batch).map_err(failed)?;
                Ok(unmet.map_or(Outcome::Rows(0), Outcome::Unmet))
            }
            Work::Write(statement, show, _) => {
                connection::write(self.connection, statement, show).map(Outcome::Rows)
            }
            Work::Commit(commit, _) => {
                if let Some(unmet) = self.batch(&commit.batch).map_err(failed)? {
                    return Ok(Outcome::Unmet(unmet));
                }
                let applied = commit::apply(self.connection, commit, self.now_us, self.last);
                match applied.map_err(failed)? {
                    Applied::Done(events) => Ok(Outcome::Done(events)),
                    Applied::Stale => Ok(Outcome::Stale),
                }
            }
        }
    }

    /// Runs the statements of a batch, up to the first unmet expectation.
    fn batch(&self, batch: &Batch) -> rusqlite::Result<Option<Unmet>> {
        for (statement, expect) in &batch.statements {
            let rows = connection::execute(self.connection, statement)?;
            match expect {
                Expect::Rows(wanted, unmet) if rows != *wanted => return Ok(Some(*unmet)),
                Expect::Rows(..) | Expect::Anything => {}
            }
        }
        Ok(None)
    }
}

/// Answers a member. A caller that went away does not want to know.
fn answer_one(work: Work, outcome: Outcome) {
    match (work, outcome) {
        (Work::Run(_, reply), Outcome::Unmet(unmet)) => {
            let _ = reply.send(Err(RunError::Unmet(unmet)));
        }
        (Work::Run(_, reply), _) => {
            let _ = reply.send(Ok(()));
        }
        (Work::Write(.., reply), Outcome::Rows(rows)) => {
            let _ = reply.send(Ok(rows));
        }
        (Work::Write(.., reply), _) => {
            let _ = reply.send(Ok(0));
        }
        (Work::Commit(_, reply), Outcome::Done(events)) => {
            let _ = reply.send(Ok(Committed { events }));
        }
        (Work::Commit(_, reply), Outcome::Unmet(unmet)) => {
            let _ = reply.send(Err(CommitError::Unmet(unmet)));
        }
        (Work::Commit(_, reply), _) => {
            let _ = reply.send(Err(CommitError::Stale));
        }
    }
}
