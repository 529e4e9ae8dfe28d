//! Whose password it is: the account's own, one of its app passwords, nobody's.

use subtle::ConstantTimeEq;

use super::{Credential, SessionError, Sessions, grant_of, is_barred};
use crate::service::app_passwords;
use crate::service::grants::Grant;
use crate::service::passwords::{self, Verdict};
use crate::store::Batch;
use crate::store::accounts::{self, Account};

impl Sessions {
    /// Finds out whose password this is: the account's own, not an app password.
    /// For pages, which open no session of this kind.
    ///
    /// # Errors
    /// [`SessionError::Wrong`] for a wrong password and for nobody alike.
    pub async fn prove(&self, identifier: &str, password: &str) -> Result<Account, SessionError> {
        let floor = self.world.clock.sleep(self.settings.login_time_min);
        let outcome = self.prove_now(identifier, password).await;
        floor.await;
        outcome
    }

    async fn prove_now(&self, identifier: &str, password: &str) -> Result<Account, SessionError> {
        if password.chars().count() > passwords::CHARS_MAX {
            return Err(SessionError::PasswordTooLong);
        }
        let Some(account) = self.find(identifier).await? else {
            self.passwords.verify_nobody(password).await?;
            return Err(SessionError::Wrong);
        };
        if self.own_credential(&account, password).await?.is_none() {
            return Err(SessionError::Wrong);
        }
        if is_barred(&account) { Err(SessionError::TakenDown) } else { Ok(account) }
    }

    /// What the password is of this account: its own, an app password, or none.
    pub(super) async fn credential(
        &self,
        account: &Account,
        password: &str,
    ) -> Result<Option<Credential>, SessionError> {
        match self.own_credential(account, password).await? {
            Some(credential) => Ok(Some(credential)),
            None => self.app_credential(account, password).await,
        }
    }

    /// Whether the password is the account's own; an old hash of it is renewed.
    async fn own_credential(
        &self,
        account: &Account,
        password: &str,
    ) -> Result<Option<Credential>, SessionError> {
        match self.passwords.verify(password, &account.password_hash).await? {
            Verdict::Wrong => Ok(None),
            Verdict::Right => Ok(Some(Credential { grant: Grant::Full, app_password: None })),
            Verdict::RightButOld => {
                let mut batch = Batch::new();
                let hash = self.passwords.hash(password).await?;
                accounts::update_password(&mut batch, account.id, &hash);
                self.store.db.run(batch).await?;
                Ok(Some(Credential { grant: Grant::Full, app_password: None }))
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
        let found = stored.into_iter().find(|app| fits(&app.password_hash));
        Ok(found.map(|app| Credential { grant: grant_of(app.power), app_password: Some(app.name) }))
    }
}
