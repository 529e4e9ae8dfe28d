//! Blobs: which bytes an account has, and which records refer to them.
//!
//! A blob begins temporary: its bytes are kept, and nobody may fetch it. The
//! record that refers to it makes it permanent, in the transaction of the
//! commit. When the last reference goes, the row goes in that transaction, and
//! its bytes are put on a list of removals that a task works off: at no moment
//! of a crash does a record lose its blob, nor bytes stay for ever.
//!
//! Whoever keeps new bytes, adds the row, or works off a removal for an account
//! must hold the account's lock, so that an upload of the same bytes does not
//! meet their removal.

mod removals;

use crate::atproto::{
    Cid, Moment,
    syntax::{Did, RecordPath},
};

use super::{
    AccountId, Batch, Db, RowStream, Snapshot, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
};

pub use removals::{Removal, delete_removal, is_removal_due, list_removals, postpone_removal};

/// A blob as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// The CID of its bytes.
    pub cid: Cid,
    /// Its media type, sniffed or declared.
    pub mime_type: String,
    /// Its size.
    pub size_bytes: i64,
    /// When it was first uploaded.
    pub created_at: Moment,
    /// When it was last uploaded, while no record refers to it.
    pub temporary_at: Option<Moment>,
    /// When it was taken down.
    pub taken_down_at: Option<Moment>,
}

fn blob(row: &Row<'_>) -> Result<Blob, BadColumn> {
    Ok(Blob {
        cid: row.at(0)?,
        mime_type: row.at(1)?,
        size_bytes: row.at(2)?,
        created_at: row.at(3)?,
        temporary_at: row.at(4)?,
        taken_down_at: row.at(5)?,
    })
}

static FIND: Sql = Sql::new(
    "SELECT cid, mime_type, size_bytes, created_at, temporary_at, taken_down_at
     FROM blobs WHERE account_id = $1 AND cid = $2",
);

/// Finds a blob of an account.
pub async fn find(db: &Db, account: AccountId, cid: Cid) -> Result<Option<Blob>, StoreError> {
    db.row(FIND.bind(account).bind(cid), blob).await
}

static PUT: Sql = Sql::new(
    "INSERT INTO blobs
        (account_id, cid, mime_type, size_bytes, created_at, temporary_at, taken_down_at)
     VALUES ($1, $2, $3, $4, $5,
        CASE WHEN EXISTS (SELECT 1 FROM blob_refs WHERE account_id = $1 AND cid = $2)
            THEN NULL ELSE $5 END, NULL)
     ON CONFLICT (account_id, cid) DO UPDATE
     SET temporary_at = CASE WHEN blobs.temporary_at IS NULL THEN NULL
            ELSE excluded.temporary_at END,
         mime_type = CASE WHEN blobs.temporary_at IS NULL THEN blobs.mime_type
            ELSE excluded.mime_type END
     WHERE blobs.taken_down_at IS NULL",
);
static CANCEL_REMOVAL: Sql = Sql::new("DELETE FROM blob_removals WHERE did = $1 AND cid = $2");

/// An upload whose bytes are kept.
#[derive(Clone, Debug)]
pub struct NewBlob {
    /// Whose it is.
    pub account: AccountId,
    /// Whose it is, by name.
    pub did: Did,
    /// The CID of its bytes.
    pub cid: Cid,
    /// Its media type.
    pub mime_type: String,
    /// Its size.
    pub size_bytes: i64,
    /// Now.
    pub at: Moment,
}

/// Adds an uploaded blob: temporary, or permanent at once where a record of an
/// import refers to it already. Uploading a temporary one again makes it young
/// again, a permanent one stays as it is. Fails with [`Unmet::BlobMissing`] for
/// one that was taken down.
pub fn put(batch: &mut Batch, new: &NewBlob) {
    let statement =
        PUT.bind(new.account).bind(new.cid).bind(&new.mime_type).bind(new.size_bytes).bind(new.at);
    batch.add_one(statement, Unmet::BlobMissing);
    batch.add(CANCEL_REMOVAL.bind(&new.did).bind(new.cid));
}

static EXPECT_BYTES: Sql = Sql::new(
    "INSERT INTO blob_removals (did, cid, requested_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);

/// Lists bytes without a row for removal, until [`put`] takes them off the list.
pub fn expect_bytes(batch: &mut Batch, new: &NewBlob) {
    batch.add(EXPECT_BYTES.bind(&new.did).bind(new.cid).bind(new.at));
}

static MAKE_PERMANENT: Sql = Sql::new(
    "UPDATE blobs SET temporary_at = NULL
     WHERE account_id = $1 AND cid = $2 AND taken_down_at IS NULL",
);
static INSERT_REF: Sql = Sql::new(
    "INSERT INTO blob_refs (account_id, cid, path) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);

/// Lets the record at `path` refer to a blob, which becomes permanent; or fails
/// with [`Unmet::BlobMissing`].
pub fn refer(batch: &mut Batch, account: AccountId, path: &RecordPath, cid: Cid) {
    batch.add_one(MAKE_PERMANENT.bind(account).bind(cid), Unmet::BlobMissing);
    batch.add(INSERT_REF.bind(account).bind(cid).bind(path));
}

/// Lets an imported record refer to a blob that need not be there yet.
pub fn refer_imported(batch: &mut Batch, account: AccountId, path: &RecordPath, cid: Cid) {
    batch.add(MAKE_PERMANENT.bind(account).bind(cid));
    batch.add(INSERT_REF.bind(account).bind(cid).bind(path));
}

static NEXT_REF_AT: Sql = Sql::new(
    "SELECT cid FROM blob_refs WHERE account_id = $1 AND path = $2 AND cid > $3
     ORDER BY cid LIMIT 1",
);

/// Lists the blobs to which the record at `path` refers. Ask it, under the
/// repository's lock, for every record that a write replaces or deletes, and
/// hand what goes away to [`unrefer`].
///
/// One point read for each and one more: most records refer to none, and a list
/// would take the way through another thread.
pub async fn list_at(
    db: &Db,
    account: AccountId,
    path: &RecordPath,
) -> Result<Vec<Cid>, StoreError> {
    let mut cids: Vec<Cid> = Vec::new();
    loop {
        let after = cids.last().map_or_else(Vec::new, |cid| cid.as_bytes().to_vec());
        let next = NEXT_REF_AT.bind(account).bind(path).bind(after);
        match db.row(next, |row| row.at(0)).await? {
            Some(cid) => cids.push(cid),
            None => return Ok(cids),
        }
    }
}

static DELETE_REF: Sql =
    Sql::new("DELETE FROM blob_refs WHERE account_id = $1 AND cid = $2 AND path = $3");
static REMOVE_ORPHAN_BYTES: Sql = Sql::new(
    "INSERT INTO blob_removals (did, cid, requested_at)
     SELECT accounts.did, blobs.cid, $3
     FROM blobs JOIN accounts ON accounts.id = blobs.account_id
     WHERE blobs.account_id = $1 AND blobs.cid = $2
        AND blobs.temporary_at IS NULL AND blobs.taken_down_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM blob_refs WHERE account_id = $1 AND cid = $2)
     ON CONFLICT DO NOTHING",
);
static DELETE_ORPHAN: Sql = Sql::new(
    "DELETE FROM blobs
     WHERE account_id = $1 AND cid = $2
        AND temporary_at IS NULL AND taken_down_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM blob_refs WHERE account_id = $1 AND cid = $2)",
);

/// A reference that goes away.
#[derive(Clone, Debug)]
pub struct GoneRef<'a> {
    /// Whose it is.
    pub account: AccountId,
    /// The record that referred.
    pub path: &'a RecordPath,
    /// The blob.
    pub cid: Cid,
    /// Now.
    pub at: Moment,
}

/// Ends the reference of a record to a blob. A permanent blob to which nothing
/// refers any more is deleted, unless it was taken down, and its bytes are put
/// on the list of removals.
///
/// New references of the same write must be added before, so that a blob that
/// only moves to another record stays.
pub fn unrefer(batch: &mut Batch, gone: &GoneRef<'_>) {
    let (account, cid) = (gone.account, gone.cid);
    batch.add(DELETE_REF.bind(account).bind(cid).bind(gone.path));
    batch.add(REMOVE_ORPHAN_BYTES.bind(account).bind(cid).bind(gone.at));
    batch.add(DELETE_ORPHAN.bind(account).bind(cid));
}

static LIST_REFERRED: Sql = Sql::new(
    "SELECT DISTINCT cid FROM blob_refs
     WHERE account_id = $1 AND cid > $2 ORDER BY cid LIMIT $3",
);
static LIST_REFERRED_SINCE: Sql = Sql::new(
    "SELECT DISTINCT blob_refs.cid FROM blob_refs
     JOIN records ON records.account_id = blob_refs.account_id AND records.path = blob_refs.path
     WHERE blob_refs.account_id = $1 AND blob_refs.cid > $2 AND records.rev > $4
     ORDER BY blob_refs.cid LIMIT $3",
);

/// Which blobs of an account to list.
#[derive(Clone, Debug)]
pub struct BlobPage {
    /// The CID after which the page begins, by its bytes.
    pub after: Option<Cid>,
    /// How many at most.
    pub limit: u32,
}

impl BlobPage {
    fn after(&self) -> Vec<u8> {
        self.after.map_or_else(Vec::new, |cid| cid.as_bytes().to_vec())
    }
}

/// Lists the CIDs to which records refer, whether their bytes are here or not;
/// or those to which records newer than a revision refer.
pub async fn list_referred(
    db: &Db,
    account: AccountId,
    since: Option<&crate::atproto::syntax::Tid>,
    page: &BlobPage,
) -> Result<Vec<Cid>, StoreError> {
    let statement = match since {
        None => LIST_REFERRED.bind(account).bind(page.after()).bind(page.limit),
        Some(rev) => {
            LIST_REFERRED_SINCE.bind(account).bind(page.after()).bind(page.limit).bind(rev)
        }
    };
    db.rows(statement, |row| row.at(0)).await
}

/// A blob to which a record refers and whose bytes are not here.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingBlob {
    /// The CID.
    pub cid: Cid,
    /// A record that refers to it.
    pub path: RecordPath,
}

static LIST_MISSING: Sql = Sql::new(
    "SELECT cid, MIN(path) FROM blob_refs
     WHERE account_id = $1 AND cid > $2 AND NOT EXISTS (
        SELECT 1 FROM blobs
        WHERE blobs.account_id = blob_refs.account_id AND blobs.cid = blob_refs.cid)
     GROUP BY cid ORDER BY cid LIMIT $3",
);

/// Lists blobs to which records refer and which were not uploaded.
pub async fn list_missing(
    db: &Db,
    account: AccountId,
    page: &BlobPage,
) -> Result<Vec<MissingBlob>, StoreError> {
    let statement = LIST_MISSING.bind(account).bind(page.after()).bind(page.limit);
    let missing = |row: &Row<'_>| Ok(MissingBlob { cid: row.at(0)?, path: row.at(1)? });
    db.rows(statement, missing).await
}

static LIST: Sql = Sql::new(
    "SELECT cid, mime_type, size_bytes, created_at, temporary_at, taken_down_at
     FROM blobs WHERE account_id = $1 AND cid > $2 ORDER BY cid LIMIT $3",
);

/// Lists the blobs of an account, temporary and taken down ones too.
pub async fn list(db: &Db, account: AccountId, page: &BlobPage) -> Result<Vec<Blob>, StoreError> {
    let statement = LIST.bind(account).bind(page.after()).bind(page.limit);
    db.rows(statement, blob).await
}

/// Lists the blobs of an account as a snapshot sees them.
pub async fn list_in(
    snapshot: &Snapshot,
    account: AccountId,
    page: &BlobPage,
) -> Result<Vec<Blob>, StoreError> {
    let statement = LIST.bind(account).bind(page.after()).bind(page.limit);
    snapshot.rows(statement, blob).await
}

/// A record's reference to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobRefRow {
    /// The record, as `collection/rkey`.
    pub path: String,
    /// The blob.
    pub cid: Cid,
}

static STREAM_REFS: Sql =
    Sql::new("SELECT path, cid FROM blob_refs WHERE account_id = $1 ORDER BY path, cid");

/// Streams an account's references from records to blobs, by record.
pub fn stream_refs(snapshot: &Snapshot, account: AccountId) -> RowStream<BlobRefRow> {
    snapshot.stream(STREAM_REFS.bind(account), |row| {
        Ok(BlobRefRow { path: row.at(0)?, cid: row.at(1)? })
    })
}

/// How many blobs an account has and should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobCounts {
    /// Distinct blobs to which records refer.
    pub referred: i64,
    /// Blobs that were uploaded.
    pub uploaded: i64,
}

static COUNT: Sql = Sql::new(
    "SELECT (SELECT count(DISTINCT cid) FROM blob_refs WHERE account_id = $1),
        (SELECT count(*) FROM blobs WHERE account_id = $1)",
);

/// Counts the blobs of an account.
pub async fn count(db: &Db, account: AccountId) -> Result<BlobCounts, StoreError> {
    let counts = |row: &Row<'_>| Ok(BlobCounts { referred: row.at(0)?, uploaded: row.at(1)? });
    Ok(db.row(COUNT.bind(account), counts).await?.unwrap_or_default())
}

static TOTAL_BYTES: Sql =
    Sql::new("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS {INT}) FROM blobs WHERE account_id = $1");

/// Adds up the bytes of an account's blobs.
pub async fn total_bytes(db: &Db, account: AccountId) -> Result<i64, StoreError> {
    let total = |row: &Row<'_>| row.at(0);
    Ok(db.row(TOTAL_BYTES.bind(account), total).await?.unwrap_or_default())
}

static REMOVE_OLD_BYTES: Sql = Sql::new(
    "INSERT INTO blob_removals (did, cid, requested_at)
     SELECT accounts.did, blobs.cid, $2
     FROM blobs JOIN accounts ON accounts.id = blobs.account_id
     WHERE blobs.temporary_at < $1 AND blobs.taken_down_at IS NULL
     ON CONFLICT DO NOTHING",
);
static DELETE_OLD: Sql =
    Sql::new("DELETE FROM blobs WHERE temporary_at < $1 AND taken_down_at IS NULL");

/// Deletes blobs that have been temporary since before `before`, and puts their
/// bytes on the list of removals.
pub fn delete_temporary_before(batch: &mut Batch, before: Moment, now: Moment) {
    batch.add(REMOVE_OLD_BYTES.bind(before).bind(now));
    batch.add(DELETE_OLD.bind(before));
}

static REMOVE_ALL_BYTES: Sql = Sql::new(
    "INSERT INTO blob_removals (did, cid, requested_at)
     SELECT accounts.did, blobs.cid, $2
     FROM blobs JOIN accounts ON accounts.id = blobs.account_id
     WHERE blobs.account_id = $1
     ON CONFLICT DO NOTHING",
);

/// Puts the bytes of all blobs of an account, which is about to be deleted, on
/// the list of removals.
pub(in crate::store) fn remove_all(batch: &mut Batch, account: AccountId, at: Moment) {
    batch.add(REMOVE_ALL_BYTES.bind(account).bind(at));
}
