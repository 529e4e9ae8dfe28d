//! The sequence: the last `seq` that was given to an event.
//!
//! `seq` is time in microseconds, one more than the last where the clock stands
//! still or went back. The [`super::committer`] moves it in the transaction that
//! stores the events, so that commit order is `seq` order.

use super::{Batch, Db, Snapshot, StoreError, engine::Sql};

static LAST: Sql = Sql::new("SELECT last FROM sequence WHERE id = 1");

/// Returns the last `seq` that was given, 0 before the first.
pub async fn last(db: &Db) -> Result<u64, StoreError> {
    let last = db.row(LAST.statement(), |row| row.at(0)).await?;
    Ok(last.unwrap_or(0))
}

/// Returns the last `seq` as a snapshot sees it.
pub async fn last_in(snapshot: &Snapshot) -> Result<u64, StoreError> {
    let last = snapshot.row(LAST.statement(), |row| row.at(0)).await?;
    Ok(last.unwrap_or(0))
}

static RAISE: Sql = Sql::new("UPDATE sequence SET last = $1 WHERE id = 1 AND last < $1");

/// Makes the next `seq` greater than `seq`: for a server that takes over from
/// another whose cursors relays remember.
pub fn raise(batch: &mut Batch, seq: u64) {
    batch.add(RAISE.bind(seq));
}
