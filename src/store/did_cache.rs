//! DID documents of others as they were last resolved.

use crate::atproto::{Moment, syntax::Did};

use super::{
    Batch, Db, StoreError,
    engine::{BadColumn, Row, Sql},
};

/// A document and when it was fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedDocument {
    /// The document, as JSON text.
    pub document: String,
    /// When it was fetched.
    pub fetched_at: Moment,
}

static FIND: Sql = Sql::new("SELECT document, fetched_at FROM did_cache WHERE did = $1");

fn cached(row: &Row<'_>) -> Result<CachedDocument, BadColumn> {
    Ok(CachedDocument { document: row.at(0)?, fetched_at: row.at(1)? })
}

/// Finds the document of `did`, however old.
pub async fn find(db: &Db, did: &Did) -> Result<Option<CachedDocument>, StoreError> {
    db.row(FIND.bind(did), cached).await
}

static PUT: Sql = Sql::new(
    "INSERT INTO did_cache (did, document, fetched_at) VALUES ($1, $2, $3)
     ON CONFLICT (did) DO UPDATE
     SET document = excluded.document, fetched_at = excluded.fetched_at",
);

/// Remembers a document.
pub fn put(batch: &mut Batch, did: &Did, document: &CachedDocument) {
    let statement = PUT.bind(did).bind(&document.document).bind(document.fetched_at);
    batch.add(statement);
}

static DELETE: Sql = Sql::new("DELETE FROM did_cache WHERE did = $1");

/// Forgets the document of `did`.
pub fn delete(batch: &mut Batch, did: &Did) {
    batch.add(DELETE.bind(did));
}

static DELETE_BEFORE: Sql = Sql::new("DELETE FROM did_cache WHERE fetched_at < $1");

/// Forgets documents that were fetched before `before`.
pub fn delete_before(batch: &mut Batch, before: Moment) {
    batch.add(DELETE_BEFORE.bind(before));
}
