//! App passwords: further passwords of an account, with less power.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
};

/// An app password as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AppPassword {
    /// Whose it is.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: String,
    /// The hash of the password.
    pub password_hash: String,
    /// What it may do.
    pub power: Power,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends, if it does so by itself.
    pub expires_at: Option<Moment>,
}

/// What an app password may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Power {
    /// The usual.
    Basic,
    /// Also direct messages and moving out.
    Privileged,
    /// What this list of scopes allows, without permission sets.
    Scoped(String),
}

static INSERT: Sql = Sql::new(
    "INSERT INTO app_passwords
        (account_id, name, password_hash, privileged_at, created_at, scope, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT DO NOTHING",
);

/// Adds an app password, or fails with [`Unmet::AppPasswordNameTaken`].
pub fn insert(batch: &mut Batch, new: &AppPassword) {
    let (privileged_at, scope) = match &new.power {
        Power::Basic => (None, None),
        Power::Privileged => (Some(new.created_at), None),
        Power::Scoped(scope) => (None, Some(scope.as_str())),
    };
    let statement = INSERT
        .bind(new.account)
        .bind(&new.name)
        .bind(&new.password_hash)
        .bind(privileged_at)
        .bind(new.created_at)
        .bind(scope)
        .bind(new.expires_at);
    batch.add_one(statement, Unmet::AppPasswordNameTaken);
}

static LIST: Sql = Sql::new(
    "SELECT account_id, name, password_hash, privileged_at, created_at, scope, expires_at
     FROM app_passwords WHERE account_id = $1 ORDER BY created_at DESC, name",
);

fn app_password(row: &Row<'_>) -> Result<AppPassword, BadColumn> {
    let (privileged_at, scope): (Option<Moment>, Option<String>) = (row.at(3)?, row.at(5)?);
    let power = match (scope, privileged_at) {
        (Some(scope), _) => Power::Scoped(scope),
        (None, Some(_)) => Power::Privileged,
        (None, None) => Power::Basic,
    };
    Ok(AppPassword {
        account: row.at(0)?,
        name: row.at(1)?,
        password_hash: row.at(2)?,
        power,
        created_at: row.at(4)?,
        expires_at: row.at(6)?,
    })
}

/// Lists the app passwords of an account, the newest first.
pub async fn list(db: &Db, account: AccountId) -> Result<Vec<AppPassword>, StoreError> {
    db.rows(LIST.bind(account), app_password).await
}

static FIND: Sql = Sql::new(
    "SELECT account_id, name, password_hash, privileged_at, created_at, scope, expires_at
     FROM app_passwords WHERE account_id = $1 AND name = $2",
);

/// Finds an app password by its name.
pub async fn find(
    db: &Db,
    account: AccountId,
    name: &str,
) -> Result<Option<AppPassword>, StoreError> {
    db.row(FIND.bind(account).bind(name), app_password).await
}

static DELETE_OF_ACCOUNT: Sql = Sql::new("DELETE FROM app_passwords WHERE account_id = $1");

/// Deletes all app passwords of an account.
pub fn delete_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_OF_ACCOUNT.bind(account));
}

static DELETE: Sql = Sql::new("DELETE FROM app_passwords WHERE account_id = $1 AND name = $2");

/// Deletes an app password and ends the logins that began with it.
pub fn delete(batch: &mut Batch, account: AccountId, name: &str) {
    super::sessions::delete_of_app_password(batch, account, name);
    batch.add(DELETE.bind(account).bind(name));
}
