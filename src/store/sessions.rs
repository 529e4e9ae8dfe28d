//! Sessions of the password login: the refresh tokens that are still good.
//!
//! A token continues a session by naming its successor. Using it again within
//! the grace names the same successor, so a client that lost the answer may
//! ask again. All tokens of one login are a family and end together.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    devices,
    engine::{BadColumn, Row, Sql},
    factors, oauth,
};

/// A refresh token that may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The token's `jti`.
    pub id: String,
    /// The `jti` of the login's first token.
    pub family: String,
    /// Whose it is.
    pub account: AccountId,
    /// The app password with which it began, if any.
    pub app_password: Option<String>,
    /// When this token was made.
    pub created_at: Moment,
    /// When this token stops being good.
    pub expires_at: Moment,
    /// The `jti` of the token that continued this one.
    pub next_id: Option<String>,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO sessions
        (id, family, account_id, app_password, created_at, expires_at, next_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT DO NOTHING",
);

fn insert_statement(new: &Session) -> super::engine::Statement {
    INSERT
        .bind(&new.id)
        .bind(&new.family)
        .bind(new.account)
        .bind(new.app_password.as_deref())
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(new.next_id.as_deref())
}

/// Adds a login's first token, or fails with [`Unmet::Exists`].
pub fn insert(batch: &mut Batch, new: &Session) {
    batch.add_one(insert_statement(new), Unmet::Exists);
}

static FIND: Sql = Sql::new(
    "SELECT id, family, account_id, app_password, created_at, expires_at, next_id
     FROM sessions WHERE id = $1",
);

fn session(row: &Row<'_>) -> Result<Session, BadColumn> {
    Ok(Session {
        id: row.at(0)?,
        family: row.at(1)?,
        account: row.at(2)?,
        app_password: row.at(3)?,
        created_at: row.at(4)?,
        expires_at: row.at(5)?,
        next_id: row.at(6)?,
    })
}

/// Finds a token by its `jti`, also an expired one.
pub async fn find(db: &Db, id: &str) -> Result<Option<Session>, StoreError> {
    db.row(FIND.bind(id), session).await
}

static CONTINUE: Sql = Sql::new(
    "UPDATE sessions
     SET next_id = $2, expires_at = CASE WHEN expires_at < $3 THEN expires_at ELSE $3 END
     WHERE id = $1 AND (next_id IS NULL OR next_id = $2)",
);

/// Continues the token `previous` by `next`, and lets `previous` live until
/// `grace_until` at most. Doing it twice with the same `next` is the same as
/// once.
///
/// Fails with [`Unmet::SessionMoved`] where `previous` is gone or has another
/// successor: read it again.
pub fn rotate(batch: &mut Batch, previous: &str, next: &Session, grace_until: Moment) {
    let moved = CONTINUE.bind(previous).bind(&next.id).bind(grace_until);
    batch.add_one(moved, Unmet::SessionMoved);
    batch.add(insert_statement(next));
}

static DELETE_FAMILY: Sql = Sql::new(
    "DELETE FROM sessions
     WHERE family IN (SELECT family FROM sessions WHERE id = $1)",
);

/// Ends the login to which the token belongs: all tokens of its family.
pub fn delete(batch: &mut Batch, id: &str) {
    batch.add(DELETE_FAMILY.bind(id));
}

static DELETE_OF_APP_PASSWORD: Sql =
    Sql::new("DELETE FROM sessions WHERE account_id = $1 AND app_password = $2");

/// Ends all logins that began with an app password.
pub fn delete_of_app_password(batch: &mut Batch, account: AccountId, name: &str) {
    batch.add(DELETE_OF_APP_PASSWORD.bind(account).bind(name));
}

static DELETE_OF_ACCOUNT: Sql = Sql::new("DELETE FROM sessions WHERE account_id = $1");

/// Ends all logins of an account: of passwords, of apps, in browsers.
pub fn delete_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_OF_ACCOUNT.bind(account));
    oauth::sessions::delete_of_account(batch, account);
    oauth::requests::delete_of_account(batch, account);
    devices::sign_out_everywhere(batch, account);
    factors::delete_trusts(batch, account);
    factors::delete_begun_of_account(batch, account);
}

static DELETE_EXPIRED: Sql = Sql::new("DELETE FROM sessions WHERE expires_at < $1");

/// Forgets tokens that expired before `now`.
pub fn delete_expired(batch: &mut Batch, now: Moment) {
    batch.add(DELETE_EXPIRED.bind(now));
}
