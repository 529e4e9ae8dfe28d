//! The list of bytes to remove, which a task works off.

use super::CANCEL_REMOVAL;
use crate::atproto::{Cid, syntax::Did};
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

static REMOVAL_IS_DUE: Sql =
    Sql::new("SELECT count(*) FROM blob_removals WHERE did = $1 AND cid = $2");

/// Says whether bytes are still to be removed: not if they were uploaded again.
pub async fn is_removal_due(db: &Db, removal: &Removal) -> Result<bool, StoreError> {
    let statement = REMOVAL_IS_DUE.bind(&removal.did).bind(removal.cid);
    let count: Option<i64> = db.row(statement, |row| row.at(0)).await?;
    Ok(count.unwrap_or(0) > 0)
}

/// Takes bytes that were removed off the list.
pub fn delete_removal(batch: &mut Batch, removal: &Removal) {
    batch.add(CANCEL_REMOVAL.bind(&removal.did).bind(removal.cid));
}
