//! Deleting an account, for good.
//!
//! One transaction takes the account with everything that hangs on it, tells
//! the network, and writes down that two things are left: its older events,
//! which leave the log in short steps, and the bytes of its blobs, which a task
//! removes. A server that is killed in between goes on when it starts. Nothing
//! remains that would keep the DID from coming back.
//!
//! Spec: <https://atproto.com/specs/account#hosting-status>

use super::Accounts;
use crate::atproto::Moment;
use crate::atproto::event::{AccountEvent, Frame, HostingStatus};
use crate::atproto::syntax::Did;
use crate::service::email_tokens::{EmailTokenError, Purpose};
use crate::service::passwords::{self, PasswordError, Verdict};
use crate::service::repos::Owner;
use crate::store::accounts::{self, Account};
use crate::store::intents::{self, Intent};
use crate::store::{Batch, Commit, CommitError, RunError, StoreError, Unmet, events};
use crate::world::crash;

/// The kind of these intents.
const KIND: &str = "delete_account";
/// The account is gone; its events are still to leave the log.
const GONE: &str = "gone";
/// Accounts that one run of the task deletes, and intents it looks at.
const DELETIONS_MAX: u32 = 100;

/// Why an account was not deleted; then all of it is still there.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is no such account. Told to the operator only.
    #[error("Account not found")]
    Missing,
    /// The password is wrong, or there is no such account.
    #[error("Invalid did or password")]
    Wrong,
    /// The code does not help.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// Passwords cannot be checked now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for DeleteError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Stale | CommitError::Unmet(Unmet::AccountMissing) => Self::Missing,
            CommitError::Unmet(unmet) => EmailTokenError::from(RunError::Unmet(unmet)).into(),
            CommitError::Store(error) => error.into(),
        }
    }
}

impl Accounts {
    /// Deletes the account of its owner, who shows the password and the mailed
    /// code. Takes the same time for nobody's DID as for a wrong password.
    ///
    /// # Errors
    /// [`DeleteError`]; never [`DeleteError::Missing`].
    pub async fn delete_by_owner(
        &self,
        did: &Did,
        password: &str,
        code: &str,
    ) -> Result<(), DeleteError> {
        let floor = self.world.clock.sleep(self.settings.reset_time_min);
        let outcome = self.delete_with_password(did, password, code).await;
        floor.await;
        match outcome {
            Err(DeleteError::Missing) => Err(DeleteError::Wrong),
            other => other,
        }
    }

    /// Deletes an account as the operator wants it, at once.
    ///
    /// # Errors
    /// [`DeleteError::Missing`] and the store's.
    pub async fn delete(&self, did: &Did) -> Result<(), DeleteError> {
        let account = accounts::find_by_did(&self.store.db, did).await?;
        let account = account.ok_or(DeleteError::Missing)?;
        self.remove(&account, Batch::new()).await
    }

    /// Deletes the deactivated accounts whose owners wanted them gone by now,
    /// and finishes deletions that were cut off.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_due(&self) -> Result<(), StoreError> {
        let (db, now) = (&self.store.db, self.world.clock.now());
        for account in accounts::list_delete_due(db, now, DELETIONS_MAX).await? {
            let mut batch = Batch::new();
            // Its owner may have come back in this very moment.
            accounts::expect_delete_due(&mut batch, account.id, now);
            let did = account.did.as_str();
            match self.remove(&account, batch).await {
                Ok(()) => tracing::info!(did, "Deleted {did}, as its owner had asked."),
                Err(DeleteError::Missing) => {}
                Err(DeleteError::Store(error)) => return Err(error),
                Err(error) => tracing::warn!(did, "Could not delete {did}: {error}."),
            }
        }
        self.finish_deletions().await
    }

    /// Takes the events of deleted accounts out of the log where that was cut
    /// off.
    ///
    /// # Errors
    /// The store's.
    pub async fn finish_deletions(&self) -> Result<(), StoreError> {
        let unfinished = intents::list_of_kind(&self.store.db, KIND, "", DELETIONS_MAX).await?;
        for intent in unfinished {
            self.forget_events(&intent).await?;
        }
        Ok(())
    }

    async fn delete_with_password(
        &self,
        did: &Did,
        password: &str,
        code: &str,
    ) -> Result<(), DeleteError> {
        let Some(account) = accounts::find_by_did(&self.store.db, did).await? else {
            self.passwords.verify_nobody(password).await?;
            return Err(DeleteError::Wrong);
        };
        if self.passwords.verify(password, &account.password_hash).await? == Verdict::Wrong {
            return Err(DeleteError::Wrong);
        }
        self.delete_with_code(&account, code).await
    }

    /// Deletes the account of somebody who has no password, has shown a passkey a
    /// moment ago, and shows the mailed code.
    ///
    /// # Errors
    /// [`DeleteError::Wrong`] where the account has a password.
    pub async fn delete_without_password(
        &self,
        account: &Account,
        code: &str,
    ) -> Result<(), DeleteError> {
        match passwords::is_none(&account.password_hash) {
            true => self.delete_with_code(account, code).await,
            false => Err(DeleteError::Wrong),
        }
    }

    async fn delete_with_code(&self, account: &Account, code: &str) -> Result<(), DeleteError> {
        let code = self.email_tokens.check(account.id, Purpose::DeleteAccount, code).await?;
        let mut batch = Batch::new();
        code.consume(&mut batch);
        self.remove(account, batch).await
    }

    /// Removes the account if `batch` holds.
    async fn remove(&self, account: &Account, mut batch: Batch) -> Result<(), DeleteError> {
        let did = &account.did;
        // The same DID may have been here before.
        if let Some(before) = intents::find(&self.store.db, did, KIND).await? {
            self.forget_events(&before).await?;
        }
        let intent = Intent {
            did: did.clone(),
            kind: KIND.to_owned(),
            step: GONE.to_owned(),
            // The event that says so will have a greater number.
            body: events::last_seq(&self.store.db).await?.to_string(),
            created_at: self.world.clock.now(),
        };
        intents::insert(&mut batch, &intent);
        accounts::delete(&mut batch, account.id, intent.created_at);
        let frames = vec![gone(did, intent.created_at)];
        {
            crash::point("delete: everything is prepared");
            // No write of the account is on its way while it goes.
            let _guard = self.repos.lock(account.id).await;
            let commit = Commit { account: account.id, batch, repo: None, frames };
            self.store.db.commit(commit).await?;
            crash::point("delete: the account is gone");
            let owner = Owner { account: account.id, did: did.clone() };
            self.repos.forget(&owner);
        }
        self.keys.forget(account.id);
        self.identity.forget(did).await;
        self.identity.forget_handle(&account.handle);
        // The account is gone, whatever becomes of its events: the task goes on.
        if let Err(error) = self.forget_events(&intent).await {
            tracing::warn!(did = %did.as_str(), "Its events will leave the log later: {error}.");
        }
        Ok(())
    }

    /// Takes out of the log what came before the event that says that the
    /// account is gone, and strikes the intent out.
    async fn forget_events(&self, intent: &Intent) -> Result<(), StoreError> {
        let db = &self.store.db;
        let before = intent.body.parse().map_err(|_| StoreError::Corrupt {
            table: "intents".to_owned(),
            key: intent.did.as_str().to_owned(),
            what: "the body is no number".to_owned(),
        })?;
        let gone = events::first_account_event_after(db, &intent.did, before).await?;
        if let Some(gone) = gone {
            events::delete_of_account(db, &intent.did, gone).await?;
        }
        crash::point("delete: the events are forgotten");
        let mut batch = Batch::new();
        intents::delete(&mut batch, &intent.did, KIND);
        self.run_unless_gone(batch).await
    }
}

fn gone(did: &Did, time: Moment) -> Frame {
    Frame::account(&AccountEvent { did: did.clone(), status: HostingStatus::Deleted, time })
}
