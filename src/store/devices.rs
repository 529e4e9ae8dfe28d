//! Devices: the browsers in which people sign in, and who is signed in there.
//!
//! A browser is known by a cookie, of which only a digest is kept.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
    vault::DIGEST_BYTES,
};

/// A browser.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its name, which is no secret.
    pub id: String,
    /// What it calls itself.
    pub user_agent: String,
    /// The address from which it was last seen.
    pub address: String,
    /// When it was first seen.
    pub created_at: Moment,
    /// When it was last seen, to a quarter of an hour.
    pub seen_at: Moment,
}

/// Somebody who is signed in in a browser.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// The browser.
    pub device: String,
    /// Who it is.
    pub account: AccountId,
    /// When they proved it last.
    pub signed_in_at: Moment,
    /// From when on they have to prove it again.
    pub fresh_until: Moment,
    /// When they asked to be kept in mind here.
    pub kept_at: Option<Moment>,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO devices (id, cookie_digest, user_agent, address, created_at, seen_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);

/// Adds a browser.
pub fn insert(batch: &mut Batch, new: &Device, cookie: &[u8; DIGEST_BYTES]) {
    let statement = INSERT
        .bind(&new.id)
        .bind(cookie.as_slice())
        .bind(&new.user_agent)
        .bind(&new.address)
        .bind(new.created_at)
        .bind(new.seen_at);
    batch.add_one(statement, Unmet::Exists);
}

static FIND: Sql = Sql::new(
    "SELECT id, user_agent, address, created_at, seen_at
     FROM devices WHERE cookie_digest = $1",
);

fn device(row: &Row<'_>) -> Result<Device, BadColumn> {
    Ok(Device {
        id: row.at(0)?,
        user_agent: row.at(1)?,
        address: row.at(2)?,
        created_at: row.at(3)?,
        seen_at: row.at(4)?,
    })
}

/// Finds a browser by its cookie.
pub async fn find(db: &Db, cookie: &[u8; DIGEST_BYTES]) -> Result<Option<Device>, StoreError> {
    db.row(FIND.bind(cookie.as_slice()), device).await
}

static SEE: Sql =
    Sql::new("UPDATE devices SET user_agent = $2, address = $3, seen_at = $4 WHERE id = $1");

/// Notes where and when a browser was seen.
pub fn see(batch: &mut Batch, seen: &Device) {
    let statement =
        SEE.bind(&seen.id).bind(&seen.user_agent).bind(&seen.address).bind(seen.seen_at);
    batch.add(statement);
}

static RENAME: Sql = Sql::new("UPDATE devices SET cookie_digest = $2 WHERE id = $1");

/// Gives a browser another cookie; the old one is worth nothing then.
pub fn replace_cookie(batch: &mut Batch, id: &str, cookie: &[u8; DIGEST_BYTES]) {
    batch.add_one(RENAME.bind(id).bind(cookie.as_slice()), Unmet::Missing);
}

static SIGN_IN: Sql = Sql::new(
    "INSERT INTO sign_ins (device_id, account_id, signed_in_at, fresh_until, kept_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (device_id, account_id) DO UPDATE
     SET signed_in_at = excluded.signed_in_at, fresh_until = excluded.fresh_until,
        kept_at = excluded.kept_at",
);

/// Signs somebody in.
pub fn sign_in(batch: &mut Batch, new: &SignIn) {
    let statement = SIGN_IN
        .bind(&new.device)
        .bind(new.account)
        .bind(new.signed_in_at)
        .bind(new.fresh_until)
        .bind(new.kept_at);
    batch.add(statement);
}

static SIGN_INS: Sql = Sql::new(
    "SELECT device_id, account_id, signed_in_at, fresh_until, kept_at
     FROM sign_ins WHERE device_id = $1 ORDER BY signed_in_at DESC, account_id",
);

fn signed_in(row: &Row<'_>) -> Result<SignIn, BadColumn> {
    Ok(SignIn {
        device: row.at(0)?,
        account: row.at(1)?,
        signed_in_at: row.at(2)?,
        fresh_until: row.at(3)?,
        kept_at: row.at(4)?,
    })
}

/// Lists who is signed in in a browser, the last first.
pub async fn sign_ins(db: &Db, device: &str) -> Result<Vec<SignIn>, StoreError> {
    db.rows(SIGN_INS.bind(device), signed_in).await
}

static OF_ACCOUNT: Sql = Sql::new(
    "SELECT d.id, d.user_agent, d.address, d.created_at, d.seen_at,
        s.account_id, s.signed_in_at, s.fresh_until, s.kept_at
     FROM sign_ins s JOIN devices d ON d.id = s.device_id
     WHERE s.account_id = $1 ORDER BY d.seen_at DESC, d.id",
);

fn both(row: &Row<'_>) -> Result<(Device, SignIn), BadColumn> {
    let device = device(row)?;
    let sign_in = SignIn {
        device: device.id.clone(),
        account: row.at(5)?,
        signed_in_at: row.at(6)?,
        fresh_until: row.at(7)?,
        kept_at: row.at(8)?,
    };
    Ok((device, sign_in))
}

/// Lists the browsers in which an account is signed in, the last seen first.
pub async fn of_account(db: &Db, account: AccountId) -> Result<Vec<(Device, SignIn)>, StoreError> {
    db.rows(OF_ACCOUNT.bind(account), both).await
}

static SIGN_OUT: Sql = Sql::new("DELETE FROM sign_ins WHERE device_id = $1 AND account_id = $2");

/// Signs somebody out of a browser.
pub fn sign_out(batch: &mut Batch, device: &str, account: AccountId) {
    batch.add(SIGN_OUT.bind(device).bind(account));
}

static SIGN_OUT_EVERYWHERE: Sql = Sql::new("DELETE FROM sign_ins WHERE account_id = $1");

/// Signs somebody out of every browser.
pub fn sign_out_everywhere(batch: &mut Batch, account: AccountId) {
    batch.add(SIGN_OUT_EVERYWHERE.bind(account));
}

static DELETE_UNUSED: Sql = Sql::new(
    "DELETE FROM devices WHERE seen_at < $1
        OR (seen_at < $2 AND NOT EXISTS (SELECT 1 FROM sign_ins WHERE device_id = devices.id))",
);

/// Forgets browsers that were not seen since `unseen`, and those not seen since
/// `empty` in which nobody is signed in.
pub fn delete_unused(batch: &mut Batch, unseen: Moment, empty: Moment) {
    batch.add(DELETE_UNUSED.bind(unseen).bind(empty));
}
