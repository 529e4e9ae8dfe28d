//! The consistency check: whether what is kept holds together.
//!
//! Reads one snapshot of everything and changes nothing, so it may run beside a
//! server. It proves that
//!
//! - the tree rebuilt from each account's records has the root that its head's
//!   commit signs, and the signature is by the account's key;
//! - every event of the log is what its row says; each commit in it follows
//!   from the one before by its own operations and blocks, and the last one is
//!   the head: so replaying the log gives the repository;
//! - every blob is referred to or young, every reference has its record, and
//!   the bytes are there.
//!
//! With [`Depth::Deep`] every record and blob is read and hashed as well, and
//! references are compared with what the records say.

mod blobs;
mod log;
mod repository;

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    atproto::Moment,
    store::{AccountId, Snapshot, Store, StoreError, accounts},
};

use log::Log;

/// How long the check may take; the database keeps what changes meanwhile.
const TIME_MAX: Duration = Duration::from_secs(12 * 3600);
/// Faults that a report lists; more are counted.
const FAULTS_MAX: usize = 1000;
/// Accounts that are listed at once.
const PAGE: u32 = 500;

/// How much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Keys, commits, events, and whether bytes are there.
    Quick,
    /// Every byte.
    Deep,
}

/// What the check looked at and found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Accounts.
    pub accounts: u64,
    /// Records.
    pub records: u64,
    /// Events of the log.
    pub events: u64,
    /// Blobs that are kept.
    pub blobs: u64,
    /// Blobs that records refer to and that were never uploaded, as after an
    /// import; their owners can list them.
    pub blobs_awaited: u64,
    /// Files that no blob names, left by uploads that a crash cut short. They
    /// do no harm.
    pub files_left_over: u64,
    /// What does not hold together, [`Report::faults_left_out`] apart.
    pub faults: Vec<Finding>,
    /// Faults that are counted here only, since there were very many.
    pub faults_left_out: u64,
}

/// One thing that does not hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: a DID, or an event's `seq`.
    pub subject: String,
    /// What is wrong.
    pub fault: Fault,
    /// The details.
    pub detail: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An account has no repository.
    #[error("the account has no repository")]
    RepositoryMissing,
    /// An account has no signing key, or one that is no key.
    #[error("the account has no signing key")]
    KeyMissing,
    /// The head's commit is not what its row says.
    #[error("the head is not what its commit says")]
    HeadDiffers,
    /// The head's commit was not signed by the account's key.
    #[error("the signature of the head is wrong")]
    SignatureWrong,
    /// The records do not give the tree that the head signs.
    #[error("the records do not give the signed tree")]
    TreeDiffers,
    /// A record's row does not fit its repository.
    #[error("a record does not fit its repository")]
    RecordWrong,
    /// A record's bytes are not those that its CID names, or no record.
    #[error("the bytes of a record are damaged")]
    RecordDamaged,
    /// References to blobs do not agree with the records.
    #[error("references to blobs do not agree with the records")]
    ReferencesDiffer,
    /// A like, repost, follow or block is not found by its subject.
    #[error("a record is not found by its subject")]
    SubjectMissing,
    /// A blob is neither referred to nor young, or both.
    #[error("a blob is neither referred to nor young")]
    BlobStray,
    /// The bytes of a blob are not here.
    #[error("the bytes of a blob are missing")]
    BlobMissing,
    /// The bytes of a blob are not those that its CID names.
    #[error("the bytes of a blob are damaged")]
    BlobDamaged,
    /// An event is not what its row says.
    #[error("an event is not what its row says")]
    EventWrong,
    /// A commit in the log does not follow from the one before.
    #[error("a commit in the log does not follow from the one before")]
    LogBroken,
    /// The log of an active account does not end at its head.
    #[error("the log does not end at the head")]
    LogUnfinished,
}

impl Report {
    /// Says whether everything holds together.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.faults_left_out == 0
    }

    fn find(&mut self, subject: &str, fault: Fault, detail: impl fmt::Display) {
        if self.faults.len() < FAULTS_MAX {
            let (subject, detail) = (subject.to_owned(), detail.to_string());
            self.faults.push(Finding { subject, fault, detail });
        } else {
            self.faults_left_out += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, records, events, blobs, .. } = self;
        writeln!(f, "{accounts} accounts, {records} records, {events} events, {blobs} blobs")?;
        if self.blobs_awaited > 0 {
            writeln!(f, "{} blobs were never uploaded after an import", self.blobs_awaited)?;
        }
        if self.files_left_over > 0 {
            writeln!(f, "{} files are left of interrupted uploads", self.files_left_over)?;
        }
        for Finding { subject, fault, detail } in &self.faults {
            writeln!(f, "{subject}: {fault}: {detail}")?;
        }
        match self.faults.len() as u64 + self.faults_left_out {
            0 => writeln!(f, "no faults"),
            1 => writeln!(f, "1 fault"),
            faults => writeln!(f, "{faults} faults"),
        }
    }
}

/// What every part of the check works with.
struct Scene<'a> {
    store: &'a Store,
    snapshot: Snapshot,
    depth: Depth,
    now: Moment,
}

/// Checks everything that `store` keeps.
///
/// Builds trees and hashes where it runs: give it a process or a thread that
/// has nothing else to do.
///
/// # Errors
/// [`StoreError`], where something could not be read at all; rows that hold
/// nonsense are errors, too.
pub async fn run(store: &Store, now: Moment, depth: Depth) -> Result<Report, StoreError> {
    let snapshot = store.db.snapshot(TIME_MAX).await?;
    let scene = Scene { store, snapshot, depth, now };
    let mut report = Report::default();
    let log = Log::read(&scene, &mut report).await?;
    let mut after = AccountId(0);
    loop {
        let page = accounts::list_in(&scene.snapshot, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = last.id;
        for account in &page {
            report.accounts += 1;
            repository::check(&scene, &mut report, account, log.end_of(account.id)).await?;
            blobs::check(&scene, &mut report, account).await?;
        }
    }
}
