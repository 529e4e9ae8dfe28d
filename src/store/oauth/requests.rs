//! What an app has asked for, from its request to the redeeming of its code.

use crate::atproto::Moment;
use crate::store::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
    vault::DIGEST_BYTES,
};

/// A request of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The random part of its `request_uri`.
    pub id: String,
    /// Who asks.
    pub client_id: String,
    /// The key with which the app proved who it is, if it can.
    pub client_key: Option<String>,
    /// The key that the tokens are for, if it is known yet.
    pub dpop_key: Option<String>,
    /// What is asked, as JSON text.
    pub parameters: String,
    /// The browser in which it was opened.
    pub device: Option<String>,
    /// Who agreed.
    pub account: Option<AccountId>,
    /// To what.
    pub scope: Option<String>,
    /// When it was made.
    pub created_at: Moment,
    /// When it stops being good.
    pub expires_at: Moment,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO oauth_requests
        (id, client_id, client_key, dpop_key, parameters, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);

/// Adds a request that nobody has opened.
pub fn insert(batch: &mut Batch, new: &Request) {
    let statement = INSERT
        .bind(&new.id)
        .bind(&new.client_id)
        .bind(new.client_key.as_deref())
        .bind(new.dpop_key.as_deref())
        .bind(&new.parameters)
        .bind(new.created_at)
        .bind(new.expires_at);
    batch.add_one(statement, Unmet::Exists);
}

static FIND: Sql = Sql::new(
    "SELECT id, client_id, client_key, dpop_key, parameters, device_id, account_id, scope,
        created_at, expires_at
     FROM oauth_requests WHERE id = $1 AND code_digest IS NULL",
);

fn request(row: &Row<'_>) -> Result<Request, BadColumn> {
    Ok(Request {
        id: row.at(0)?,
        client_id: row.at(1)?,
        client_key: row.at(2)?,
        dpop_key: row.at(3)?,
        parameters: row.at(4)?,
        device: row.at(5)?,
        account: row.at(6)?,
        scope: row.at(7)?,
        created_at: row.at(8)?,
        expires_at: row.at(9)?,
    })
}

/// Finds a request that nobody has agreed to yet.
pub async fn find(db: &Db, id: &str) -> Result<Option<Request>, StoreError> {
    db.row(FIND.bind(id), request).await
}

static FIND_BY_CODE: Sql = Sql::new(
    "SELECT id, client_id, client_key, dpop_key, parameters, device_id, account_id, scope,
        created_at, expires_at
     FROM oauth_requests WHERE code_digest = $1",
);

/// Finds the request whose code this is.
pub async fn find_by_code(
    db: &Db,
    digest: &[u8; DIGEST_BYTES],
) -> Result<Option<Request>, StoreError> {
    db.row(FIND_BY_CODE.bind(digest.as_slice()), request).await
}

static OPEN: Sql = Sql::new(
    "UPDATE oauth_requests SET device_id = $2, expires_at = $3
     WHERE id = $1 AND code_digest IS NULL AND (device_id IS NULL OR device_id = $2)",
);

/// Binds a request to the browser in which it was opened, and lets it live on.
///
/// Fails with [`Unmet::RequestMoved`] where another browser has opened it.
pub fn open(batch: &mut Batch, id: &str, device: &str, expires_at: Moment) {
    batch.add_one(OPEN.bind(id).bind(device).bind(expires_at), Unmet::RequestMoved);
}

/// What somebody agreed to.
#[derive(Clone, Copy, Debug)]
pub struct Agreed<'a> {
    /// The request.
    pub id: &'a str,
    /// The browser in which it is open.
    pub device: &'a str,
    /// Who agrees.
    pub account: AccountId,
    /// To what.
    pub scope: &'a str,
    /// What stands for the code.
    pub code_digest: &'a [u8; DIGEST_BYTES],
    /// When the code stops being good.
    pub expires_at: Moment,
}

static AGREE: Sql = Sql::new(
    "UPDATE oauth_requests SET account_id = $3, scope = $4, code_digest = $5, expires_at = $6
     WHERE id = $1 AND device_id = $2 AND code_digest IS NULL",
);

/// Gives a request its code, or fails with [`Unmet::RequestMoved`].
pub fn agree(batch: &mut Batch, agreed: &Agreed<'_>) {
    let statement = AGREE
        .bind(agreed.id)
        .bind(agreed.device)
        .bind(agreed.account)
        .bind(agreed.scope)
        .bind(agreed.code_digest.as_slice())
        .bind(agreed.expires_at);
    batch.add_one(statement, Unmet::RequestMoved);
}

static DELETE: Sql = Sql::new("DELETE FROM oauth_requests WHERE id = $1");

/// Ends a request that was refused.
pub fn delete(batch: &mut Batch, id: &str) {
    batch.add(DELETE.bind(id));
}

static CONSUME: Sql = Sql::new("DELETE FROM oauth_requests WHERE code_digest = $1");

/// Uses a code up, or fails with [`Unmet::RequestMoved`].
pub fn consume(batch: &mut Batch, code_digest: &[u8; DIGEST_BYTES]) {
    batch.add_one(CONSUME.bind(code_digest.as_slice()), Unmet::RequestMoved);
}

static DELETE_OF_ACCOUNT: Sql = Sql::new("DELETE FROM oauth_requests WHERE account_id = $1");

/// Ends the codes that an account has agreed to and nobody has redeemed.
pub fn delete_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_OF_ACCOUNT.bind(account));
}

static DELETE_EXPIRED: Sql = Sql::new("DELETE FROM oauth_requests WHERE expires_at < $1");

/// Forgets requests that nobody may open or redeem any more.
pub fn delete_expired(batch: &mut Batch, now: Moment) {
    batch.add(DELETE_EXPIRED.bind(now));
}
