//! What the operator may look up and set of accounts.

use super::Accounts;
use super::sign_up::checked_email;
use crate::atproto::syntax::{AtIdentifier, Did};
use crate::service::passwords::{self, PasswordError};
use crate::store::accounts::{self, Account};
use crate::store::{
    AccountId, Batch, RunError, StoreError, Unmet, app_passwords, emails, sessions,
};

/// Characters of the password that nobody knows, of 5 bits each.
const REVOKED_PASSWORD_CHARS: usize = 52;

/// Why nothing was set or found.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// There is no such account.
    #[error("Account not found")]
    Missing,
    /// It is not an e-mail address.
    #[error("This email address is not supported, please use a different email.")]
    Email,
    /// Another account has the address.
    #[error("This email address is already in use, please use a different email.")]
    EmailTaken,
    /// The password is empty or too long.
    #[error("Invalid password length.")]
    PasswordLength,
    /// Passwords cannot be hashed now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for AdministrationError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::EmailTaken) => Self::EmailTaken,
            RunError::Unmet(Unmet::AccountMissing) => Self::Missing,
            RunError::Unmet(unmet) => StoreError::Unexpected(unmet).into(),
            RunError::Store(error) => error.into(),
        }
    }
}

impl Accounts {
    /// Returns the account of a DID or handle.
    ///
    /// # Errors
    /// [`AdministrationError::Missing`] and the store's.
    pub async fn look_up(&self, who: &AtIdentifier) -> Result<Account, AdministrationError> {
        let db = &self.store.db;
        let account = match who {
            AtIdentifier::Did(did) => accounts::find_by_did(db, did).await?,
            AtIdentifier::Handle(handle) => accounts::find_by_handle(db, handle).await?,
        };
        account.ok_or(AdministrationError::Missing)
    }

    /// Returns the accounts of these DIDs that are here, in their order.
    ///
    /// # Errors
    /// The store's.
    pub async fn look_up_all(&self, dids: &[Did]) -> Result<Vec<Account>, StoreError> {
        let mut found = Vec::with_capacity(dids.len());
        for did in dids {
            found.extend(accounts::find_by_did(&self.store.db, did).await?);
        }
        Ok(found)
    }

    /// Returns a page of accounts in the order in which they came: those that
    /// claim an e-mail address, its holder first, or all.
    ///
    /// # Errors
    /// The store's.
    pub async fn search(
        &self,
        email: Option<&str>,
        after: AccountId,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        match email {
            Some(email) => {
                let found = emails::list(&self.store.db, email.trim(), limit).await?;
                Ok(found.into_iter().filter(|account| account.id > after).collect())
            }
            None => accounts::list(&self.store.db, after, limit).await,
        }
    }

    /// Sets the e-mail address, which its owner has to confirm again.
    ///
    /// # Errors
    /// [`AdministrationError`].
    pub async fn set_email(
        &self,
        who: &AtIdentifier,
        email: &str,
    ) -> Result<(), AdministrationError> {
        let email = checked_email(Some(email)).map_err(|_| AdministrationError::Email)?;
        let account = self.look_up(who).await?;
        let mut batch = Batch::new();
        emails::expect_free(&mut batch, account.id, &email);
        emails::update(&mut batch, &account, &email);
        self.email_tokens.revoke_all(&mut batch, account.id);
        Ok(self.store.db.run(batch).await?)
    }

    /// Sets the password; all sessions end, and all codes.
    ///
    /// # Errors
    /// [`AdministrationError`].
    pub async fn set_password(
        &self,
        who: &AtIdentifier,
        password: &str,
    ) -> Result<(), AdministrationError> {
        if password.is_empty() || password.chars().count() > passwords::NEW_CHARS_MAX {
            return Err(AdministrationError::PasswordLength);
        }
        let account = self.look_up(who).await?;
        let hash = self.passwords.hash(password).await?;
        Ok(self.store.db.run(self.new_password(account.id, &hash)).await?)
    }

    /// Takes every way in from whoever has them: the password, app passwords,
    /// sessions and codes. The owner comes back by a forgotten password.
    ///
    /// # Errors
    /// [`AdministrationError`].
    pub async fn revoke_credentials(&self, who: &AtIdentifier) -> Result<(), AdministrationError> {
        let account = self.look_up(who).await?;
        // One that nobody has seen.
        let password = self.world.entropy.token_base32(REVOKED_PASSWORD_CHARS);
        let hash = self.passwords.hash(&password).await?;
        let mut batch = self.new_password(account.id, &hash);
        app_passwords::delete_of_account(&mut batch, account.id);
        Ok(self.store.db.run(batch).await?)
    }

    /// Sets the password's hash, and ends sessions and codes.
    fn new_password(&self, account: AccountId, hash: &str) -> Batch {
        let mut batch = Batch::new();
        accounts::update_password(&mut batch, account, hash);
        sessions::delete_of_account(&mut batch, account);
        self.email_tokens.revoke_all(&mut batch, account);
        batch
    }
}
