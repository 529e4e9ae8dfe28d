//! The statements of a commit, on SQLite: one row at a time through prepared
//! statements, which is as fast as it gets inside one process.

use std::sync::Arc;

use rusqlite::Connection;

use super::super::{Dialect, Sql};
use crate::{
    atproto::event::SEQ_MIN,
    store::{
        Commit, Event, RepoChange,
        committer::{DELETE_RECORD, INSERT_EVENT, INSERT_HEAD, MOVE_HEAD, PUT_RECORD},
    },
};

/// What became of a commit inside its transaction.
pub(super) enum Applied {
    /// Its statements ran; these are its events.
    Done(Vec<Arc<Event>>),
    /// The head is another than it was made on, or the account stands otherwise
    /// than it needs. Nothing was written.
    Stale,
}

/// Moves the head, writes the records, numbers and stores the events.
///
/// `last` is the last number given, and moves on with every event.
pub(super) fn apply(
    connection: &Connection,
    commit: &Commit,
    now_us: u64,
    last: &mut u64,
) -> rusqlite::Result<Applied> {
    if let Some(change) = &commit.repo {
        // First, so that a stale commit has written nothing.
        if !move_head(connection, commit, change)? {
            return Ok(Applied::Stale);
        }
        write_records(connection, commit, change)?;
    }
    let mut events = Vec::with_capacity(commit.frames.len());
    for frame in &commit.frames {
        let seq = now_us.max(*last + 1).max(SEQ_MIN);
        let event = Event {
            seq,
            account: commit.account,
            did: frame.did().clone(),
            kind: frame.kind(),
            at: frame.time(),
            bytes: frame.seal(seq),
        };
        insert_event(connection, &event)?;
        events.push(Arc::new(event));
        *last = seq;
    }
    Ok(Applied::Done(events))
}

fn prepare<'c>(
    connection: &'c Connection,
    sql: &'static Sql,
) -> rusqlite::Result<rusqlite::CachedStatement<'c>> {
    connection.prepare_cached(sql.spelled(Dialect::Sqlite))
}

/// Moves the head by compare-and-set, if the account stands as needed; says whether it did.
fn move_head(
    connection: &Connection,
    commit: &Commit,
    change: &RepoChange,
) -> rusqlite::Result<bool> {
    let head = &change.head;
    let (account, rev) = (commit.account.0, head.rev.as_str());
    let (cid, data) = (head.commit_cid.as_bytes(), head.data.as_bytes());
    let bytes = &head.commit_bytes[..];
    let rows = match &change.old {
        None => prepare(connection, &INSERT_HEAD)?.execute((account, cid, data, rev, bytes))?,
        Some(old) => {
            let needs = change.needs.word();
            let values = (account, cid, data, rev, bytes, old.as_bytes(), needs);
            prepare(connection, &MOVE_HEAD)?.execute(values)?
        }
    };
    Ok(rows == 1)
}

fn write_records(
    connection: &Connection,
    commit: &Commit,
    change: &RepoChange,
) -> rusqlite::Result<()> {
    let (account, rev) = (commit.account.0, change.head.rev.as_str());
    if !change.puts.is_empty() {
        let mut put = prepare(connection, &PUT_RECORD)?;
        for record in &change.puts {
            let path = record.path.to_string();
            put.execute((account, path, record.cid.as_bytes(), rev, &record.value[..]))?;
        }
    }
    if !change.deletes.is_empty() {
        let mut delete = prepare(connection, &DELETE_RECORD)?;
        for path in &change.deletes {
            delete.execute((account, path.to_string()))?;
        }
    }
    Ok(())
}

fn insert_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let seq = i64::try_from(event.seq).unwrap_or(i64::MAX);
    let (account, did, kind) = (event.account.0, event.did.as_str(), event.kind.name());
    let values = (seq, account, did, kind, event.at.to_string(), &event.bytes[..]);
    prepare(connection, &INSERT_EVENT)?.execute(values)?;
    Ok(())
}
