//! The operations of did:plc DIDs, for the embedded directory.
//!
//! A DID's log is numbered from 0, so that two operations for the same place
//! collide. Across DIDs, operations have a position, which the export uses.

use crate::atproto::{Cid, Moment, syntax::Did};

use super::{
    Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
};

/// An operation as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct PlcOperation {
    /// The DID.
    pub did: Did,
    /// Its place in the log of the DID, nullified ones counted too.
    pub number: i64,
    /// The CID of the signed operation.
    pub cid: Cid,
    /// The signed operation, as JSON text.
    pub operation: String,
    /// When it was accepted.
    pub created_at: Moment,
    /// When a recovery undid it.
    pub nullified_at: Option<Moment>,
}

/// An operation and its position among all.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The position, ascending without being dense.
    pub position: i64,
    /// The operation.
    pub operation: PlcOperation,
}

static NEXT_POSITION: Sql =
    Sql::new("UPDATE counters SET value = value + 1 WHERE name = 'plc_operation'");
static INSERT: Sql = Sql::new(
    "INSERT INTO plc_operations
        (position, did, number, cid, operation, created_at, nullified_at)
     VALUES ((SELECT value FROM counters WHERE name = 'plc_operation'), $1, $2, $3, $4, $5, $6)
     ON CONFLICT DO NOTHING",
);

/// Appends an operation, or fails with [`Unmet::PlcLogMoved`] where its number
/// is taken: read the log again.
pub fn insert(batch: &mut Batch, new: &PlcOperation) {
    let statement = INSERT
        .bind(&new.did)
        .bind(new.number)
        .bind(new.cid)
        .bind(&new.operation)
        .bind(new.created_at)
        .bind(new.nullified_at);
    batch.add(NEXT_POSITION.statement());
    batch.add_one(statement, Unmet::PlcLogMoved);
}

static NULLIFY: Sql = Sql::new(
    "UPDATE plc_operations SET nullified_at = $3
     WHERE did = $1 AND cid = $2 AND nullified_at IS NULL",
);

/// Marks an operation as undone, or fails with [`Unmet::PlcLogMoved`].
pub fn nullify(batch: &mut Batch, did: &Did, cid: Cid, at: Moment) {
    batch.add_one(NULLIFY.bind(did).bind(cid).bind(at), Unmet::PlcLogMoved);
}

static LIST: Sql = Sql::new(
    "SELECT position, did, number, cid, operation, created_at, nullified_at
     FROM plc_operations WHERE did = $1 ORDER BY number",
);

fn exported(row: &Row<'_>) -> Result<Exported, BadColumn> {
    let operation = PlcOperation {
        did: row.at(1)?,
        number: row.at(2)?,
        cid: row.at(3)?,
        operation: row.at(4)?,
        created_at: row.at(5)?,
        nullified_at: row.at(6)?,
    };
    let position = row.at(0)?;
    Ok(Exported { position, operation })
}

/// Lists the whole log of a DID in order, with the nullified operations.
pub async fn list(db: &Db, did: &Did) -> Result<Vec<PlcOperation>, StoreError> {
    let log = db.rows(LIST.bind(did), exported).await?;
    Ok(log.into_iter().map(|entry| entry.operation).collect())
}

static EXPORT: Sql = Sql::new(
    "SELECT position, did, number, cid, operation, created_at, nullified_at
     FROM plc_operations WHERE position > $1 ORDER BY position LIMIT $2",
);

/// Lists operations of all DIDs after a position.
pub async fn export(db: &Db, after: i64, limit: u32) -> Result<Vec<Exported>, StoreError> {
    db.rows(EXPORT.bind(after).bind(limit), exported).await
}

static EXPORT_AFTER: Sql = Sql::new(
    "SELECT position, did, number, cid, operation, created_at, nullified_at
     FROM plc_operations WHERE created_at > $1 ORDER BY position LIMIT $2",
);

/// Lists operations of all DIDs that were accepted after a moment.
pub async fn export_after(db: &Db, after: Moment, limit: u32) -> Result<Vec<Exported>, StoreError> {
    db.rows(EXPORT_AFTER.bind(after).bind(limit), exported).await
}
