//! The list of bytes to remove, which a task works off.

use super::CANCEL_REMOVAL;
use crate::atproto::{Cid, Moment, syntax::Did};
use crate::store::{
    Batch, Db, StoreError,
    engine::{Row, Sql},
};

/// Bytes that nothing needs any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// Whose they were.
    pub did: Did,
    /// Their CID.
    pub cid: Cid,
}

static LIST_REMOVALS: Sql =
    Sql::new("SELECT did, cid FROM blob_removals ORDER BY requested_at, did, cid LIMIT $1");

/// Lists bytes that are to be removed, the oldest request first.
///
/// To work one off: take the account's lock, look whether it still is on the
/// list ([`is_removal_due`]), delete the bytes, then [`delete_removal`].
pub async fn list_removals(db: &Db, limit: u32) -> Result<Vec<Removal>, StoreError> {
    let removal = |row: &Row<'_>| Ok(Removal { did: row.at(0)?, cid: row.at(1)? });
    db.rows(LIST_REMOVALS.bind(limit), removal).await
}

// Where two transactions cross on Postgres, one may have listed bytes whose row
// the other kept alive; so it is the row that decides.
static REMOVAL_IS_DUE: Sql = Sql::new(
    "SELECT count(*) FROM blob_removals WHERE did = $1 AND cid = $2 AND NOT EXISTS (
         SELECT 1 FROM blobs JOIN accounts ON accounts.id = blobs.account_id
         WHERE accounts.did = $1 AND blobs.cid = $2)",
);

/// Says whether bytes are still to be removed: not if they were uploaded again
/// or a record has come to refer to them.
pub async fn is_removal_due(db: &Db, removal: &Removal) -> Result<bool, StoreError> {
    let statement = REMOVAL_IS_DUE.bind(&removal.did).bind(removal.cid);
    let count: Option<i64> = db.row(statement, |row| row.at(0)).await?;
    Ok(count.unwrap_or(0) > 0)
}

static POSTPONE_REMOVAL: Sql =
    Sql::new("UPDATE blob_removals SET requested_at = $3 WHERE did = $1 AND cid = $2");

/// Moves a removal that did not succeed behind those requested before `now`.
pub fn postpone_removal(batch: &mut Batch, removal: &Removal, now: Moment) {
    batch.add(POSTPONE_REMOVAL.bind(&removal.did).bind(removal.cid).bind(now));
}

/// Takes bytes that were removed off the list.
pub fn delete_removal(batch: &mut Batch, removal: &Removal) {
    batch.add(CANCEL_REMOVAL.bind(&removal.did).bind(removal.cid));
}
