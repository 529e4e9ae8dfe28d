//! Accounts: who lives here, and in which state.
//!
//! The DID is an account's outer name; every other table refers to it by its
//! [`AccountId`], which is never used twice. E-mail addresses and handles are
//! stored in lower case.

use crate::atproto::{
    Moment,
    syntax::{Did, Handle},
};

use super::{
    Batch, Db, Snapshot, StoreError,
    batch::Unmet,
    emails,
    engine::{BadColumn, Row, Sql},
};

/// The inner key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The inner key.
    pub id: AccountId,
    /// The outer name.
    pub did: Did,
    /// The handle, in lower case.
    pub handle: Handle,
    /// The e-mail address, in lower case.
    pub email: String,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<Moment>,
    /// The hash of the password, in PHC form or the official server's.
    pub password_hash: String,
    /// When the account was created here.
    pub created_at: Moment,
    /// When its owner deactivated it.
    pub deactivated_at: Option<Moment>,
    /// When its owner wants it deleted.
    pub delete_after: Option<Moment>,
    /// When it was taken down.
    pub taken_down_at: Option<Moment>,
    /// The moderator's reference of the takedown.
    pub takedown_ref: Option<String>,
    /// When it was suspended.
    pub suspended_at: Option<Moment>,
}

/// The state of an account that decides what is served; where several apply,
/// the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Switched off by its owner.
    Deactivated,
    /// Switched off for a time by the operator.
    Suspended,
    /// Taken down by the operator.
    TakenDown,
}

impl Account {
    /// Returns the strongest state that applies.
    // spec: account#hosting-status
    pub fn status(&self) -> Status {
        if self.taken_down_at.is_some() {
            Status::TakenDown
        } else if self.suspended_at.is_some() {
            Status::Suspended
        } else if self.deactivated_at.is_some() {
            Status::Deactivated
        } else {
            Status::Active
        }
    }
}

/// What a new account starts with.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// From [`allocate_id`].
    pub id: AccountId,
    /// The outer name.
    pub did: Did,
    /// The handle, in lower case.
    pub handle: Handle,
    /// The e-mail address; stored in lower case.
    pub email: String,
    /// The hash of the password.
    pub password_hash: String,
    /// Now.
    pub created_at: Moment,
    /// Now, for an account that moves in and is not active yet.
    pub deactivated_at: Option<Moment>,
}

static ALLOCATE: Sql =
    Sql::new("UPDATE counters SET value = value + 1 WHERE name = 'account' RETURNING value");

/// Takes the next inner key, which nobody had before.
///
/// # Errors
/// [`StoreError`] of the engine.
pub async fn allocate_id(db: &Db) -> Result<AccountId, StoreError> {
    let id = db.write_row(ALLOCATE.statement(), |row| row.at(0)).await?;
    id.map(AccountId).ok_or_else(|| StoreError::Corrupt {
        table: "counters".to_owned(),
        key: "account".to_owned(),
        what: "the counter is gone".to_owned(),
    })
}

static INSERT: Sql = Sql::new(
    "INSERT INTO accounts
        (id, did, handle, email, password_hash, created_at, deactivated_at)
     SELECT $1, $2, $3, CASE WHEN EXISTS (SELECT 1 FROM accounts WHERE email >= $4 AND email < $9)
        THEN $8 ELSE $4 END, $5, $6, $7
     WHERE 1 = 1
     ON CONFLICT DO NOTHING",
);

/// Adds an account, or fails with [`Unmet::AccountTaken`] where its DID or its
/// handle is in use.
pub fn insert(batch: &mut Batch, new: &NewAccount) {
    let (email, end) = emails::claims(&new.email);
    let statement = INSERT
        .bind(new.id)
        .bind(&new.did)
        .bind(&new.handle)
        .bind(&email)
        .bind(&new.password_hash)
        .bind(new.created_at)
        .bind(new.deactivated_at)
        .bind(emails::claim(&email, &new.did))
        .bind(&end);
    batch.add_one(statement, Unmet::AccountTaken);
}

static FIND_BY_ID: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE id = $1",
);

static FIND_BY_DID: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE did = $1",
);

static FIND_BY_HANDLE: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE handle = $1",
);

pub(in crate::store) fn account(row: &Row<'_>) -> Result<Account, BadColumn> {
    Ok(Account {
        id: row.at(0)?,
        did: row.at(1)?,
        handle: row.at(2)?,
        email: emails::address(row.at(3)?),
        email_confirmed_at: row.at(4)?,
        password_hash: row.at(5)?,
        created_at: row.at(6)?,
        deactivated_at: row.at(7)?,
        delete_after: row.at(8)?,
        taken_down_at: row.at(9)?,
        takedown_ref: row.at(10)?,
        suspended_at: row.at(11)?,
    })
}

/// Finds an account by its inner key.
pub async fn find(db: &Db, id: AccountId) -> Result<Option<Account>, StoreError> {
    db.row(FIND_BY_ID.bind(id), account).await
}

/// Finds an account by its DID.
pub async fn find_by_did(db: &Db, did: &Did) -> Result<Option<Account>, StoreError> {
    db.row(FIND_BY_DID.bind(did), account).await
}

/// Finds an account by its handle, which must be in lower case.
pub async fn find_by_handle(db: &Db, handle: &Handle) -> Result<Option<Account>, StoreError> {
    db.row(FIND_BY_HANDLE.bind(handle), account).await
}

static LIST: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE id > $1 ORDER BY id LIMIT $2",
);

/// Lists accounts in the order of their keys, after `after`.
pub async fn list(db: &Db, after: AccountId, limit: u32) -> Result<Vec<Account>, StoreError> {
    db.rows(LIST.bind(after).bind(limit), account).await
}

/// Lists accounts as a snapshot sees them.
pub async fn list_in(
    snapshot: &Snapshot,
    after: AccountId,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    snapshot.rows(LIST.bind(after).bind(limit), account).await
}

static LIST_DELETE_DUE: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE delete_after <= $1 AND deactivated_at IS NOT NULL
     ORDER BY delete_after LIMIT $2",
);

/// Lists deactivated accounts whose `delete_after` has come.
pub async fn list_delete_due(db: &Db, now: Moment, limit: u32) -> Result<Vec<Account>, StoreError> {
    db.rows(LIST_DELETE_DUE.bind(now).bind(limit), account).await
}

static COUNT: Sql = Sql::new("SELECT count(*) FROM accounts");

/// Counts all accounts.
pub async fn count(db: &Db) -> Result<i64, StoreError> {
    let count = db.row(COUNT.statement(), |row| row.at(0)).await?;
    Ok(count.unwrap_or(0))
}

static HANDLE_IS_FREE: Sql = Sql::new("SELECT id FROM accounts WHERE handle = $1 AND id <> $2");
static UPDATE_HANDLE: Sql = Sql::new("UPDATE accounts SET handle = $2 WHERE id = $1");

/// Changes the handle, or fails with [`Unmet::HandleTaken`] or
/// [`Unmet::AccountMissing`].
pub fn update_handle(batch: &mut Batch, id: AccountId, handle: &Handle) {
    batch.add_exactly(0, HANDLE_IS_FREE.bind(handle).bind(id), Unmet::HandleTaken);
    batch.add_one(UPDATE_HANDLE.bind(id).bind(handle), Unmet::AccountMissing);
}

static UPDATE_PASSWORD: Sql = Sql::new("UPDATE accounts SET password_hash = $2 WHERE id = $1");

/// Changes the password's hash, or fails with [`Unmet::AccountMissing`].
pub fn update_password(batch: &mut Batch, id: AccountId, password_hash: &str) {
    batch.add_one(UPDATE_PASSWORD.bind(id).bind(password_hash), Unmet::AccountMissing);
}

static DEACTIVATE: Sql = Sql::new(
    "UPDATE accounts SET deactivated_at = COALESCE(deactivated_at, $2), delete_after = $3
     WHERE id = $1",
);

/// Switches the account off, and remembers when it is to be deleted.
pub fn deactivate(batch: &mut Batch, id: AccountId, at: Moment, delete_after: Option<Moment>) {
    let statement = DEACTIVATE.bind(id).bind(at).bind(delete_after);
    batch.add_one(statement, Unmet::AccountMissing);
}

static ACTIVATE: Sql =
    Sql::new("UPDATE accounts SET deactivated_at = NULL, delete_after = NULL WHERE id = $1");

/// Switches the account on again.
pub fn activate(batch: &mut Batch, id: AccountId) {
    batch.add_one(ACTIVATE.bind(id), Unmet::AccountMissing);
}

static TAKE_DOWN: Sql =
    Sql::new("UPDATE accounts SET taken_down_at = $2, takedown_ref = $3 WHERE id = $1");

/// Takes the account down, with the moderator's reference.
pub fn take_down(batch: &mut Batch, id: AccountId, at: Moment, reference: &str) {
    let statement = TAKE_DOWN.bind(id).bind(at).bind(reference);
    batch.add_one(statement, Unmet::AccountMissing);
}

static REINSTATE: Sql =
    Sql::new("UPDATE accounts SET taken_down_at = NULL, takedown_ref = NULL WHERE id = $1");

/// Lifts a takedown.
pub fn reinstate(batch: &mut Batch, id: AccountId) {
    batch.add_one(REINSTATE.bind(id), Unmet::AccountMissing);
}

static SUSPEND: Sql = Sql::new("UPDATE accounts SET suspended_at = $2 WHERE id = $1");

/// Suspends the account since `at`, or no longer.
pub fn set_suspended(batch: &mut Batch, id: AccountId, at: Option<Moment>) {
    batch.add_one(SUSPEND.bind(id).bind(at), Unmet::AccountMissing);
}

static DELETE_IS_DUE: Sql = Sql::new(
    "UPDATE accounts SET delete_after = delete_after WHERE id = $1 AND delete_after <= $2",
);

/// Expects that the owner still wants the account gone by `now`, or fails with
/// [`Unmet::AccountMissing`]. Takes hold of the row.
pub fn expect_delete_due(batch: &mut Batch, id: AccountId, now: Moment) {
    batch.add_one(DELETE_IS_DUE.bind(id).bind(now), Unmet::AccountMissing);
}

static DELETE: Sql = Sql::new("DELETE FROM accounts WHERE id = $1");

/// Deletes the account and everything that belongs to it, except its events
/// ([`super::events::delete_of_account`]) and the bytes of its blobs, which are
/// put on the list of [`super::blobs::list_removals`].
pub fn delete(batch: &mut Batch, id: AccountId, at: Moment) {
    super::blobs::remove_all(batch, id, at);
    batch.add_one(DELETE.bind(id), Unmet::AccountMissing);
}
