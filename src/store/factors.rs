//! Second factors: what somebody shows beside the password.
//!
//! The secret of an authenticator app is sealed; recovery codes are known by
//! their digests.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
    vault::DIGEST_BYTES,
};

/// Which factors an account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// Since when it has an authenticator app.
    pub totp_since: Option<Moment>,
    /// Since when codes are mailed to it.
    pub email_since: Option<Moment>,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
}

/// The secret of an authenticator app.
#[derive(Clone, Debug, PartialEq)]
pub struct TotpSecret {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// When a code of it was shown for the first time.
    pub confirmed_at: Option<Moment>,
    /// The last interval whose code was used.
    pub last_step: i64,
}

/// Somebody who has shown the password, and has yet to show a second factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// The browser.
    pub device: String,
    /// Who.
    pub account: AccountId,
    /// Now, if they want to be kept in mind.
    pub kept_at: Option<Moment>,
    /// When they have to begin again.
    pub expires_at: Moment,
}

static ENROLLED: Sql = Sql::new(
    "SELECT (SELECT confirmed_at FROM totp_secrets WHERE account_id = $1),
        (SELECT since FROM email_factors WHERE account_id = $1),
        (SELECT count(*) FROM recovery_codes WHERE account_id = $1)",
);

fn enrolled_of(row: &Row<'_>) -> Result<Enrolled, BadColumn> {
    Ok(Enrolled { totp_since: row.at(0)?, email_since: row.at(1)?, recovery_codes: row.at(2)? })
}

/// Says which factors an account has.
pub async fn enrolled(db: &Db, account: AccountId) -> Result<Enrolled, StoreError> {
    Ok(db.row(ENROLLED.bind(account), enrolled_of).await?.unwrap_or_default())
}

static FIND_TOTP: Sql =
    Sql::new("SELECT sealed, confirmed_at, last_step FROM totp_secrets WHERE account_id = $1");

fn totp(row: &Row<'_>) -> Result<TotpSecret, BadColumn> {
    Ok(TotpSecret { sealed: row.at(0)?, confirmed_at: row.at(1)?, last_step: row.at(2)? })
}

/// Finds the secret of an account's authenticator app, tried or not.
pub async fn find_totp(db: &Db, account: AccountId) -> Result<Option<TotpSecret>, StoreError> {
    db.row(FIND_TOTP.bind(account), totp).await
}

static PUT_TOTP: Sql = Sql::new(
    "INSERT INTO totp_secrets (account_id, sealed, last_step, created_at) VALUES ($1, $2, 0, $3)
     ON CONFLICT (account_id) DO UPDATE
     SET sealed = excluded.sealed, created_at = excluded.created_at
     WHERE totp_secrets.confirmed_at IS NULL",
);

/// Keeps a secret that is shown for the first time, in the place of one that was
/// never tried; or fails with [`Unmet::Exists`].
pub fn put_totp(batch: &mut Batch, account: AccountId, sealed: &[u8], at: Moment) {
    batch.add_one(PUT_TOTP.bind(account).bind(sealed).bind(at), Unmet::Exists);
}

static USE_TOTP: Sql = Sql::new(
    "UPDATE totp_secrets SET last_step = $2, confirmed_at = COALESCE(confirmed_at, $3)
     WHERE account_id = $1 AND last_step < $2",
);

/// Uses the code of an interval up, or fails with [`Unmet::FactorUsed`].
pub fn use_totp(batch: &mut Batch, account: AccountId, step: i64, at: Moment) {
    batch.add_one(USE_TOTP.bind(account).bind(step).bind(at), Unmet::FactorUsed);
}

static DELETE_TOTP: Sql = Sql::new("DELETE FROM totp_secrets WHERE account_id = $1");

/// Forgets an account's authenticator app.
pub fn delete_totp(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_TOTP.bind(account));
}

static SET_EMAIL: Sql = Sql::new(
    "INSERT INTO email_factors (account_id, since) VALUES ($1, $2) ON CONFLICT DO NOTHING",
);

/// Has codes mailed at each sign-in.
pub fn set_email(batch: &mut Batch, account: AccountId, at: Moment) {
    batch.add(SET_EMAIL.bind(account).bind(at));
}

static DELETE_EMAIL: Sql = Sql::new("DELETE FROM email_factors WHERE account_id = $1");

/// Has no codes mailed any more.
pub fn delete_email(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_EMAIL.bind(account));
}

static INSERT_RECOVERY: Sql =
    Sql::new("INSERT INTO recovery_codes (account_id, digest, created_at) VALUES ($1, $2, $3)");

/// Adds a recovery code.
pub fn insert_recovery(
    batch: &mut Batch,
    account: AccountId,
    digest: &[u8; DIGEST_BYTES],
    at: Moment,
) {
    batch.add(INSERT_RECOVERY.bind(account).bind(digest.as_slice()).bind(at));
}

static USE_RECOVERY: Sql =
    Sql::new("DELETE FROM recovery_codes WHERE account_id = $1 AND digest = $2");

/// Uses a recovery code up, or fails with [`Unmet::FactorUsed`].
pub fn use_recovery(batch: &mut Batch, account: AccountId, digest: &[u8; DIGEST_BYTES]) {
    batch.add_one(USE_RECOVERY.bind(account).bind(digest.as_slice()), Unmet::FactorUsed);
}

static DELETE_RECOVERY: Sql = Sql::new("DELETE FROM recovery_codes WHERE account_id = $1");

/// Forgets all recovery codes of an account.
pub fn delete_recovery(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_RECOVERY.bind(account));
}

static TRUST: Sql = Sql::new(
    "INSERT INTO trusted_devices (device_id, account_id, trusted_until) VALUES ($1, $2, $3)
     ON CONFLICT (device_id, account_id) DO UPDATE SET trusted_until = excluded.trusted_until",
);

/// Has a browser not asked for the second factor until then.
pub fn trust(batch: &mut Batch, device: &str, account: AccountId, until: Moment) {
    batch.add(TRUST.bind(device).bind(account).bind(until));
}

static IS_TRUSTED: Sql = Sql::new(
    "SELECT trusted_until FROM trusted_devices
     WHERE device_id = $1 AND account_id = $2 AND trusted_until > $3",
);

/// Says whether a browser is not asked for the second factor.
pub async fn is_trusted(
    db: &Db,
    device: &str,
    account: AccountId,
    now: Moment,
) -> Result<bool, StoreError> {
    let statement = IS_TRUSTED.bind(device).bind(account).bind(now);
    let found: Option<Moment> = db.row(statement, |row| row.at(0)).await?;
    Ok(found.is_some())
}

static DELETE_TRUSTS: Sql = Sql::new("DELETE FROM trusted_devices WHERE account_id = $1");

/// Has every browser asked again.
pub fn delete_trusts(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_TRUSTS.bind(account));
}

static PUT_BEGUN: Sql = Sql::new(
    "INSERT INTO begun_sign_ins (device_id, account_id, kept_at, expires_at)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (device_id) DO UPDATE
     SET account_id = excluded.account_id, kept_at = excluded.kept_at,
        expires_at = excluded.expires_at",
);

/// Notes that somebody has shown the password in a browser.
pub fn put_begun(batch: &mut Batch, begun: &Begun) {
    let statement = PUT_BEGUN
        .bind(&begun.device)
        .bind(begun.account)
        .bind(begun.kept_at)
        .bind(begun.expires_at);
    batch.add(statement);
}

static FIND_BEGUN: Sql = Sql::new(
    "SELECT device_id, account_id, kept_at, expires_at FROM begun_sign_ins WHERE device_id = $1",
);

fn begun(row: &Row<'_>) -> Result<Begun, BadColumn> {
    Ok(Begun {
        device: row.at(0)?,
        account: row.at(1)?,
        kept_at: row.at(2)?,
        expires_at: row.at(3)?,
    })
}

/// Finds who has shown the password in a browser.
pub async fn find_begun(db: &Db, device: &str) -> Result<Option<Begun>, StoreError> {
    db.row(FIND_BEGUN.bind(device), begun).await
}

static DELETE_BEGUN: Sql = Sql::new("DELETE FROM begun_sign_ins WHERE device_id = $1");

/// Forgets that somebody has shown the password in a browser.
pub fn delete_begun(batch: &mut Batch, device: &str) {
    batch.add(DELETE_BEGUN.bind(device));
}

static DELETE_BEGUN_OF_ACCOUNT: Sql = Sql::new("DELETE FROM begun_sign_ins WHERE account_id = $1");

/// Forgets every sign-in to an account that was begun.
pub fn delete_begun_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_BEGUN_OF_ACCOUNT.bind(account));
}

static DELETE_BEGUN_EXPIRED: Sql = Sql::new("DELETE FROM begun_sign_ins WHERE expires_at < $1");
static DELETE_TRUSTS_EXPIRED: Sql =
    Sql::new("DELETE FROM trusted_devices WHERE trusted_until < $1");

/// Forgets what is over.
pub fn delete_expired(batch: &mut Batch, now: Moment) {
    batch.add(DELETE_BEGUN_EXPIRED.bind(now));
    batch.add(DELETE_TRUSTS_EXPIRED.bind(now));
}
