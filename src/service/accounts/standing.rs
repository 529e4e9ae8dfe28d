//! How accounts stand: active or resting, complete or not.

use super::Accounts;
use super::genesis::head_of;
use crate::atproto::Moment;
use crate::atproto::crypto::SigningKey;
use crate::atproto::event::{AccountEvent, Frame, HostingStatus, IdentityEvent, SyncEvent};
use crate::atproto::tid::tid_after;
use crate::repo::{self, UnsignedCommit, write};
use crate::service::grants::Actor;
use crate::service::identity::{DidError, Freshness};
use crate::service::keys::KeyError;
use crate::store::accounts::{self, Account, Status};
use crate::store::heads::{self, Head};
use crate::store::{Batch, Commit, CommitError, RepoChange, StoreError, Unmet, blobs, records};

/// Tries to activate an account whose repository moves at the same moment.
const TRIES_MAX: usize = 3;

/// How complete an account is; what moving in is measured by.
#[derive(Debug, Clone)]
pub struct AccountStatus {
    /// Whether it is in use.
    pub activated: bool,
    /// Whether its DID names this server and the key we hold.
    pub valid_did: bool,
    /// Where its repository stands.
    pub head: Head,
    /// Its records.
    pub records: i64,
    /// Blobs that its records refer to.
    pub expected_blobs: i64,
    /// Blobs that are here.
    pub imported_blobs: i64,
}

/// What an identity says that does not fit this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// Another server, or none.
    #[error("DID document atproto_pds service endpoint does not match PDS public url")]
    Endpoint,
    /// Another key, or none.
    #[error("DID document verification method does not match expected signing key")]
    Key,
}

/// Why an account does not stand otherwise now.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// There is no such account, or no repository of it.
    #[error("user not found")]
    Missing,
    /// Its identity does not lead here.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// Its identity cannot be found out.
    #[error("could not resolve the DID of the account")]
    Unresolved(#[from] DidError),
    /// Its key is not to be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its repository moved each time.
    #[error("the repository is being written to")]
    Moving,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for StandingError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Stale => Self::Moving,
            CommitError::Unmet(Unmet::AccountMissing) => Self::Missing,
            CommitError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl Accounts {
    /// Says how complete the account is.
    ///
    /// # Errors
    /// [`StandingError::Missing`] and the store's.
    pub async fn status(&self, actor: &Actor) -> Result<AccountStatus, StandingError> {
        let db = &self.store.db;
        let account = self.find(actor).await?;
        let head = heads::find(db, account.id).await?.ok_or(StandingError::Missing)?;
        let blobs = blobs::count(db, account.id).await?;
        Ok(AccountStatus {
            activated: account.status() == Status::Active,
            valid_did: self.leads_here(&account).await.is_ok(),
            head,
            records: records::count(db, account.id).await?,
            expected_blobs: blobs.referred,
            imported_blobs: blobs.uploaded,
        })
    }

    /// Takes the account into use, once its identity leads here, and tells the
    /// network who it is, that it is served, and where its repository stands.
    ///
    /// # Errors
    /// [`StandingError::Identity`] when the DID still names another server or
    /// key.
    // spec: account#account-migration
    pub async fn activate(&self, actor: &Actor) -> Result<(), StandingError> {
        let account = self.find(actor).await?;
        if account.status() == Status::Active {
            return Ok(());
        }
        self.identity.forget(&account.did).await;
        let key = self.leads_here(&account).await?;
        for _ in 0..TRIES_MAX {
            match self.try_activate(&account, &key).await {
                Err(StandingError::Moving) => {}
                outcome => return outcome,
            }
        }
        Err(StandingError::Moving)
    }

    /// Takes the account out of use; everything is kept. `delete_after` is when
    /// its owner wants it gone.
    ///
    /// # Errors
    /// [`StandingError::Missing`] and the store's.
    pub async fn deactivate(
        &self,
        actor: &Actor,
        delete_after: Option<Moment>,
    ) -> Result<(), StandingError> {
        let account = self.find(actor).await?;
        let now = self.world.clock.now();
        let mut batch = Batch::new();
        accounts::deactivate(&mut batch, account.id, now, delete_after);
        let event = AccountEvent {
            did: account.did.clone(),
            status: HostingStatus::Deactivated,
            time: now,
        };
        // Asking twice changes the date and tells the network nothing new.
        let frames = match account.status() {
            Status::Active => vec![Frame::account(&event)],
            _ => Vec::new(),
        };
        let commit = Commit { account: account.id, batch, repo: None, frames };
        self.store.db.commit(commit).await?;
        Ok(())
    }

    async fn find(&self, actor: &Actor) -> Result<Account, StandingError> {
        let account = accounts::find(&self.store.db, actor.account).await?;
        account.ok_or(StandingError::Missing)
    }

    /// Whether the identity names this server and the key we hold; the key.
    async fn leads_here(&self, account: &Account) -> Result<SigningKey, StandingError> {
        let document = self.identity.document(&account.did, Freshness::Now).await?;
        let here = document.pds_endpoint().map(|endpoint| endpoint.trim_end_matches('/'));
        if here != Some(self.host.public_url.as_str()) {
            return Err(IdentityFault::Endpoint.into());
        }
        let key = self.keys.signing_key(account.id, &account.did).await?;
        if document.signing_key() != Some(key.public()) {
            return Err(IdentityFault::Key.into());
        }
        Ok(key)
    }

    async fn try_activate(&self, account: &Account, key: &SigningKey) -> Result<(), StandingError> {
        let now = self.world.clock.now();
        let head = heads::find(&self.store.db, account.id).await?.ok_or(StandingError::Missing)?;
        let (commit, repo) = self.signed_by(account, key, &head)?;
        let did = account.did.clone();
        let status = HostingStatus::Active;
        let identity =
            IdentityEvent { did: did.clone(), handle: Some(account.handle.clone()), time: now };
        let sync = SyncEvent {
            did: did.clone(),
            rev: commit.rev().clone(),
            blocks: write::sync_car(&commit),
            time: now,
        };
        let frames = vec![
            Frame::account(&AccountEvent { did, status, time: now }),
            Frame::identity(&identity),
            Frame::sync(&sync).map_err(|error| corrupt_head(account, &error.to_string()))?,
        ];
        let mut batch = Batch::new();
        accounts::activate(&mut batch, account.id);
        let commit = Commit { account: account.id, batch, repo, frames };
        self.store.db.commit(commit).await?;
        Ok(())
    }

    /// The repository's commit if `key` has signed it; else a new one of the
    /// same tree: what the network is shown must fit the DID's key.
    fn signed_by(
        &self,
        account: &Account,
        key: &SigningKey,
        head: &Head,
    ) -> Result<(repo::Commit, Option<RepoChange>), StandingError> {
        let commit = repo::Commit::decode(&head.commit_bytes)
            .map_err(|error| corrupt_head(account, &error.to_string()))?;
        if commit.verify(key.public()).is_ok() {
            return Ok((commit, None));
        }
        let now_us = self.world.clock.now_us();
        let rev = tid_after(Some(&head.rev), now_us, self.settings.clock_id);
        let commit = UnsignedCommit::new(account.did.clone(), head.data, rev).sign(key);
        let change = RepoChange {
            old: Some(head.commit_cid),
            head: head_of(&commit),
            puts: Vec::new(),
            deletes: Vec::new(),
        };
        Ok((commit, Some(change)))
    }
}

fn corrupt_head(account: &Account, what: &str) -> StoreError {
    StoreError::Corrupt {
        table: "heads".to_owned(),
        key: account.did.as_str().to_owned(),
        what: what.to_owned(),
    }
}
