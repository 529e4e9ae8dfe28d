//! A new password for somebody who has forgotten the old one, or wants another,
//! or none.
//!
//! Whoever asks learns nothing about who is here: the answer and the time it
//! takes are the same for every address.

use super::Accounts;
use crate::service::email_tokens::{EmailTokenError, Purpose};
use crate::service::factors::FactorError;
use crate::service::outbox::letters::Notice;
use crate::service::passwords::{self, PasswordError, Verdict};
use crate::store::accounts::Account;
use crate::store::{Batch, RunError, StoreError, Unmet, accounts, emails, passkeys, sessions};

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// It is empty or too long.
    #[error("Invalid password length.")]
    Length,
    /// The code does not help.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// Passwords cannot be hashed now.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Why a password stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    /// The present one is another.
    #[error("the present password is wrong")]
    Wrong,
    /// The new one is empty or too long.
    #[error("a password of 1 to {} characters is required", passwords::NEW_CHARS_MAX)]
    Length,
    /// Passwords cannot be hashed now.
    #[error(transparent)]
    Busy(#[from] PasswordError),
    /// Nothing else opens the account.
    #[error("without a password, the account needs a passkey")]
    OnlyWayIn,
    /// Its owner could not be told.
    #[error(transparent)]
    Told(#[from] FactorError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for ResetError {
    fn from(error: StoreError) -> Self {
        Self::Token(error.into())
    }
}

impl Accounts {
    /// Sends a code for a new password to `email`, if an account has it.
    ///
    /// # Errors
    /// The store's; never anything that depends on the address.
    pub async fn request_password_reset(&self, email: &str) -> Result<(), StoreError> {
        let floor = self.world.clock.sleep(self.settings.reset_time_min);
        let outcome = self.send_reset_code(email).await;
        floor.await;
        outcome
    }

    /// Sets a new password by a code. All sessions end, and all codes: whoever
    /// held one may be the reason for the change.
    ///
    /// # Errors
    /// [`ResetError`]; then nothing has changed.
    pub async fn reset_password(&self, code: &str, password: &str) -> Result<(), ResetError> {
        if password.is_empty() || password.chars().count() > passwords::NEW_CHARS_MAX {
            return Err(ResetError::Length);
        }
        let code = self.email_tokens.check_anonymous(Purpose::ResetPassword, code).await?;
        let hash = self.passwords.hash(password).await?;
        let account = code.account();
        let mut batch = Batch::new();
        code.consume(&mut batch);
        accounts::update_password(&mut batch, account, &hash);
        sessions::delete_of_account(&mut batch, account);
        self.email_tokens.revoke_all(&mut batch, account);
        match self.store.db.run(batch).await {
            Ok(()) => Ok(()),
            Err(RunError::Unmet(Unmet::AccountMissing)) => Err(EmailTokenError::Invalid.into()),
            Err(error) => Err(EmailTokenError::from(error).into()),
        }
    }

    /// Sets a new password for somebody who knows the present one; or who has
    /// none, and has shown a passkey a moment ago. All sessions end, and all codes.
    ///
    /// # Errors
    /// [`PasswordChangeError`]; then nothing has changed.
    pub async fn change_password(
        &self,
        account: &Account,
        present: &str,
        new: &str,
    ) -> Result<(), PasswordChangeError> {
        if new.is_empty() || new.chars().count() > passwords::NEW_CHARS_MAX {
            return Err(PasswordChangeError::Length);
        }
        if !passwords::is_none(&account.password_hash) {
            let long = present.chars().count() > passwords::CHARS_MAX;
            if long
                || self.passwords.verify(present, &account.password_hash).await? == Verdict::Wrong
            {
                return Err(PasswordChangeError::Wrong);
            }
        }
        let hash = self.passwords.hash(new).await?;
        let mut batch = Batch::new();
        accounts::update_password(&mut batch, account.id, &hash);
        sessions::delete_of_account(&mut batch, account.id);
        self.email_tokens.revoke_all(&mut batch, account.id);
        self.store.db.run(batch).await.map_err(|error| match error {
            RunError::Unmet(_) => PasswordChangeError::Wrong,
            RunError::Store(error) => PasswordChangeError::Store(error),
        })
    }

    /// Takes the password away from somebody who has a passkey. Sessions stay:
    /// nobody else has learned anything.
    ///
    /// # Errors
    /// [`PasswordChangeError::OnlyWayIn`].
    pub async fn remove_password(&self, account: &Account) -> Result<(), PasswordChangeError> {
        if passkeys::list(&self.store.db, account.id).await?.is_empty() {
            return Err(PasswordChangeError::OnlyWayIn);
        }
        let mut batch = Batch::new();
        accounts::update_password(&mut batch, account.id, &passwords::no_hash());
        self.store.db.run(batch).await.map_err(|error| match error {
            RunError::Unmet(_) => PasswordChangeError::Wrong,
            RunError::Store(error) => PasswordChangeError::Store(error),
        })?;
        Ok(self.factors.tell(account, &Notice::PasswordRemoved).await?)
    }

    async fn send_reset_code(&self, email: &str) -> Result<(), StoreError> {
        let Some(account) = emails::find(&self.store.db, email.trim()).await? else {
            return Ok(());
        };
        match self.email_tokens.send(&account, Purpose::ResetPassword).await {
            Err(EmailTokenError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
