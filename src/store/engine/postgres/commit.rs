//! The commit on Postgres: one statement for any number of commits.
//!
//! Heads move by compare-and-set; records, numbers and events of those that
//! moved follow in the same statement, over arrays. The number of an event is
//! written into its frame by the server, at the place that the frame names.

use std::{collections::HashMap, sync::Arc};

use sqlx::{PgConnection, Row as _};

use crate::{
    atproto::event::{Frame, SEQ_MIN},
    store::{Commit, Event, RecordPut},
};

/// `$1` to `$7` are the commits (the place in the list, the account, the old
/// and the new head), `$8` to `$11` records put, `$12` and `$13` records
/// deleted, `$14` to `$19` frames, `$20` the time, `$21` how
/// the accounts must stand. Their rows are held till the end, so that another
/// process cannot change that meanwhile.
const COMMIT: &str = "
WITH job AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[],
            $6::text[], $7::bytea[], $21::text[])
        AS job (job, account_id, old_cid, commit_cid, data_cid, rev, commit_bytes, needs)
), fit AS (
    SELECT job.job FROM job JOIN accounts ON accounts.id = job.account_id
    WHERE job.needs = CASE WHEN taken_down_at IS NOT NULL THEN 'takendown'
        WHEN suspended_at IS NOT NULL THEN 'suspended'
        WHEN deactivated_at IS NOT NULL THEN 'deactivated'
        ELSE 'active' END
    FOR SHARE OF accounts
), moved AS (
    UPDATE heads
    SET commit_cid = job.commit_cid, data_cid = job.data_cid, rev = job.rev,
        commit_bytes = job.commit_bytes
    FROM job
    WHERE heads.account_id = job.account_id AND heads.commit_cid = job.old_cid
        AND (job.needs IS NULL OR job.job IN (SELECT fit.job FROM fit))
    RETURNING job.job, job.account_id, job.rev
), born AS (
    INSERT INTO heads (account_id, commit_cid, data_cid, rev, commit_bytes)
    SELECT account_id, commit_cid, data_cid, rev, commit_bytes FROM job
    WHERE old_cid IS NULL AND commit_cid IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING account_id
), done AS (
    SELECT job, account_id, rev FROM moved
    UNION ALL
    SELECT job.job, job.account_id, job.rev FROM job JOIN born ON born.account_id = job.account_id
    UNION ALL
    SELECT job, account_id, rev FROM job WHERE commit_cid IS NULL
), put AS (
    INSERT INTO records (account_id, path, cid, rev, value)
    SELECT done.account_id, put.path, put.cid, done.rev, put.value
    FROM unnest($8::bigint[], $9::text[], $10::bytea[], $11::bytea[])
        AS put (job, path, cid, value)
    JOIN done ON done.job = put.job
    ON CONFLICT (account_id, path) DO UPDATE
    SET cid = excluded.cid, rev = excluded.rev, value = excluded.value
), gone AS (
    DELETE FROM records
    USING unnest($12::bigint[], $13::text[]) AS gone (job, path), done
    WHERE done.job = gone.job AND records.account_id = done.account_id
        AND records.path = gone.path
), said AS (
    SELECT frame.*, done.account_id, row_number() OVER (ORDER BY frame.place) AS number
    FROM unnest($14::bigint[], $15::text[], $16::text[], $17::text[], $18::bytea[],
            $19::bigint[])
        WITH ORDINALITY AS frame (job, did, kind, at, bytes, seq_at, place)
    JOIN done ON done.job = frame.job
), counter AS (
    UPDATE sequence
    SET previous = last, last = GREATEST(last + 1, $20) + (SELECT count(*) FROM said) - 1
    WHERE id = 1 AND EXISTS (SELECT 1 FROM said)
    RETURNING previous, last
), numbered AS (
    SELECT said.*, counter.last - (SELECT count(*) FROM said) + said.number AS seq
    FROM said, counter
), kept AS (
    INSERT INTO events (seq, account_id, did, kind, at, bytes)
    SELECT seq, account_id, did, kind, at,
        overlay(bytes PLACING int8send(seq) FROM (seq_at + 1)::int FOR 8)
    FROM numbered
)
SELECT done.job, numbered.seq, (SELECT previous FROM counter),
    pg_current_xact_id()::text
FROM done LEFT JOIN numbered ON numbered.job = done.job
ORDER BY done.job, numbered.seq";

/// What became of commits that ran together.
#[derive(Default)]
pub(super) struct Ran {
    /// The numbers given to each that was not stale, by its place in the list.
    seqs: HashMap<i64, Vec<u64>>,
    /// The last number that was given before, if any was given now.
    pub(super) previous: Option<u64>,
    /// The number of the transaction, unless all were stale.
    pub(super) transaction: Option<String>,
}

/// Runs commits, whose accounts must be distinct, inside a transaction. Their
/// batches must have run before.
pub(super) async fn run(
    connection: &mut PgConnection,
    commits: &[&Commit],
    now_us: u64,
) -> Result<Ran, sqlx::Error> {
    let now = i64::try_from(now_us.max(SEQ_MIN)).unwrap_or(i64::MAX);
    let mut heads = Heads::default();
    let mut records = Records::default();
    let mut frames = Frames::default();
    for (job, commit) in (0i64..).zip(commits) {
        heads.add(job, commit);
        records.add(job, commit);
        commit.frames.iter().for_each(|frame| frames.add(job, frame));
    }
    let query = sqlx::query(COMMIT)
        .bind(heads.jobs)
        .bind(heads.accounts)
        .bind(heads.olds)
        .bind(heads.cids)
        .bind(heads.datas)
        .bind(heads.revs)
        .bind(heads.bytes)
        .bind(records.put_jobs)
        .bind(records.put_paths)
        .bind(records.put_cids)
        .bind(records.put_values)
        .bind(records.gone_jobs)
        .bind(records.gone_paths)
        .bind(frames.jobs)
        .bind(frames.dids)
        .bind(frames.kinds)
        .bind(frames.ats)
        .bind(frames.bytes)
        .bind(frames.seq_ats)
        .bind(now)
        .bind(heads.needs);
    let mut ran = Ran::default();
    for row in query.fetch_all(connection).await? {
        ran.note(&row)?;
    }
    Ok(ran)
}

impl Ran {
    fn note(&mut self, row: &sqlx::postgres::PgRow) -> Result<(), sqlx::Error> {
        let seqs = self.seqs.entry(row.try_get(0)?).or_default();
        if let Some(seq) = row.try_get::<Option<i64>, _>(1)? {
            seqs.push(u64::try_from(seq).unwrap_or(0));
        }
        let previous: Option<i64> = row.try_get(2)?;
        self.previous = previous.and_then(|previous| u64::try_from(previous).ok());
        self.transaction = row.try_get(3)?;
        Ok(())
    }

    /// Returns the events of the commit at `place`, or `None` if it was stale.
    pub(super) fn events(&self, place: usize, commit: &Commit) -> Option<Vec<Arc<Event>>> {
        let seqs = self.seqs.get(&i64::try_from(place).ok()?)?;
        let event = |(seq, frame): (&u64, &Frame)| {
            Arc::new(Event {
                seq: *seq,
                account: commit.account,
                did: frame.did().clone(),
                kind: frame.kind(),
                at: frame.time(),
                bytes: frame.seal(*seq),
            })
        };
        Some(seqs.iter().zip(&commit.frames).map(event).collect())
    }
}

/// The columns of the heads.
#[derive(Default)]
struct Heads<'a> {
    jobs: Vec<i64>,
    accounts: Vec<i64>,
    olds: Vec<Option<&'a [u8]>>,
    cids: Vec<Option<&'a [u8]>>,
    datas: Vec<Option<&'a [u8]>>,
    revs: Vec<Option<&'a str>>,
    bytes: Vec<Option<&'a [u8]>>,
    needs: Vec<Option<&'static str>>,
}

impl<'a> Heads<'a> {
    fn add(&mut self, job: i64, commit: &'a Commit) {
        let change = commit.repo.as_ref();
        let head = change.map(|change| &change.head);
        let old = change.and_then(|change| change.old.as_ref());
        self.jobs.push(job);
        self.accounts.push(commit.account.0);
        self.olds.push(old.map(|cid| &cid.as_bytes()[..]));
        self.cids.push(head.map(|head| &head.commit_cid.as_bytes()[..]));
        self.datas.push(head.map(|head| &head.data.as_bytes()[..]));
        self.revs.push(head.map(|head| head.rev.as_str()));
        self.needs.push(change.and_then(|change| change.needs.word()));
        self.bytes.push(head.map(|head| &head.commit_bytes[..]));
    }
}

/// The columns of the records.
#[derive(Default)]
struct Records<'a> {
    put_jobs: Vec<i64>,
    put_paths: Vec<String>,
    put_cids: Vec<&'a [u8]>,
    put_values: Vec<&'a [u8]>,
    gone_jobs: Vec<i64>,
    gone_paths: Vec<String>,
}

impl<'a> Records<'a> {
    fn add(&mut self, job: i64, commit: &'a Commit) {
        let Some(change) = &commit.repo else { return };
        for RecordPut { path, cid, value } in &change.puts {
            self.put_jobs.push(job);
            self.put_paths.push(path.to_string());
            self.put_cids.push(cid.as_bytes());
            self.put_values.push(value);
        }
        for path in &change.deletes {
            self.gone_jobs.push(job);
            self.gone_paths.push(path.to_string());
        }
    }
}

/// The columns of the frames.
#[derive(Default)]
struct Frames<'a> {
    jobs: Vec<i64>,
    dids: Vec<&'a str>,
    kinds: Vec<&'static str>,
    ats: Vec<String>,
    bytes: Vec<&'a [u8]>,
    seq_ats: Vec<i64>,
}

impl<'a> Frames<'a> {
    fn add(&mut self, job: i64, frame: &'a Frame) {
        self.jobs.push(job);
        self.dids.push(frame.did().as_str());
        self.kinds.push(frame.kind().name());
        self.ats.push(frame.time().to_string());
        self.bytes.push(frame.unsealed());
        self.seq_ats.push(i64::try_from(frame.seq_at()).unwrap_or(i64::MAX));
    }
}
