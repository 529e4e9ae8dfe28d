//! The committer on Postgres: one thread, one connection, and everybody who
//! waits in one transaction.
//!
//! Commits without statements of their own run together in one statement;
//! others follow in a savepoint each. Where the connection breaks before the
//! end, nothing happened, and the group is tried again; where it breaks at the
//! end, the server is asked by the transaction's number what became of it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    super::{
        NowUs,
        feed::Feeding,
        queue::{Job, Waiting, Work},
    },
    batch,
    commit::{self, Ran},
    outcome::{self, Ending, Session},
    statements::{Verdict, judge},
};
use crate::store::{Commit, CommitError, Committed, Event, StoreError, batch::Unmet};

/// How often a group is tried where the server is away or gives up.
const ATTEMPTS_MAX: u32 = 4;
/// How long one step may take before the connection counts as lost.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the committing thread owns.
pub(super) struct Committer {
    pub(super) options: PgConnectOptions,
    pub(super) waiting: Waiting,
    pub(super) feeding: Feeding,
    pub(super) now_us: NowUs,
    /// The connection and its session; `None` when it was lost.
    pub(super) link: Option<Link>,
    /// The last number that we know of, to notice that another node gave some.
    pub(super) last: u64,
}

/// A connection that commits.
pub(super) struct Link {
    connection: PgConnection,
    session: Session,
}

/// What became of a member of a group.
enum Outcome {
    Done(Vec<Arc<Event>>),
    Stale,
    Unmet(Unmet),
}

/// A group that ran, before or after its end.
struct Ended {
    outcomes: Vec<Outcome>,
    /// The last number that was given before the group's first.
    previous: Option<u64>,
    /// The transaction's number, if it wrote.
    transaction: Option<String>,
}

/// Why a group was not made.
enum Failed {
    /// A statement was refused: run the members one by one.
    Refused(StoreError),
    /// Nothing happened: try again.
    Again(StoreError),
    /// It may or may not have happened, and nobody can say.
    Unknown,
}

impl Committer {
    /// Commits until the queue is closed and empty.
    pub(super) async fn run(mut self) {
        loop {
            let group = self.waiting.take().await;
            if group.is_empty() {
                break;
            }
            self.write(group).await;
        }
        if let Some(link) = self.link {
            // The server notices also without a farewell.
            let _ = link.connection.close().await;
        }
    }

    /// Writes a group, or its members one by one where it is refused.
    async fn write(&mut self, group: Vec<Job>) {
        let commits: Vec<&Commit> = group.iter().filter_map(commit_of).collect();
        match self.attempts(&commits).await {
            Ok(ended) => self.answer(group, ended),
            Err(Failed::Refused(_)) if group.len() > 1 => {
                for job in group {
                    Box::pin(self.write(vec![job])).await;
                }
            }
            Err(failed) => {
                let error = match failed {
                    Failed::Refused(error) | Failed::Again(error) => error,
                    Failed::Unknown => StoreError::OutcomeUnknown,
                };
                tracing::error!(%error, "A transaction failed.");
                group.into_iter().for_each(|job| job.work.fail(error.clone()));
            }
        }
    }

    async fn attempts(&mut self, commits: &[&Commit]) -> Result<Ended, Failed> {
        let mut attempt = 1;
        loop {
            match self.attempt(commits).await {
                Err(Failed::Again(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                ended => return ended,
            }
        }
    }

    /// Runs a group in one transaction, durable on return.
    async fn attempt(&mut self, commits: &[&Commit]) -> Result<Ended, Failed> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.connect().await.map_err(Failed::Again)?,
        };
        let now_us = (self.now_us)();
        let running = transaction(&mut link.connection, commits, now_us);
        let ended = match in_time(running).await {
            Ok(ended) => ended,
            Err(error) => {
                let failed = match judge(&error) {
                    Verdict::Refused => Failed::Refused(StoreError::engine("committing", error)),
                    Verdict::Conflict | Verdict::Lost => {
                        Failed::Again(StoreError::engine("committing", error))
                    }
                };
                self.undo(link).await;
                return Err(failed);
            }
        };
        match in_time(word(&mut link.connection, "COMMIT")).await {
            Ok(()) => {
                self.link = Some(link);
                Ok(ended)
            }
            Err(error) => self.find_out(link, ended, error).await,
        }
    }

    /// Rolls back and keeps the connection, or drops it.
    async fn undo(&mut self, mut link: Link) {
        if in_time(word(&mut link.connection, "ROLLBACK")).await.is_ok() {
            self.link = Some(link);
        }
    }

    /// Finds out what became of a transaction whose end failed.
    async fn find_out(
        &mut self,
        lost: Link,
        ended: Ended,
        error: sqlx::Error,
    ) -> Result<Ended, Failed> {
        let Some(number) = ended.transaction.clone() else {
            return Ok(ended);
        };
        let Link { connection, session } = lost;
        drop(connection);
        tracing::warn!(%error, "The end of a transaction was not heard; asking for it.");
        for _ in 0..ATTEMPTS_MAX {
            let Ok(mut link) = self.connect().await else { continue };
            let asking = outcome::ask(&mut link.connection, &number, Some(&session));
            let asked = tokio::time::timeout(STEP_TIMEOUT, asking).await;
            match asked {
                Ok(Ok(ending)) => {
                    self.link = Some(link);
                    let aborted = || Failed::Again(StoreError::engine("committing", error));
                    return match ending {
                        Ending::Committed => Ok(ended),
                        Ending::Aborted => Err(aborted()),
                    };
                }
                Ok(Err(StoreError::OutcomeUnknown)) => return Err(Failed::Unknown),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Err(Failed::Unknown)
    }

    async fn connect(&self) -> Result<Link, StoreError> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            let session = Session::of(&mut connection).await?;
            Ok(Link { connection, session })
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(timed_out()));
        connected.map_err(|e| StoreError::engine("connecting to commit", e))
    }

    /// Tells the feed first, in order, then the members.
    fn answer(&mut self, group: Vec<Job>, ended: Ended) {
        if ended.previous.is_some_and(|previous| previous != self.last) {
            self.feeding.tell_missed();
        }
        let mut events: Vec<Arc<Event>> = Vec::new();
        for outcome in &ended.outcomes {
            if let Outcome::Done(done) = outcome {
                events.extend(done.iter().cloned());
            }
        }
        events.sort_by_key(|event| event.seq);
        self.feeding.tell(&events);
        self.last = events.last().map_or(self.last, |event| event.seq);
        let jobs = group.into_iter().filter(|job| matches!(job.work, Work::Commit(..)));
        for (job, outcome) in jobs.zip(ended.outcomes) {
            let Work::Commit(_, reply) = job.work else { continue };
            // A caller that went away does not want to know.
            let _ = reply.send(match outcome {
                Outcome::Done(events) => Ok(Committed { events }),
                Outcome::Stale => Err(CommitError::Stale),
                Outcome::Unmet(unmet) => Err(CommitError::Unmet(unmet)),
            });
        }
    }
}

fn commit_of(job: &Job) -> Option<&Commit> {
    match &job.work {
        Work::Commit(commit, _) => Some(commit),
        Work::Run(..) | Work::Write(..) => None,
    }
}

async fn word(connection: &mut PgConnection, word: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(word).execute(connection).await.map(|_| ())
}

async fn in_time<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let done = tokio::time::timeout(STEP_TIMEOUT, step).await;
    done.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Runs everything of a group but its end.
async fn transaction(
    connection: &mut PgConnection,
    commits: &[&Commit],
    now_us: u64,
) -> Result<Ended, sqlx::Error> {
    word(connection, "BEGIN").await?;
    let mut ended = Ended { outcomes: Vec::new(), previous: None, transaction: None };
    let mut rest = commits;
    while !rest.is_empty() {
        let together = joined(rest);
        if together == 0 {
            let outcome = guarded(connection, rest[0], now_us, &mut ended).await?;
            ended.outcomes.push(outcome);
            rest = &rest[1..];
            continue;
        }
        let ran = commit::run(connection, &rest[..together], now_us).await?;
        for (place, commit) in rest[..together].iter().enumerate() {
            let events = ran.events(place, commit);
            ended.outcomes.push(events.map_or(Outcome::Stale, Outcome::Done));
        }
        ended.note(ran);
        rest = &rest[together..];
    }
    Ok(ended)
}

/// Returns how many commits from the first can run in one statement: those
/// without statements of their own, of distinct accounts.
fn joined(commits: &[&Commit]) -> usize {
    let mut accounts = HashSet::new();
    let joins = |commit: &&&Commit| commit.batch.is_empty() && accounts.insert(commit.account);
    commits.iter().take_while(joins).count()
}

/// Runs a commit with statements of its own; one that is refused leaves nothing
/// behind.
async fn guarded(
    connection: &mut PgConnection,
    commit: &Commit,
    now_us: u64,
    ended: &mut Ended,
) -> Result<Outcome, sqlx::Error> {
    word(connection, "SAVEPOINT member").await?;
    let outcome = match batch::statements(connection, &commit.batch).await? {
        Some(unmet) => Outcome::Unmet(unmet),
        None => {
            let ran = commit::run(connection, &[commit], now_us).await?;
            match ran.events(0, commit) {
                None => Outcome::Stale,
                Some(events) => {
                    ended.note(ran);
                    Outcome::Done(events)
                }
            }
        }
    };
    match outcome {
        Outcome::Done(_) => word(connection, "RELEASE member").await?,
        Outcome::Stale | Outcome::Unmet(_) => {
            word(connection, "ROLLBACK TO member; RELEASE member").await?;
        }
    }
    Ok(outcome)
}

impl Ended {
    fn note(&mut self, ran: Ran) {
        self.previous = self.previous.or(ran.previous);
        self.transaction = ran.transaction.or(self.transaction.take());
    }
}
