//! How accounts stand: active or resting, complete or not.

use super::Accounts;
use crate::atproto::Moment;
use crate::atproto::event::{AccountEvent, Frame, HostingStatus};
use crate::repo::Tree;
use crate::service::grants::Actor;
use crate::service::identity::{DidError, Freshness};
use crate::service::keys::KeyError;
use crate::service::repos::{Owner, RepoError};
use crate::store::accounts::{self, Account, Status};
use crate::store::heads::Head;
use crate::store::{Batch, Commit, CommitError, StoreError, Unmet, blobs, records};
use crate::world::crash;

/// How complete an account is; what moving in is measured by.
#[derive(Debug, Clone)]
pub struct AccountStatus {
    /// Whether it is in use.
    pub activated: bool,
    /// Whether its DID names this server and the key we hold.
    pub valid_did: bool,
    /// Where its repository stands.
    pub head: Head,
    /// The blocks of its repository: the commit, the tree's nodes, the records.
    pub blocks: usize,
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
    /// Its repository cannot be read or signed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for StandingError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Stale => Self::Missing,
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
        let owner = Owner { account: account.id, did: account.did.clone() };
        let repo = self.repos.at_head(&owner).await?;
        let blobs = blobs::count(db, account.id).await?;
        Ok(AccountStatus {
            activated: account.status() == Status::Active,
            valid_did: self.leads_here(&account).await.is_ok(),
            blocks: count_blocks(repo.tree.clone()).await.map_err(RepoError::from)?,
            head: repo.head.clone(),
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
    // spec: account#pds-account-migration
    pub async fn activate(&self, actor: &Actor) -> Result<(), StandingError> {
        let account = self.find(actor).await?;
        if account.status() == Status::Active {
            return Ok(());
        }
        self.identity.forget(&account.did).await;
        self.leads_here(&account).await?;
        let owner = Owner { account: account.id, did: account.did.clone() };
        let batch = || {
            let mut batch = Batch::new();
            accounts::activate(&mut batch, account.id);
            batch
        };
        crash::point("activate: the identity leads here");
        self.repos.activate(&owner, &account.handle, batch).await?;
        crash::point("activate: the account is in use");
        Ok(())
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
        crash::point("deactivate: everything is prepared");
        self.store.db.commit(commit).await?;
        crash::point("deactivate: the account rests");
        Ok(())
    }

    async fn find(&self, actor: &Actor) -> Result<Account, StandingError> {
        let account = accounts::find(&self.store.db, actor.account).await?;
        account.ok_or(StandingError::Missing)
    }

    /// Whether the identity names this server and the key we hold.
    async fn leads_here(&self, account: &Account) -> Result<(), StandingError> {
        let document = self.identity.document(&account.did, Freshness::Now).await?;
        let here = document.pds_endpoint().map(|endpoint| endpoint.trim_end_matches('/'));
        if here != Some(self.host.public_url.as_str()) {
            return Err(IdentityFault::Endpoint.into());
        }
        let key = self.keys.signing_key(account.id, &account.did).await?;
        if document.signing_key() != Some(key.public()) {
            return Err(IdentityFault::Key.into());
        }
        Ok(())
    }
}

/// Counts the commit, the nodes and the records: a walk that takes milliseconds
/// in a large repository, so not on a thread that serves requests.
async fn count_blocks(tree: Tree) -> Result<usize, tokio::task::JoinError> {
    let count = move || {
        let mut walk = tree.walk();
        let mut blocks = 1;
        while walk.advance().is_some() {
            blocks += 1;
        }
        blocks
    };
    tokio::task::spawn_blocking(count).await
}
