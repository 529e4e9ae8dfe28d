//! E-mail tokens: the codes that prove who reads an account's mail.
//!
//! Only a digest of a code is kept. An account has one live code for each
//! purpose; a new one takes the place of the last.

use crate::atproto::Moment;

use super::{
    AccountId, Batch, Db, StoreError,
    batch::Unmet,
    engine::{BadColumn, Row, Sql},
    vault::DIGEST_BYTES,
};

/// What a code permits, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To confirm the e-mail address.
    ConfirmEmail,
    /// To change the e-mail address.
    UpdateEmail,
    /// To set a new password.
    ResetPassword,
    /// To delete the account.
    DeleteAccount,
    /// To have an operation of the account's DID signed.
    PlcOperation,
    /// To sign in, beside the password.
    SignIn,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::ConfirmEmail,
        Self::UpdateEmail,
        Self::ResetPassword,
        Self::DeleteAccount,
        Self::PlcOperation,
        Self::SignIn,
    ];

    /// The purpose of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Its name at rest.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::UpdateEmail => "update_email",
            Self::ResetPassword => "reset_password",
            Self::DeleteAccount => "delete_account",
            Self::PlcOperation => "plc_operation",
            Self::SignIn => "sign_in",
        }
    }
}

/// A code as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct EmailToken {
    /// Whose it is.
    pub account: AccountId,
    /// What stands for the code.
    pub digest: Vec<u8>,
    /// When it stops being good.
    pub expires_at: Moment,
}

/// A code that begins to be good.
#[derive(Clone, Copy, Debug)]
pub struct NewEmailToken<'t> {
    /// Whose it is.
    pub account: AccountId,
    /// What it permits.
    pub purpose: Purpose,
    /// What stands for the code.
    pub digest: &'t [u8; DIGEST_BYTES],
    /// How often a code may be compared with it.
    pub tries: u32,
    /// When it stops being good.
    pub expires_at: Moment,
}

static PUT: Sql = Sql::new(
    "INSERT INTO email_tokens (account_id, purpose, digest, tries_left, expires_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (account_id, purpose) DO UPDATE
     SET digest = excluded.digest, tries_left = excluded.tries_left,
        expires_at = excluded.expires_at",
);

/// Makes a code the account's only one for its purpose.
pub fn put(batch: &mut Batch, new: &NewEmailToken<'_>) {
    let statement = PUT
        .bind(new.account)
        .bind(new.purpose.name())
        .bind(new.digest.as_slice())
        .bind(i64::from(new.tries))
        .bind(new.expires_at);
    batch.add(statement);
}

fn email_token(row: &Row<'_>) -> Result<EmailToken, BadColumn> {
    Ok(EmailToken { account: row.at(0)?, digest: row.at(1)?, expires_at: row.at(2)? })
}

static SPEND_TRY: Sql = Sql::new(
    "UPDATE email_tokens SET tries_left = tries_left - 1
     WHERE account_id = $1 AND purpose = $2 AND tries_left > 0
     RETURNING account_id, digest, expires_at",
);

/// Takes one of the tries of the account's code, and returns it: none where
/// there is no code or all its tries are spent. What is returned may have
/// expired.
///
/// A write of its own, and not part of a batch, since a wrong try must count
/// although nothing else happens.
pub async fn spend_try(
    db: &Db,
    account: AccountId,
    purpose: Purpose,
) -> Result<Option<EmailToken>, StoreError> {
    db.write_row(SPEND_TRY.bind(account).bind(purpose.name()), email_token).await
}

static FIND: Sql = Sql::new(
    "SELECT account_id, digest, expires_at FROM email_tokens
     WHERE purpose = $1 AND digest = $2 AND tries_left > 0",
);

/// Finds a code by its digest, also one that has expired.
pub async fn find(
    db: &Db,
    purpose: Purpose,
    digest: &[u8; DIGEST_BYTES],
) -> Result<Option<EmailToken>, StoreError> {
    db.row(FIND.bind(purpose.name()).bind(digest.as_slice()), email_token).await
}

static CONSUME: Sql =
    Sql::new("DELETE FROM email_tokens WHERE account_id = $1 AND purpose = $2 AND digest = $3");

/// Uses a code up, or fails with [`Unmet::EmailTokenGone`] where somebody was
/// faster.
pub fn consume(
    batch: &mut Batch,
    account: AccountId,
    purpose: Purpose,
    digest: &[u8; DIGEST_BYTES],
) {
    let statement = CONSUME.bind(account).bind(purpose.name()).bind(digest.as_slice());
    batch.add_one(statement, Unmet::EmailTokenGone);
}

static DELETE_OF_ACCOUNT: Sql = Sql::new("DELETE FROM email_tokens WHERE account_id = $1");

/// Ends all codes of an account.
pub fn delete_of_account(batch: &mut Batch, account: AccountId) {
    batch.add(DELETE_OF_ACCOUNT.bind(account));
}

static DELETE_EXPIRED: Sql = Sql::new("DELETE FROM email_tokens WHERE expires_at < $1");

/// Forgets codes that expired before `before`.
pub fn delete_expired(batch: &mut Batch, before: Moment) {
    batch.add(DELETE_EXPIRED.bind(before));
}
