//! Records: the values of a repository under their paths.
//!
//! The key is the path as one text, so the order of the rows is the order of
//! the tree. Records are written by the [`super::committer`] only; this module
//! reads them, singly, by collection, or all in order from a [`Snapshot`].

use bytes::Bytes;
use futures_util::StreamExt;

use crate::atproto::{
    Cid,
    syntax::{Nsid, RecordKey, RecordPath, Tid},
};

use super::{
    AccountId, Db, RowStream, Snapshot, StoreError,
    engine::{BadColumn, Row, Shape, Sql, Statement, Unshaped},
};

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub path: RecordPath,
    /// The CID of its value.
    pub cid: Cid,
    /// The revision in which it was written.
    pub rev: Tid,
    /// Its value, encoded as it is signed.
    pub value: Bytes,
}

static FIND: Sql =
    Sql::new("SELECT path, cid, rev, value FROM records WHERE account_id = $1 AND path = $2");

fn record(row: &Row<'_>) -> Result<Record, BadColumn> {
    Ok(Record { path: row.at(0)?, cid: row.at(1)?, rev: row.at(2)?, value: row.at(3)? })
}

static FIND_SHOWN: Sql = Sql::new(
    "SELECT path, cid, rev, value FROM records WHERE account_id = $1 AND path = $2
        AND NOT EXISTS (SELECT 1 FROM record_takedowns AS down
            WHERE down.account_id = records.account_id AND down.path = records.path)",
);

/// Finds a record by its path, unless it was taken down.
pub async fn find_shown(
    db: &Db,
    account: AccountId,
    path: &RecordPath,
) -> Result<Option<Record>, StoreError> {
    db.row(FIND_SHOWN.bind(account).bind(path), record).await
}

/// Finds a record by its path.
pub async fn find(
    db: &Db,
    account: AccountId,
    path: &RecordPath,
) -> Result<Option<Record>, StoreError> {
    db.row(FIND.bind(account).bind(path), record).await
}

/// In which order records of a collection are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By key, the greatest first: the newest first, where keys are TIDs.
    Descending,
    /// By key, the smallest first.
    Ascending,
}

/// A page of a collection.
#[derive(Clone, Debug)]
pub struct Page {
    /// The order.
    pub order: Order,
    /// The key after which the page begins, in that order.
    pub after: Option<RecordKey>,
    /// How many records at most.
    pub limit: u32,
}

static LIST_ASCENDING: Sql = Sql::new(
    "SELECT path, cid, rev, value FROM records
     WHERE account_id = $1 AND path > $2 AND path < $3
        AND NOT EXISTS (SELECT 1 FROM record_takedowns AS down
            WHERE down.account_id = records.account_id AND down.path = records.path)
     ORDER BY path LIMIT $4",
);
static LIST_DESCENDING: Sql = Sql::new(
    "SELECT path, cid, rev, value FROM records
     WHERE account_id = $1 AND path > $2 AND path < $3
        AND NOT EXISTS (SELECT 1 FROM record_takedowns AS down
            WHERE down.account_id = records.account_id AND down.path = records.path)
     ORDER BY path DESC LIMIT $4",
);
static LIST_ALL: Sql = Sql::new(
    "SELECT path, cid, rev, value FROM records
     WHERE account_id = $1 AND path > $2 AND path < $3 ORDER BY path LIMIT $4",
);

/// Lists the records of a collection after `after`, also those that were taken
/// down, by key.
pub async fn list_all(
    db: &Db,
    account: AccountId,
    collection: &Nsid,
    (after, limit): (Option<&RecordPath>, u32),
) -> Result<Vec<Record>, StoreError> {
    let (low, high) = bounds_of(collection.as_str());
    let low = after.map_or(low, ToString::to_string);
    db.rows(LIST_ALL.bind(account).bind(low).bind(high).bind(limit), record).await
}

/// Lists the records of a collection, but for those that were taken down.
pub async fn list(
    db: &Db,
    account: AccountId,
    collection: &Nsid,
    page: &Page,
) -> Result<Vec<Record>, StoreError> {
    let (mut low, mut high) = bounds_of(collection.as_str());
    let after = page.after.as_ref();
    let after = after.map(|rkey| format!("{}/{}", collection.as_str(), rkey.as_str()));
    let sql = match page.order {
        Order::Ascending => {
            low = after.unwrap_or(low);
            &LIST_ASCENDING
        }
        Order::Descending => {
            high = after.unwrap_or(high);
            &LIST_DESCENDING
        }
    };
    let statement = sql.bind(account).bind(low).bind(high).bind(page.limit);
    db.rows(statement, record).await
}

/// Returns the paths between which, both excluded, a collection's paths lie.
fn bounds_of(collection: &str) -> (String, String) {
    // '0' is the character after '/'.
    (format!("{collection}/"), format!("{collection}0"))
}

static FIRST_PATH_FROM: Sql =
    Sql::new("SELECT path FROM records WHERE account_id = $1 AND path >= $2 ORDER BY path LIMIT 1");

/// Collections of one account that [`list_collections`] returns at most.
pub const COLLECTIONS_MAX: usize = 10_000;

/// Lists the collections in which an account has records, by name.
///
/// One point read for each, however many records there are; at most
/// [`COLLECTIONS_MAX`].
pub async fn list_collections(db: &Db, account: AccountId) -> Result<Vec<Nsid>, StoreError> {
    let mut collections: Vec<Nsid> = Vec::new();
    let mut from = String::new();
    while collections.len() < COLLECTIONS_MAX {
        let statement = FIRST_PATH_FROM.bind(account).bind(&from);
        let path: Option<RecordPath> = db.row(statement, |row| row.at(0)).await?;
        let Some(path) = path else { break };
        from = bounds_of(path.collection.as_str()).1;
        collections.push(path.collection);
    }
    collections.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(collections)
}

static KNOWS_ANY: Sql = Sql::new(
    "SELECT CAST(1 AS BIGINT) FROM (
        SELECT rev FROM records WHERE account_id = $1 ORDER BY path LIMIT $3) AS first
     WHERE rev <= $2 LIMIT 1",
);

/// Says whether one of an account's first `limit` records, by path, was written
/// in `rev` or before. Not more of them are looked at, since no index leads
/// from a revision to its records.
pub async fn knows_any(
    db: &Db,
    account: AccountId,
    rev: &Tid,
    limit: u32,
) -> Result<bool, StoreError> {
    let statement = KNOWS_ANY.bind(account).bind(rev).bind(limit);
    let found: Option<i64> = db.row(statement, |row| row.at(0)).await?;
    Ok(found.is_some())
}

static COUNT: Sql = Sql::new("SELECT count(*) FROM records WHERE account_id = $1");

/// Counts the records of an account.
pub async fn count(db: &Db, account: AccountId) -> Result<i64, StoreError> {
    let count = db.row(COUNT.bind(account), |row| row.at(0)).await?;
    Ok(count.unwrap_or(0))
}

/// The key of a record and the CID of its value: what the tree is made of.
///
/// The path is the text that was valid when it was written; it is not parsed
/// again, since a tree is made of hundreds of thousands of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// `collection/rkey`.
    pub path: String,
    /// The CID of the value.
    pub cid: Cid,
    /// The revision in which it was written.
    pub rev: String,
}

static STREAM_ENTRIES: Sql =
    Sql::new("SELECT path, cid, rev FROM records WHERE account_id = $1 ORDER BY path");

/// Streams the paths and CIDs of all records in the tree's order.
pub fn stream_entries(snapshot: &Snapshot, account: AccountId) -> RowStream<RecordEntry> {
    snapshot.stream(STREAM_ENTRIES.bind(account), |row| {
        Ok(RecordEntry { path: row.at(0)?, cid: row.at(1)?, rev: row.at(2)? })
    })
}

static STREAM_PATHS: Sql =
    Sql::new("SELECT path, cid FROM records WHERE account_id = $1 ORDER BY path");

/// Makes one thing of all paths and CIDs of an account, on the thread of the scan.
pub trait GatherEntries: Send + 'static {
    /// What is made.
    type Made: Send + 'static;

    /// Takes the next record in the tree's order.
    ///
    /// # Errors
    /// What the gathering ends with.
    fn entry(&mut self, path: &str, cid: Cid) -> Result<(), StoreError>;

    /// What was made of them.
    fn made(self) -> Self::Made;
}

/// Makes one thing of all records of an account.
///
/// # Errors
/// The store's, and those of `gatherer`.
pub async fn gather<G: GatherEntries>(
    snapshot: &Snapshot,
    account: AccountId,
    gatherer: G,
) -> Result<G::Made, StoreError> {
    let gathering = Gathering(Some(gatherer));
    let mut made = snapshot.stream_shaped(STREAM_PATHS.bind(account), gathering);
    // A scan that ends without an error puts it out.
    made.next().await.unwrap_or(Err(StoreError::Closed))
}

struct Gathering<G>(Option<G>);

impl<G: GatherEntries> Shape for Gathering<G> {
    type Item = G::Made;

    fn row(&mut self, row: &Row<'_>, _: &mut Vec<(G::Made, usize)>) -> Result<(), Unshaped> {
        let path = row.text(0)?.ok_or(row.bad(0))?;
        let cid = row.at(1)?;
        match &mut self.0 {
            Some(gatherer) => gatherer.entry(path, cid).map_err(Unshaped::Store),
            None => Ok(()),
        }
    }

    fn end(&mut self, out: &mut Vec<(G::Made, usize)>) -> Result<(), StoreError> {
        out.extend(self.0.take().map(|gatherer| (gatherer.made(), 0)));
        Ok(())
    }
}

/// A value and its CID, as an export sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordValue {
    /// `collection/rkey`.
    pub path: String,
    /// The CID of the value.
    pub cid: Cid,
    /// The value, encoded.
    pub value: Bytes,
}

static STREAM_VALUES: Sql =
    Sql::new("SELECT path, cid, value FROM records WHERE account_id = $1 ORDER BY path");
static STREAM_VALUES_SINCE: Sql = Sql::new(
    "SELECT path, cid, value FROM records WHERE account_id = $1 AND rev > $2 ORDER BY path",
);

/// A value where the database holds it.
#[derive(Debug, Clone, Copy)]
pub struct BlockRef<'r> {
    /// The bytes of its CID.
    pub cid: &'r [u8],
    /// The value, encoded.
    pub value: &'r [u8],
}

/// Makes of an account's values what is sent, where the database hands them out:
/// no value is copied that need not be.
pub trait PackValues: Send + 'static {
    /// Takes the next record in the tree's order, and puts out what is ready.
    ///
    /// # Errors
    /// What the stream ends with.
    fn record(
        &mut self,
        path: &str,
        block: BlockRef<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StoreError>;

    /// Puts out what is left after the last one.
    ///
    /// # Errors
    /// What the stream ends with.
    fn end(&mut self, out: &mut Vec<Bytes>) -> Result<(), StoreError>;
}

/// Streams what `packer` makes of all records in the tree's order, or of those
/// that are newer than a revision.
pub fn stream_packed(
    snapshot: &Snapshot,
    account: AccountId,
    since: Option<&Tid>,
    packer: impl PackValues,
) -> RowStream<Bytes> {
    snapshot.stream_shaped(values(account, since), Packing { packer, ready: Vec::new() })
}

struct Packing<P> {
    packer: P,
    ready: Vec<Bytes>,
}

impl<P> Packing<P> {
    fn put_out(&mut self, out: &mut Vec<(Bytes, usize)>) {
        out.extend(self.ready.drain(..).map(|chunk| {
            let bytes = chunk.len();
            (chunk, bytes)
        }));
    }
}

impl<P: PackValues> Shape for Packing<P> {
    type Item = Bytes;

    fn row(&mut self, row: &Row<'_>, out: &mut Vec<(Bytes, usize)>) -> Result<(), Unshaped> {
        let path = row.text(0)?.ok_or(row.bad(0))?;
        let cid = row.bytes(1)?.ok_or(row.bad(1))?;
        let value = row.bytes(2)?.ok_or(row.bad(2))?;
        let block = BlockRef { cid, value };
        let packed = self.packer.record(path, block, &mut self.ready);
        packed.map_err(Unshaped::Store)?;
        self.put_out(out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<(Bytes, usize)>) -> Result<(), StoreError> {
        self.packer.end(&mut self.ready)?;
        self.put_out(out);
        Ok(())
    }
}

/// Streams all records in the tree's order, or those that are newer than a
/// revision.
pub fn stream_values(
    snapshot: &Snapshot,
    account: AccountId,
    since: Option<&Tid>,
) -> RowStream<RecordValue> {
    snapshot.stream(values(account, since), |row| {
        Ok(RecordValue { path: row.at(0)?, cid: row.at(1)?, value: row.at(2)? })
    })
}

fn values(account: AccountId, since: Option<&Tid>) -> Statement {
    match since {
        None => STREAM_VALUES.bind(account),
        Some(rev) => STREAM_VALUES_SINCE.bind(account).bind(rev),
    }
}
