//! What likes, reposts, follows and blocks point at.
//!
//! An index that follows from the records and is kept in step by whoever writes
//! them. It is made for an account when it is first asked for, so it may be
//! missing; it may also name records that are gone, where another process
//! deleted one while it was made, so whoever asks looks at the tree as well.

use crate::atproto::{Moment, syntax::RecordPath};

use super::{
    AccountId, Batch, Db, RowStream, Snapshot, StoreError,
    engine::{BadColumn, Row, Sql},
};

/// What stands for a subject: 16 bytes of a digest, in one collection.
pub type SubjectDigest = [u8; 16];

static LIST: Sql = Sql::new(
    "SELECT path FROM record_subjects WHERE account_id = $1 AND subject = $2
     UNION ALL
     SELECT NULL FROM subject_indexes WHERE account_id = $1",
);

/// Lists the records of an account that point at a subject; `None` where the
/// account's index has not been made yet.
///
/// # Errors
/// [`StoreError`] of the engine.
pub async fn list(
    db: &Db,
    account: AccountId,
    subject: SubjectDigest,
) -> Result<Option<Vec<RecordPath>>, StoreError> {
    let path = |row: &Row<'_>| -> Result<Option<RecordPath>, BadColumn> { row.at(0) };
    let rows = db.rows(LIST.bind(account).bind(subject.to_vec()), path).await?;
    let is_complete = rows.iter().any(Option::is_none);
    Ok(is_complete.then(|| rows.into_iter().flatten().collect()))
}

static STREAM: Sql = Sql::new(
    "SELECT subject, path FROM record_subjects
     WHERE account_id = $1
        AND EXISTS (SELECT 1 FROM subject_indexes WHERE account_id = $1)",
);
static IS_COMPLETE: Sql =
    Sql::new("SELECT completed_at FROM subject_indexes WHERE account_id = $1");

/// Streams an account's index, which may be empty.
pub fn stream(snapshot: &Snapshot, account: AccountId) -> RowStream<(SubjectDigest, String)> {
    snapshot.stream(STREAM.bind(account), |row| {
        let subject: Vec<u8> = row.at(0)?;
        // One of another length is nobody's digest.
        let subject = SubjectDigest::try_from(subject).unwrap_or_default();
        Ok((subject, row.at(1)?))
    })
}

/// Says whether an account's index has been made.
///
/// # Errors
/// [`StoreError`] of the engine.
pub async fn is_complete(snapshot: &Snapshot, account: AccountId) -> Result<bool, StoreError> {
    let at = snapshot.row(IS_COMPLETE.bind(account), |row| row.at::<Moment>(0)).await?;
    Ok(at.is_some())
}

static INSERT: Sql = Sql::new(
    "INSERT INTO record_subjects (account_id, subject, path) VALUES ($1, $2, $3)
     ON CONFLICT DO NOTHING",
);

/// Notes that the record at `path` points at a subject.
pub fn insert(batch: &mut Batch, account: AccountId, subject: SubjectDigest, path: &RecordPath) {
    batch.add(INSERT.bind(account).bind(subject.to_vec()).bind(path));
}

static DELETE: Sql =
    Sql::new("DELETE FROM record_subjects WHERE account_id = $1 AND subject = $2 AND path = $3");

/// Notes that the record at `path` no longer points at a subject.
pub fn delete(batch: &mut Batch, account: AccountId, subject: SubjectDigest, path: &RecordPath) {
    batch.add(DELETE.bind(account).bind(subject.to_vec()).bind(path));
}

static COMPLETE: Sql = Sql::new(
    "INSERT INTO subject_indexes (account_id, completed_at) VALUES ($1, $2)
     ON CONFLICT DO NOTHING",
);

/// Notes that all records of an account are in the index.
pub fn complete(batch: &mut Batch, account: AccountId, at: Moment) {
    batch.add(COMPLETE.bind(account).bind(at));
}

static CLEAR: Sql = Sql::new("DELETE FROM record_subjects WHERE account_id = $1");
static FORGET: Sql = Sql::new("DELETE FROM subject_indexes WHERE account_id = $1");

/// Forgets the index of an account, whose records are replaced as a whole.
pub fn clear(batch: &mut Batch, account: AccountId) {
    batch.add(CLEAR.bind(account));
    batch.add(FORGET.bind(account));
}
