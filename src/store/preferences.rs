//! Private preferences of an account: JSON objects in an order.

use super::{
    AccountId, Batch, Db, StoreError,
    engine::{BadColumn, Row, Sql},
};

/// One preference.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// The `$type` of the object.
    pub name: String,
    /// The object, as JSON text.
    pub value: String,
}

static LIST: Sql =
    Sql::new("SELECT name, value FROM preferences WHERE account_id = $1 ORDER BY position");

fn preference(row: &Row<'_>) -> Result<Preference, BadColumn> {
    Ok(Preference { name: row.at(0)?, value: row.at(1)? })
}

/// Lists an account's preferences in their order.
pub async fn list(db: &Db, account: AccountId) -> Result<Vec<Preference>, StoreError> {
    db.rows(LIST.bind(account), preference).await
}

static CLEAR: Sql = Sql::new("DELETE FROM preferences WHERE account_id = $1");
static INSERT: Sql =
    Sql::new("INSERT INTO preferences (account_id, position, name, value) VALUES ($1, $2, $3, $4)");

/// Replaces all preferences of an account by `preferences`.
pub fn replace(batch: &mut Batch, account: AccountId, preferences: &[Preference]) {
    batch.add(CLEAR.bind(account));
    for (position, preference) in (0i64..).zip(preferences) {
        let statement =
            INSERT.bind(account).bind(position).bind(&preference.name).bind(&preference.value);
        batch.add(statement);
    }
}
