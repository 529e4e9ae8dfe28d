//! Whose password it is: the account's own, one of its app passwords, nobody's.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{SessionError, Sessions, is_barred};
use crate::atproto::Moment;
use crate::atproto::scope::Scopes;
use crate::service::app_passwords;
use crate::service::grants::Grant;
use crate::service::passwords::{self, Verdict};
use crate::store::accounts::{self, Account};
use crate::store::app_passwords::{AppPassword, Power};
use crate::store::{AccountId, Batch, devices};

/// With what a session was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it lets one do.
    pub grant: Grant,
    /// The name of the app password, if it was one.
    pub app_password: Option<String>,
    /// When it ends, if it does so by itself; nothing it opens lasts longer.
    pub expires_at: Option<Moment>,
}

impl Credential {
    /// The account's own password.
    pub fn own() -> Self {
        Self { grant: Grant::Full, app_password: None, expires_at: None }
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// When something ends that it opens, and that would last until `wanted`.
    pub(super) fn end(&self, wanted: Moment) -> Moment {
        self.expires_at.map_or(wanted, |end| end.min(wanted))
    }
}

/// A password that somebody shows, and where they are.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'p> {
    /// A handle, a DID or an e-mail address.
    pub identifier: &'p str,
    /// The password.
    pub password: &'p str,
    /// The browser, if there is one.
    pub device: &'p str,
    /// Where it is.
    pub address: &'p str,
}

/// From where somebody tries.
#[derive(Debug, Clone, Copy)]
pub enum Place<'p> {
    /// A browser, by its name.
    Device(&'p str),
    /// A network address.
    Address(&'p str),
}

/// Whether an account was signed in to from somewhere before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was.
    Yes,
    /// It was not.
    No,
}

/// What is counted, of tries at an account's password.
fn subject_of(account: &Account) -> String {
    format!("password {}", account.did.as_str())
}

impl Sessions {
    /// Finds out whose password this is: the account's own, not an app password.
    /// For pages, which open no session of this kind and ask for the second factor
    /// themselves.
    ///
    /// # Errors
    /// [`SessionError::Wrong`] for a wrong password and for nobody alike.
    pub async fn prove(&self, proof: &Proof<'_>) -> Result<Account, SessionError> {
        let floor = self.world.clock.sleep(self.settings.login_time_min);
        let outcome = self.prove_now(proof).await;
        floor.await;
        outcome
    }

    async fn prove_now(&self, proof: &Proof<'_>) -> Result<Account, SessionError> {
        if proof.password.chars().count() > passwords::CHARS_MAX {
            return Err(SessionError::PasswordTooLong);
        }
        let Some(account) = self.find(proof.identifier).await? else {
            return Err(self.nobody(proof).await);
        };
        let mut known = self.known(account.id, Place::Device(proof.device)).await?;
        if known == Known::No {
            known = self.known(account.id, Place::Address(proof.address)).await?;
        }
        self.begin(&account, (proof.address, known))?;
        if self.own_credential(&account, proof.password).await?.is_none() {
            return Err(SessionError::Wrong);
        }
        self.lockouts.succeeded(&subject_of(&account), proof.address);
        if is_barred(&account) { Err(SessionError::TakenDown) } else { Ok(account) }
    }

    /// What becomes of a log-in to an account that does not exist: the same as of
    /// one with a wrong password.
    pub(super) async fn nobody(&self, proof: &Proof<'_>) -> SessionError {
        let subject = format!("password {}", proof.identifier.trim().to_lowercase());
        if let Err(locked) = self.lockouts.begin(&subject, proof.address) {
            return locked.into();
        }
        match self.passwords.verify_nobody(proof.password).await {
            Ok(()) => SessionError::Wrong,
            Err(error) => error.into(),
        }
    }

    /// Whether an account was signed in to from this place before. Such a place
    /// never waits: who tries passwords elsewhere must not keep the owner out.
    pub(super) async fn known(
        &self,
        account: AccountId,
        place: Place<'_>,
    ) -> Result<Known, SessionError> {
        let devices = devices::of_account(&self.store.db, account).await?;
        let known = devices.iter().any(|(device, _)| match place {
            Place::Device(id) => device.id == id,
            Place::Address(address) => !address.is_empty() && device.address == address,
        });
        Ok(if known { Known::Yes } else { Known::No })
    }

    /// Counts a try at an account's password.
    fn begin(
        &self,
        account: &Account,
        (address, known): (&str, Known),
    ) -> Result<(), SessionError> {
        match self.lockouts.begin(&subject_of(account), address) {
            Err(_) if known == Known::Yes => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// What the password is of this account: its own, an app password, or none.
    /// An app password has too many random bits to be found by trying, so it is
    /// looked at whoever else is locked out.
    pub(super) async fn credential(
        &self,
        account: &Account,
        password: &str,
        (address, known): (&str, Known),
    ) -> Result<Option<Credential>, SessionError> {
        if app_passwords::is_plausible(password)
            && let Some(credential) = self.app_credential(account, password).await?
        {
            return Ok(Some(credential));
        }
        self.begin(account, (address, known))?;
        let own = self.own_credential(account, password).await?;
        if own.is_some() {
            self.lockouts.succeeded(&subject_of(account), address);
        }
        Ok(own)
    }

    /// Whether the password is the account's own; an old hash of it is renewed.
    async fn own_credential(
        &self,
        account: &Account,
        password: &str,
    ) -> Result<Option<Credential>, SessionError> {
        match self.passwords.verify(password, &account.password_hash).await? {
            Verdict::Wrong => Ok(None),
            Verdict::Right => Ok(Some(Credential::own())),
            Verdict::RightButOld => {
                let mut batch = Batch::new();
                let hash = self.passwords.hash(password).await?;
                accounts::update_password(&mut batch, account.id, &hash);
                self.store.db.run(batch).await?;
                Ok(Some(Credential::own()))
            }
        }
    }

    async fn app_credential(
        &self,
        account: &Account,
        password: &str,
    ) -> Result<Option<Credential>, SessionError> {
        let stored = crate::store::app_passwords::list(&self.store.db, account.id).await?;
        let mut hashes = vec![app_passwords::hash(&account.did, password)];
        if stored.iter().any(|app| app_passwords::is_official(&app.password_hash)) {
            let salt = app_passwords::official_salt(&account.did);
            hashes.push(self.passwords.scrypt(password, &salt).await?);
        }
        let fits = |known: &str| {
            let equal = |hash: &String| bool::from(hash.as_bytes().ct_eq(known.as_bytes()));
            hashes.iter().any(equal)
        };
        let found = stored.into_iter().find(|app| fits(&app.password_hash)).map(credential_of);
        Ok(found.filter(|found| !found.is_over(self.now())))
    }
}

/// What an app password is good for.
pub(super) fn credential_of(app: AppPassword) -> Credential {
    let grant = match app.power {
        Power::Basic => Grant::AppPassword,
        Power::Privileged => Grant::PrivilegedAppPassword,
        Power::Scoped(scope) => Grant::Scoped(Arc::new(Scopes::parse(&scope))),
    };
    Credential { grant, app_password: Some(app.name), expires_at: app.expires_at }
}
