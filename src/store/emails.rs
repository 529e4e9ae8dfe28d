//! E-mail addresses of accounts: who claims one, who holds it.
//!
//! Several accounts may claim an address, since telling somebody that it is
//! taken would tell who is here. One of them holds it: the first, until another
//! one proves that its owner reads the mail. The others are stored with their
//! DID behind the address, which no reader outside the store sees. Addresses are
//! stored in lower case.

use crate::atproto::{Moment, syntax::Did};

use super::{
    Batch, Db, StoreError,
    accounts::{Account, AccountId, account},
    batch::Unmet,
    engine::Sql,
};

/// Stands between an address and the DID of an account that claims it beside
/// its holder; no address has such a character.
const CLAIM: char = '\u{1f}';
/// The next character: claims of an address end before it.
const CLAIMS_END: char = '\u{20}';

/// An address as an account is stored with that is not its holder.
pub(in crate::store) fn claim(email: &str, did: &Did) -> String {
    format!("{email}{CLAIM}{}", did.as_str())
}

/// An address as it is stored, and where its claims end.
pub(in crate::store) fn claims(email: &str) -> (String, String) {
    let email = email.to_lowercase();
    let end = format!("{email}{CLAIMS_END}");
    (email, end)
}

/// Leaves the address of one that was stored as a claim.
pub(in crate::store) fn address(mut stored: String) -> String {
    if let Some(end) = stored.find(CLAIM) {
        stored.truncate(end);
    }
    stored
}

static FIND_BY_EMAIL: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at
     FROM accounts WHERE email >= $1 AND email < $2
     ORDER BY CASE WHEN email = $1 THEN 0 WHEN email_confirmed_at IS NOT NULL THEN 1 ELSE 2 END,
        id LIMIT $3",
);

/// Finds the holder of an e-mail address, in any case.
pub async fn find(db: &Db, email: &str) -> Result<Option<Account>, StoreError> {
    let (email, end) = claims(email);
    db.row(FIND_BY_EMAIL.bind(email).bind(end).bind(1_i64), account).await
}

/// Lists the accounts that claim an e-mail address, its holder first.
pub async fn list(db: &Db, email: &str, limit: u32) -> Result<Vec<Account>, StoreError> {
    let (email, end) = claims(email);
    db.rows(FIND_BY_EMAIL.bind(email).bind(end).bind(limit), account).await
}

static EMAIL_IS_FREE: Sql =
    Sql::new("SELECT id FROM accounts WHERE email >= $1 AND email < $2 AND id <> $3");

/// Expects that no other account claims the address, or fails with
/// [`Unmet::EmailTaken`]. Only the operator may be told.
pub fn expect_free(batch: &mut Batch, id: AccountId, email: &str) {
    let (email, end) = claims(email);
    batch.add_exactly(0, EMAIL_IS_FREE.bind(email).bind(end).bind(id), Unmet::EmailTaken);
}

static UPDATE_EMAIL: Sql = Sql::new(
    "UPDATE accounts SET email_confirmed_at = NULL, email =
        CASE WHEN EXISTS (SELECT 1 FROM accounts AS other
            WHERE other.email >= $2 AND other.email < $4 AND other.id <> $1)
        THEN $3 ELSE $2 END
     WHERE id = $1",
);

/// Changes the e-mail address, which is then unconfirmed; or fails with
/// [`Unmet::AccountMissing`].
pub fn update(batch: &mut Batch, account: &Account, email: &str) {
    let (email, end) = claims(email);
    let claim = claim(&email, &account.did);
    let statement = UPDATE_EMAIL.bind(account.id).bind(email).bind(claim).bind(end);
    batch.add_one(statement, Unmet::AccountMissing);
}

static YIELD_EMAIL: Sql = Sql::new(
    "UPDATE accounts SET email = email || $3 || did
     WHERE email = $2 AND id <> $1 AND email_confirmed_at IS NULL",
);
static CONFIRM_EMAIL: Sql = Sql::new(
    "UPDATE accounts SET email_confirmed_at = $4, email =
        CASE WHEN EXISTS (SELECT 1 FROM accounts AS other WHERE other.email = $2 AND other.id <> $1)
        THEN $3 ELSE $2 END
     WHERE id = $1 AND (email = $2 OR email = $3)",
);

/// Marks `email` as confirmed if it still is the account's address, else fails
/// with [`Unmet::AccountMissing`]. The account becomes its holder, unless the
/// holder has confirmed it before.
pub fn confirm(batch: &mut Batch, account: &Account, email: &str, at: Moment) {
    let email = email.to_lowercase();
    batch.add(YIELD_EMAIL.bind(account.id).bind(&email).bind(CLAIM.to_string()));
    let claim = claim(&email, &account.did);
    let statement = CONFIRM_EMAIL.bind(account.id).bind(email).bind(claim).bind(at);
    batch.add_one(statement, Unmet::AccountMissing);
}
