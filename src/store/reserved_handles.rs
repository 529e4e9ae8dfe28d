//! Handles that the operator keeps from being taken.

use crate::atproto::{Moment, syntax::Handle};

use super::{Batch, Db, StoreError, engine::Sql};

static INSERT: Sql = Sql::new(
    "INSERT INTO reserved_handles (handle, reserved_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
);

/// Reserves a handle, in lower case; doing it twice changes nothing.
pub fn insert(batch: &mut Batch, handle: &Handle, at: Moment) {
    batch.add(INSERT.bind(handle).bind(at));
}

static EXISTS: Sql = Sql::new("SELECT reserved_at FROM reserved_handles WHERE handle = $1");

/// Says whether a handle, in lower case, is reserved.
pub async fn exists(db: &Db, handle: &Handle) -> Result<bool, StoreError> {
    let reserved_at = db.row(EXISTS.bind(handle), |row| row.at::<Moment>(0)).await?;
    Ok(reserved_at.is_some())
}
