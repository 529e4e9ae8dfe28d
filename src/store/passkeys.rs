//! Passkeys: keys in people's devices, with which they sign in.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
};

/// A passkey.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPasskey {
    /// Its name among all, in base64url.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What is needed to check it, as JSON text.
    pub credential: String,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last used.
    pub used_at: Option<Moment>,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO passkeys (id, account_id, name, credential, created_at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
);

/// Adds a passkey, or fails with [`Unmet::Exists`].
pub fn insert(batch: &mut Batch, new: &StoredPasskey) {
    let statement = INSERT
        .bind(&new.id)
        .bind(new.account)
        .bind(&new.name)
        .bind(&new.credential)
        .bind(new.created_at);
    batch.add_one(statement, Unmet::Exists);
}

static FIND: Sql = Sql::new(
    "SELECT id, account_id, name, credential, created_at, used_at FROM passkeys WHERE id = $1",
);

fn passkey(row: &Row<'_>) -> Result<StoredPasskey, BadColumn> {
    Ok(StoredPasskey {
        id: row.at(0)?,
        account: row.at(1)?,
        name: row.at(2)?,
        credential: row.at(3)?,
        created_at: row.at(4)?,
        used_at: row.at(5)?,
    })
}

/// Finds a passkey.
pub async fn find(db: &Db, id: &str) -> Result<Option<StoredPasskey>, StoreError> {
    db.row(FIND.bind(id), passkey).await
}

static LIST: Sql = Sql::new(
    "SELECT id, account_id, name, credential, created_at, used_at
     FROM passkeys WHERE account_id = $1 ORDER BY created_at, id",
);

/// Lists an account's passkeys, the oldest first.
pub async fn list(db: &Db, account: AccountId) -> Result<Vec<StoredPasskey>, StoreError> {
    db.rows(LIST.bind(account), passkey).await
}

static USE: Sql = Sql::new("UPDATE passkeys SET credential = $2, used_at = $3 WHERE id = $1");

/// Notes that a passkey was used; its counter is in the credential. Fails with
/// [`Unmet::Missing`].
pub fn note_use(batch: &mut Batch, id: &str, credential: &str, at: Moment) {
    batch.add_one(USE.bind(id).bind(credential).bind(at), Unmet::Missing);
}

static DELETE: Sql = Sql::new("DELETE FROM passkeys WHERE id = $1 AND account_id = $2");

/// Forgets a passkey of an account.
pub fn delete(batch: &mut Batch, account: AccountId, id: &str) {
    batch.add(DELETE.bind(id).bind(account));
}
