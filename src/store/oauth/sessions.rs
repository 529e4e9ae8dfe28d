//! Sessions of apps: what an app may do for an account, until somebody ends it.
//!
//! A session has one refresh token that is good; those that were used are
//! remembered as long as it lives, so that one that is shown again is known.

use crate::atproto::Moment;
use crate::store::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
    vault::DIGEST_BYTES,
};

/// A session of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its name, which its access tokens carry.
    pub id: String,
    /// For whom the app acts.
    pub account: AccountId,
    /// The app.
    pub client_id: String,
    /// The key with which the app proves who it is, if it can.
    pub client_key: Option<String>,
    /// The key with which it proves that its tokens are its own.
    pub dpop_key: String,
    /// What was agreed to.
    pub scope: String,
    /// What that means in full.
    pub permissions: String,
    /// Until when its refresh token is good.
    pub refresh_until: Moment,
    /// When it began.
    pub created_at: Moment,
    /// When it was last used, to a quarter of an hour.
    pub used_at: Moment,
    /// When it ends at the latest.
    pub expires_at: Moment,
}

/// What proves something about a session, as digests.
#[derive(Clone, Copy, Debug)]
pub struct Proofs<'p> {
    /// Of the code with which it began.
    pub code: &'p [u8; DIGEST_BYTES],
    /// Of its refresh token, if it has one.
    pub refresh: Option<&'p [u8; DIGEST_BYTES]>,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO oauth_sessions
        (id, account_id, client_id, client_key, dpop_key, scope, permissions, code_digest,
         refresh_digest, refresh_until, created_at, used_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT DO NOTHING",
);

/// Adds a session, or fails with [`Unmet::Exists`] where its code began one
/// already.
pub fn insert(batch: &mut Batch, new: &Session, proofs: &Proofs<'_>) {
    let statement = INSERT
        .bind(&new.id)
        .bind(new.account)
        .bind(&new.client_id)
        .bind(new.client_key.as_deref())
        .bind(&new.dpop_key)
        .bind(&new.scope)
        .bind(&new.permissions)
        .bind(proofs.code.as_slice())
        .bind(proofs.refresh.map(|digest| digest.as_slice()))
        .bind(new.refresh_until)
        .bind(new.created_at)
        .bind(new.used_at)
        .bind(new.expires_at);
    batch.add_one(statement, Unmet::Exists);
}

static FIND: Sql = Sql::new(
    "SELECT id, account_id, client_id, client_key, dpop_key, scope, permissions,
        refresh_until, created_at, used_at, expires_at
     FROM oauth_sessions WHERE id = $1",
);

fn session(row: &Row<'_>) -> Result<Session, BadColumn> {
    Ok(Session {
        id: row.at(0)?,
        account: row.at(1)?,
        client_id: row.at(2)?,
        client_key: row.at(3)?,
        dpop_key: row.at(4)?,
        scope: row.at(5)?,
        permissions: row.at(6)?,
        refresh_until: row.at(7)?,
        created_at: row.at(8)?,
        used_at: row.at(9)?,
        expires_at: row.at(10)?,
    })
}

/// Finds a session by its name.
pub async fn find(db: &Db, id: &str) -> Result<Option<Session>, StoreError> {
    db.row(FIND.bind(id), session).await
}

static FIND_BY_REFRESH: Sql = Sql::new(
    "SELECT id, account_id, client_id, client_key, dpop_key, scope, permissions,
        refresh_until, created_at, used_at, expires_at
     FROM oauth_sessions WHERE refresh_digest = $1",
);

/// Finds the session whose refresh token this is.
pub async fn find_by_refresh(
    db: &Db,
    digest: &[u8; DIGEST_BYTES],
) -> Result<Option<Session>, StoreError> {
    db.row(FIND_BY_REFRESH.bind(digest.as_slice()), session).await
}

static LIST_OF_ACCOUNT: Sql = Sql::new(
    "SELECT id, account_id, client_id, client_key, dpop_key, scope, permissions,
        refresh_until, created_at, used_at, expires_at
     FROM oauth_sessions WHERE account_id = $1 ORDER BY used_at DESC, id",
);

/// Lists the sessions that act for an account, the last used first.
pub async fn list_of_account(db: &Db, account: AccountId) -> Result<Vec<Session>, StoreError> {
    db.rows(LIST_OF_ACCOUNT.bind(account), session).await
}

/// How a session goes on.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'r> {
    /// The session.
    pub id: &'r str,
    /// Of the refresh token that was shown.
    pub spent: &'r [u8; DIGEST_BYTES],
    /// Of the one that takes its place.
    pub fresh: &'r [u8; DIGEST_BYTES],
    /// What was agreed to means this now.
    pub permissions: &'r str,
    /// Until when the new token is good.
    pub refresh_until: Moment,
    /// Now.
    pub at: Moment,
}

static ROTATE: Sql = Sql::new(
    "UPDATE oauth_sessions
     SET refresh_digest = $3, permissions = $4, refresh_until = $5, used_at = $6
     WHERE id = $1 AND refresh_digest = $2",
);

static SPEND: Sql = Sql::new("INSERT INTO oauth_spent_tokens (digest, session_id) VALUES ($1, $2)");

/// Puts a new refresh token in the place of the one that was shown, or fails
/// with [`Unmet::SessionMoved`].
pub fn rotate(batch: &mut Batch, rotation: &Rotation<'_>) {
    let moved = ROTATE
        .bind(rotation.id)
        .bind(rotation.spent.as_slice())
        .bind(rotation.fresh.as_slice())
        .bind(rotation.permissions)
        .bind(rotation.refresh_until)
        .bind(rotation.at);
    batch.add_one(moved, Unmet::SessionMoved);
    batch.add(SPEND.bind(rotation.spent.as_slice()).bind(rotation.id));
}

static TOUCH: Sql = Sql::new("UPDATE oauth_sessions SET used_at = $2 WHERE id = $1");

/// Notes that a session is in use.
pub fn touch(batch: &mut Batch, id: &str, at: Moment) {
    batch.add(TOUCH.bind(id).bind(at));
}

static DELETE: Sql = Sql::new("DELETE FROM oauth_sessions WHERE id = $1");

/// Ends a session.
pub fn delete(batch: &mut Batch, id: &str) {
    batch.add(DELETE.bind(id));
}

static DELETE_BY_CODE: Sql = Sql::new("DELETE FROM oauth_sessions WHERE code_digest = $1");

/// Ends the session that began with a code.
pub fn delete_by_code(batch: &mut Batch, digest: &[u8; DIGEST_BYTES]) {
    batch.add(DELETE_BY_CODE.bind(digest.as_slice()));
}

static DELETE_BY_TOKEN: Sql = Sql::new(
    "DELETE FROM oauth_sessions
     WHERE refresh_digest = $1
        OR id IN (SELECT session_id FROM oauth_spent_tokens WHERE digest = $1)",
);

/// Ends the session whose refresh token this is or was.
pub fn delete_by_token(batch: &mut Batch, digest: &[u8; DIGEST_BYTES]) {
    batch.add(DELETE_BY_TOKEN.bind(digest.as_slice()));
}

static DELETE_OF_CLIENT: Sql =
    Sql::new("DELETE FROM oauth_sessions WHERE account_id = $1 AND client_id = $2");

/// Ends all sessions of an app for an account.
pub fn delete_of_client(batch: &mut Batch, account: AccountId, client_id: &str) {
    batch.add(DELETE_OF_CLIENT.bind(account).bind(client_id));
}

static DELETE_OF_ACCOUNT: Sql = Sql::new("DELETE FROM oauth_sessions WHERE account_id = $1");

/// Ends all sessions that act for an account.
pub fn delete_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_OF_ACCOUNT.bind(account));
}

static DELETE_EXPIRED: Sql =
    Sql::new("DELETE FROM oauth_sessions WHERE refresh_until < $1 OR expires_at < $1");

/// Forgets sessions that cannot go on.
pub fn delete_expired(batch: &mut Batch, now: Moment) {
    batch.add(DELETE_EXPIRED.bind(now));
}
