//! Second factors: what somebody shows beside the password.
//!
//! An authenticator app, a code by e-mail, or one of the recovery codes that were
//! printed. An account that has an app gets no mails: the weaker one would be the
//! one that counts. A code is good once. App passwords are not asked: they are
//! what programs have, and each can do less.

mod enrolment;
mod totp;

use std::sync::Arc;
use std::time::Duration;

use super::email_tokens::{EmailTokenError, EmailTokens, Purpose};
use super::lockouts::{Locked, Lockouts};
use super::outbox::Outbox;
use super::outbox::letters::Notice;
use crate::atproto::Moment;
use crate::store::accounts::Account;
use crate::store::factors::{self, Begun, Enrolled};
use crate::store::vault::{DIGEST_BYTES, Vault, VaultError};
use crate::store::{AccountId, Batch, RunError, Store, StoreError, Unmet};
use crate::world::World;
pub use enrolment::Setup;

/// How long somebody may take from the password to the second factor.
const BEGUN_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a browser that is kept in mind is not asked again.
const TRUST_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Knows second factors.
pub struct Factors {
    store: Store,
    world: World,
    vault: Vault,
    email_tokens: Arc<EmailTokens>,
    outbox: Arc<Outbox>,
    lockouts: Arc<Lockouts>,
}

/// What [`Factors`] works with.
pub struct FactorParts {
    /// Where they are kept.
    pub store: Store,
    /// Time and randomness.
    pub world: World,
    /// Seals secrets, and makes what stands for codes.
    pub vault: Vault,
    /// Codes by e-mail.
    pub email_tokens: Arc<EmailTokens>,
    /// Notices of changes.
    pub outbox: Arc<Outbox>,
    /// Who has tried too often.
    pub lockouts: Arc<Lockouts>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing but the password.
    Nothing,
    /// A code of the authenticator app, or a recovery code.
    Totp,
    /// A code that was mailed, or a recovery code.
    Email,
}

/// Why a factor is not good, or cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// A code is needed.
    #[error("A sign in code is required")]
    Missing,
    /// The code is not right, or was used.
    #[error("Token is invalid")]
    Wrong,
    /// The code was right once.
    #[error("Token is expired")]
    Expired,
    /// Too many wrong ones.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// An app is set up already.
    #[error("an authenticator app is set up already")]
    Exists,
    /// Nobody has shown that they read the mail of the address.
    #[error("confirm the e-mail address first")]
    EmailUnconfirmed,
    /// No mail leaves this server.
    #[error("This server does not send mail: ask its operator for a code")]
    MailOff,
    /// What was kept cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for FactorError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::FactorUsed) => Self::Wrong,
            RunError::Unmet(Unmet::Exists) => Self::Exists,
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl From<EmailTokenError> for FactorError {
    fn from(error: EmailTokenError) -> Self {
        match error {
            EmailTokenError::Invalid => Self::Wrong,
            EmailTokenError::Expired => Self::Expired,
            EmailTokenError::MailOff => Self::MailOff,
            EmailTokenError::Store(error) => Self::Store(error),
        }
    }
}

impl Factors {
    /// Makes the service.
    pub fn new(parts: FactorParts) -> Self {
        let FactorParts { store, world, vault, email_tokens, outbox, lockouts } = parts;
        Self { store, world, vault, email_tokens, outbox, lockouts }
    }

    /// Which factors an account has.
    ///
    /// # Errors
    /// The store's.
    pub async fn enrolled(&self, account: AccountId) -> Result<Enrolled, StoreError> {
        factors::enrolled(&self.store.db, account).await
    }

    /// What an account is asked for beside its password.
    ///
    /// # Errors
    /// The store's.
    pub async fn wanted(&self, account: AccountId) -> Result<Wanted, StoreError> {
        let enrolled = self.enrolled(account).await?;
        Ok(match (enrolled.totp_since, enrolled.email_since) {
            (Some(_), _) => Wanted::Totp,
            (None, Some(_)) => Wanted::Email,
            (None, None) => Wanted::Nothing,
        })
    }

    /// Mails a code, where that is what is asked for.
    ///
    /// # Errors
    /// [`FactorError::MailOff`].
    pub async fn send_code(&self, account: &Account, wanted: Wanted) -> Result<(), FactorError> {
        match wanted {
            Wanted::Email => Ok(self.email_tokens.send(account, Purpose::SignIn).await?),
            Wanted::Totp | Wanted::Nothing => Ok(()),
        }
    }

    /// Checks a code beside the password, shown from an address, and uses it up.
    ///
    /// # Errors
    /// [`FactorError::Wrong`], [`FactorError::Expired`], [`FactorError::Locked`].
    pub async fn check(
        &self,
        account: &Account,
        (wanted, code): (Wanted, &str),
        address: &str,
    ) -> Result<(), FactorError> {
        let subject = format!("factor {}", account.did.as_str());
        self.lockouts.begin(&subject, address)?;
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let outcome = match wanted {
            Wanted::Nothing => Ok(()),
            Wanted::Totp if code.len() == 6 => self.use_totp(account, &code).await,
            Wanted::Totp => self.use_recovery(account, &code).await,
            Wanted::Email => match self.use_recovery(account, &code).await {
                Err(FactorError::Wrong) => self.use_email(account, &code).await,
                outcome => outcome,
            },
        };
        if outcome.is_ok() {
            self.lockouts.succeeded(&subject, address);
        }
        outcome
    }

    /// Notes that somebody has shown the password in a browser.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_sign_in(
        &self,
        device: &str,
        account: AccountId,
        kept_at: Option<Moment>,
    ) -> Result<(), FactorError> {
        let device = device.to_owned();
        let begun = Begun { device, account, kept_at, expires_at: self.now().plus(BEGUN_LIFE) };
        let mut batch = Batch::new();
        factors::put_begun(&mut batch, &begun);
        Ok(self.store.db.run(batch).await?)
    }

    /// Who has shown the password in a browser, a short while ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn begun_sign_in(&self, device: &str) -> Result<Option<Begun>, StoreError> {
        let begun = factors::find_begun(&self.store.db, device).await?;
        Ok(begun.filter(|begun| begun.expires_at > self.now()))
    }

    /// Notes that the second factor was shown in a browser, too. One that is to be
    /// kept in mind is not asked again for a while.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_sign_in(&self, begun: &Begun) -> Result<(), FactorError> {
        let mut batch = Batch::new();
        factors::delete_begun(&mut batch, &begun.device);
        if begun.kept_at.is_some() {
            let until = self.now().plus(TRUST_LIFE);
            factors::trust(&mut batch, &begun.device, begun.account, until);
        }
        Ok(self.store.db.run(batch).await?)
    }

    /// Whether a browser is not asked for the second factor.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_trusted(&self, device: &str, account: AccountId) -> Result<bool, StoreError> {
        factors::is_trusted(&self.store.db, device, account, self.now()).await
    }

    /// Tells an account's owner that somebody signed in in a browser that was not
    /// known.
    ///
    /// # Errors
    /// The store's.
    pub async fn tell_of_device(
        &self,
        account: &Account,
        device: &str,
        address: &str,
    ) -> Result<(), FactorError> {
        self.tell(account, &Notice::NewDevice { device, address }).await
    }

    /// Forgets what is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_expired(&self) -> Result<(), RunError> {
        let mut batch = Batch::new();
        factors::delete_expired(&mut batch, self.now());
        self.store.db.run(batch).await
    }

    async fn use_totp(&self, account: &Account, code: &str) -> Result<(), FactorError> {
        let kept = factors::find_totp(&self.store.db, account.id).await?;
        let kept = kept.ok_or(FactorError::Wrong)?;
        let secret = self.vault.open(&owner_of(account), &kept.sealed)?;
        let step = totp::step_of(&secret, code, self.now()).ok_or(FactorError::Wrong)?;
        let mut batch = Batch::new();
        factors::use_totp(&mut batch, account.id, step, self.now());
        Ok(self.store.db.run(batch).await?)
    }

    async fn use_recovery(&self, account: &Account, code: &str) -> Result<(), FactorError> {
        let digest = self.digest(account, &code.to_ascii_lowercase());
        let mut batch = Batch::new();
        factors::use_recovery(&mut batch, account.id, &digest);
        self.store.db.run(batch).await?;
        let left = self.enrolled(account.id).await?.recovery_codes;
        let left = usize::try_from(left).unwrap_or(0);
        self.tell(account, &Notice::RecoveryCodeUsed { left }).await
    }

    async fn use_email(&self, account: &Account, code: &str) -> Result<(), FactorError> {
        let code = self.email_tokens.check(account.id, Purpose::SignIn, code).await?;
        let mut batch = Batch::new();
        code.consume(&mut batch);
        match self.store.db.run(batch).await {
            Err(RunError::Unmet(Unmet::EmailTokenGone)) => Err(FactorError::Wrong),
            outcome => Ok(outcome?),
        }
    }

    /// Tells an account's owner of a change.
    ///
    /// # Errors
    /// The store's.
    pub async fn tell(&self, account: &Account, notice: &Notice<'_>) -> Result<(), FactorError> {
        let mut batch = Batch::new();
        self.outbox.put_notice(&mut batch, account, notice);
        self.store.db.run(batch).await?;
        self.outbox.wake();
        Ok(())
    }

    fn digest(&self, account: &Account, code: &str) -> [u8; DIGEST_BYTES] {
        self.vault.digest(&format!("recovery code {}", account.did.as_str()), code.as_bytes())
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}

/// To whom a sealed secret belongs.
fn owner_of(account: &Account) -> String {
    format!("authenticator app of {}", account.did.as_str())
}
