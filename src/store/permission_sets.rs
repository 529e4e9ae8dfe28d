//! Permission sets as they were last published.

use crate::atproto::{Moment, syntax::Nsid};

use super::{
    Batch, Db, StoreError,
    engine::{BadColumn, Row, Sql},
};

/// A set and when it was fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSet {
    /// The lexicon, as JSON text.
    pub document: String,
    /// When it was fetched.
    pub fetched_at: Moment,
}

static FIND: Sql = Sql::new("SELECT document, fetched_at FROM permission_sets WHERE nsid = $1");

fn kept(row: &Row<'_>) -> Result<KeptSet, BadColumn> {
    Ok(KeptSet { document: row.at(0)?, fetched_at: row.at(1)? })
}

/// Finds a set, however old.
pub async fn find(db: &Db, nsid: &Nsid) -> Result<Option<KeptSet>, StoreError> {
    db.row(FIND.bind(nsid.as_str()), kept).await
}

static PUT: Sql = Sql::new(
    "INSERT INTO permission_sets (nsid, document, fetched_at) VALUES ($1, $2, $3)
     ON CONFLICT (nsid) DO UPDATE
     SET document = excluded.document, fetched_at = excluded.fetched_at",
);

/// Remembers a set.
pub fn put(batch: &mut Batch, nsid: &Nsid, set: &KeptSet) {
    batch.add(PUT.bind(nsid.as_str()).bind(&set.document).bind(set.fetched_at));
}

static DELETE_BEFORE: Sql = Sql::new("DELETE FROM permission_sets WHERE fetched_at < $1");

/// Forgets sets that were fetched before `before`.
pub fn delete_before(batch: &mut Batch, before: Moment) {
    batch.add(DELETE_BEFORE.bind(before));
}
