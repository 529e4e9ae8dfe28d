//! Invite codes, how often each may still be used, and who used them.

use crate::atproto::{Moment, syntax::Did};

use super::{
    Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
};

/// An invite code as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Invite {
    /// The code.
    pub code: String,
    /// How many accounts it lets in altogether.
    pub uses_max: i64,
    /// How many it still lets in.
    pub uses_left: i64,
    /// The DID it was made for, or `admin`.
    pub for_account: String,
    /// The DID that made it, or `admin`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it was disabled.
    pub disabled_at: Option<Moment>,
}

/// A use of an invite code.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteUse {
    /// The code.
    pub code: String,
    /// The account that came in by it.
    pub used_by: Did,
    /// When.
    pub used_at: Moment,
}

static INSERT: Sql = Sql::new(
    "INSERT INTO invite_codes
        (code, uses_max, uses_left, for_account, created_by, created_at, disabled_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT DO NOTHING",
);

/// Adds a code, or fails with [`Unmet::Exists`].
pub fn insert(batch: &mut Batch, new: &Invite) {
    let statement = INSERT
        .bind(&new.code)
        .bind(new.uses_max)
        .bind(new.uses_left)
        .bind(&new.for_account)
        .bind(&new.created_by)
        .bind(new.created_at)
        .bind(new.disabled_at);
    batch.add_one(statement, Unmet::Exists);
}

static LIST_CREATED: Sql =
    Sql::new("SELECT code FROM invite_codes WHERE created_by = $1 AND for_account = $1");

/// Expects that an account has made exactly `count` codes for itself, or fails
/// with [`Unmet::Missing`].
pub fn expect_created(batch: &mut Batch, did: &Did, count: u64) {
    batch.add_exactly(count, LIST_CREATED.bind(did), Unmet::Missing);
}

static FIND: Sql = Sql::new(
    "SELECT code, uses_max, uses_left, for_account, created_by, created_at, disabled_at
     FROM invite_codes WHERE code = $1",
);

fn invite(row: &Row<'_>) -> Result<Invite, BadColumn> {
    Ok(Invite {
        code: row.at(0)?,
        uses_max: row.at(1)?,
        uses_left: row.at(2)?,
        for_account: row.at(3)?,
        created_by: row.at(4)?,
        created_at: row.at(5)?,
        disabled_at: row.at(6)?,
    })
}

/// Finds a code.
pub async fn find(db: &Db, code: &str) -> Result<Option<Invite>, StoreError> {
    db.row(FIND.bind(code), invite).await
}

static CONSUME: Sql = Sql::new(
    "UPDATE invite_codes SET uses_left = uses_left - 1
     WHERE code = $1 AND uses_left > 0 AND disabled_at IS NULL",
);
static INSERT_USE: Sql = Sql::new(
    "INSERT INTO invite_code_uses (code, used_by, used_at) VALUES ($1, $2, $3)
     ON CONFLICT DO NOTHING",
);

/// Uses a code once for the account `did`, or fails with
/// [`Unmet::InviteUnavailable`].
pub fn consume(batch: &mut Batch, code: &str, did: &Did, at: Moment) {
    batch.add_one(CONSUME.bind(code), Unmet::InviteUnavailable);
    let statement = INSERT_USE.bind(code).bind(did).bind(at);
    batch.add_one(statement, Unmet::InviteUnavailable);
}

static LIST_FOR_ACCOUNT: Sql = Sql::new(
    "SELECT code, uses_max, uses_left, for_account, created_by, created_at, disabled_at
     FROM invite_codes WHERE for_account = $1 ORDER BY created_at, code",
);

/// Lists the codes that were made for an account, the oldest first.
pub async fn list_for_account(db: &Db, did: &Did) -> Result<Vec<Invite>, StoreError> {
    db.rows(LIST_FOR_ACCOUNT.bind(did), invite).await
}

static LIST_USES: Sql = Sql::new(
    "SELECT code, used_by, used_at FROM invite_code_uses WHERE code = $1
     ORDER BY used_at, used_by",
);

/// Lists the uses of a code, the oldest first.
pub async fn list_uses(db: &Db, code: &str) -> Result<Vec<InviteUse>, StoreError> {
    let invite_use = |row: &Row<'_>| {
        Ok(InviteUse { code: row.at(0)?, used_by: row.at(1)?, used_at: row.at(2)? })
    };
    db.rows(LIST_USES.bind(code), invite_use).await
}

static DISABLE: Sql =
    Sql::new("UPDATE invite_codes SET disabled_at = $2 WHERE code = $1 AND disabled_at IS NULL");

/// Disables a code; doing it twice changes nothing.
pub fn disable(batch: &mut Batch, code: &str, at: Moment) {
    batch.add(DISABLE.bind(code).bind(at));
}

/// Where a page of all codes begins: after this code, and its place in the
/// order.
#[derive(Clone, Debug)]
pub enum After {
    /// The newest first; after the code made at this moment.
    Recent(String, String),
    /// The most used first; after the code used this often.
    Usage(i64, String),
}

static LIST_RECENT: Sql = Sql::new(
    "SELECT code, uses_max, uses_left, for_account, created_by, created_at, disabled_at
     FROM invite_codes WHERE created_at < $1 OR (created_at = $1 AND code > $2)
     ORDER BY created_at DESC, code LIMIT $3",
);
static LIST_USAGE: Sql = Sql::new(
    "SELECT code, uses_max, uses_left, for_account, created_by, created_at, disabled_at
     FROM invite_codes
     WHERE uses_max - uses_left < $1 OR (uses_max - uses_left = $1 AND code > $2)
     ORDER BY uses_max - uses_left DESC, code LIMIT $3",
);

/// Lists a page of all codes.
pub async fn list(db: &Db, after: &After, limit: u32) -> Result<Vec<Invite>, StoreError> {
    let statement = match after {
        After::Recent(at, code) => LIST_RECENT.bind(at).bind(code).bind(limit),
        After::Usage(uses, code) => LIST_USAGE.bind(*uses).bind(code).bind(limit),
    };
    db.rows(statement, invite).await
}

static DISABLE_FOR: Sql = Sql::new(
    "UPDATE invite_codes SET disabled_at = $2 WHERE for_account = $1 AND disabled_at IS NULL",
);

/// Disables all codes that were made for an account.
pub fn disable_for(batch: &mut Batch, account: &str, at: Moment) {
    batch.add(DISABLE_FOR.bind(account).bind(at));
}

static BAN: Sql = Sql::new(
    "INSERT INTO invite_bans (account_id, banned_at, note)
     SELECT id, $2, $3 FROM accounts WHERE did = $1
     ON CONFLICT (account_id) DO UPDATE SET note = excluded.note",
);
static UNBAN: Sql =
    Sql::new("DELETE FROM invite_bans WHERE account_id = (SELECT id FROM accounts WHERE did = $1)");

/// Lets an account get no further codes, or fails with
/// [`Unmet::AccountMissing`].
pub fn ban(batch: &mut Batch, did: &Did, at: Moment, note: Option<&str>) {
    batch.add_one(BAN.bind(did).bind(at).bind(note), Unmet::AccountMissing);
}

/// Lets an account get codes again.
pub fn unban(batch: &mut Batch, did: &Did) {
    batch.add(UNBAN.bind(did));
}

/// That an account gets no further codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    /// Why, in the operator's words.
    pub note: Option<String>,
}

static FIND_BAN: Sql = Sql::new("SELECT note FROM invite_bans WHERE account_id = $1");

/// Says whether an account gets no further codes.
pub async fn find_ban(db: &Db, account: super::AccountId) -> Result<Option<Ban>, StoreError> {
    db.row(FIND_BAN.bind(account), |row| Ok(Ban { note: row.at(0)? })).await
}
