//! The e-mail address of an account: confirmed, changed, written to.
//!
//! Whoever asks for a code is told at once; the letter follows. Codes for
//! deleting an account and for signing an operation of its DID are asked for
//! here as well; what they permit stands elsewhere.

use super::Accounts;
use super::sign_up::checked_email;
use crate::atproto::syntax::Did;
use crate::service::email_tokens::{EmailTokenError, Purpose};
use crate::service::factors::FactorError;
use crate::service::grants::Actor;
use crate::store::accounts::{self, Account};
use crate::store::{Batch, RunError, StoreError, Unmet, emails};
use crate::world::mail::Sender;

/// Why nothing was done about an address.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// There is no such account.
    #[error("user not found")]
    Missing,
    /// A letter goes to nobody here.
    #[error("Recipient not found")]
    NoRecipient,
    /// The address that was confirmed is not the account's.
    #[error("invalid email")]
    OtherAddress,
    /// It is not an e-mail address.
    #[error("This email address is not supported, please use a different email.")]
    Unsupported,
    /// The address is confirmed, and changing it takes a code.
    #[error("confirmation token required")]
    TokenRequired,
    /// Codes at log-in cannot be had.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// The code does not help, or cannot be sent.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for EmailError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::AccountMissing) => Self::Missing,
            other => Self::Token(other.into()),
        }
    }
}

/// Whether a code is needed to change an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateCode {
    /// It has been sent to the present address.
    Required,
    /// The present address is not confirmed, so it proves nothing.
    NotRequired,
}

/// How an address is to change.
#[derive(Debug)]
pub struct EmailUpdate<'u> {
    /// The new address.
    pub email: &'u str,
    /// The code, if one was sent.
    pub code: Option<&'u str>,
    /// Whether codes are mailed at log-in from now on; as before, if nothing is said.
    pub factor: Option<EmailFactor>,
}

/// Whether codes are mailed at log-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailFactor {
    /// At each one.
    On,
    /// Never.
    Off,
}

impl Accounts {
    /// Sends the code for `purpose` to the account's address.
    ///
    /// # Errors
    /// [`EmailTokenError::MailOff`], where the operator hands codes over.
    pub async fn send_code(&self, actor: &Actor, purpose: Purpose) -> Result<(), EmailError> {
        let account = self.with_email(actor).await?;
        Ok(self.email_tokens.send(&account, purpose).await?)
    }

    /// Confirms that the account's owner reads the mail of `email`.
    ///
    /// # Errors
    /// [`EmailError::OtherAddress`] where it is not the account's, and those of
    /// the code.
    pub async fn confirm_email(
        &self,
        actor: &Actor,
        email: &str,
        code: &str,
    ) -> Result<(), EmailError> {
        let account = self.with_email(actor).await?;
        if email.trim().to_lowercase() != account.email {
            return Err(EmailError::OtherAddress);
        }
        let code = self.email_tokens.check(account.id, Purpose::ConfirmEmail, code).await?;
        let mut batch = Batch::new();
        code.consume(&mut batch);
        emails::confirm(&mut batch, &account, &account.email, self.world.clock.now());
        match self.store.db.run(batch).await {
            // The address has changed since it was read.
            Err(RunError::Unmet(Unmet::AccountMissing)) => Err(EmailError::OtherAddress),
            other => Ok(other?),
        }
    }

    /// Prepares a change of the address: where the present one is confirmed, a
    /// code goes there. Where no mail is sent the operator hands it over.
    ///
    /// # Errors
    /// The store's.
    pub async fn prepare_email_update(&self, actor: &Actor) -> Result<UpdateCode, EmailError> {
        let account = self.with_email(actor).await?;
        if account.email_confirmed_at.is_none() {
            return Ok(UpdateCode::NotRequired);
        }
        match self.email_tokens.send(&account, Purpose::UpdateEmail).await {
            Ok(()) | Err(EmailTokenError::MailOff) => Ok(UpdateCode::Required),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the address. The new one is not confirmed, codes that went to
    /// the old one are void, and the old one is told.
    ///
    /// # Errors
    /// [`EmailError`]; then nothing has changed.
    pub async fn update_email(
        &self,
        actor: &Actor,
        update: &EmailUpdate<'_>,
    ) -> Result<(), EmailError> {
        let email = checked_email(Some(update.email)).map_err(|_| EmailError::Unsupported)?;
        let account = self.with_email(actor).await?;
        // To be safer takes no code: whoever has the session has lost nothing.
        if email == account.email && update.factor == Some(EmailFactor::On) {
            return Ok(self.factors.add_email(&account).await?);
        }
        let mut batch = Batch::new();
        if account.email_confirmed_at.is_some() {
            let code = update.code.ok_or(EmailError::TokenRequired)?;
            let code = self.email_tokens.check(account.id, Purpose::UpdateEmail, code).await?;
            code.consume(&mut batch);
        }
        self.email_tokens.revoke_all(&mut batch, account.id);
        emails::update(&mut batch, &account, &email);
        let factor_ends = update.factor == Some(EmailFactor::Off) || email != account.email;
        if email != account.email {
            self.outbox.put_email_changed(&mut batch, &account);
        }
        self.store.db.run(batch).await?;
        self.outbox.wake();
        // Nobody has shown yet that they read the new address.
        if factor_ends && self.factors.enrolled(account.id).await?.email_since.is_some() {
            self.factors.remove_email(&account).await?;
        }
        Ok(())
    }

    /// Writes to an account in the operator's or a moderator's name; says
    /// whether the letter will be sent.
    ///
    /// # Errors
    /// [`EmailError::NoRecipient`].
    pub async fn write_to(
        &self,
        did: &Did,
        subject: Option<&str>,
        content: &str,
    ) -> Result<Written, EmailError> {
        let account = accounts::find_by_did(&self.store.db, did).await?;
        let account = account.ok_or(EmailError::NoRecipient)?;
        if !self.outbox.delivers(Sender::Moderation) {
            tracing::info!(did = %did.as_str(), "A letter was not sent: no mail is set up.");
            return Ok(Written::NotSent);
        }
        self.outbox.send_of_operator(&account, subject, content).await?;
        Ok(Written::Sent)
    }

    async fn with_email(&self, actor: &Actor) -> Result<Account, EmailError> {
        let account = accounts::find(&self.store.db, actor.account).await?;
        account.ok_or(EmailError::Missing)
    }
}

/// Whether a letter will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in the outbox.
    Sent,
    /// No mail leaves this server.
    NotSent,
}
