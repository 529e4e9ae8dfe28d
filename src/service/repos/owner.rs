//! Whose repository: from what a client calls it to an account.

use crate::{
    atproto::syntax::{AtIdentifier, Did, Handle, normalize_handle},
    service::{
        grants::Actor,
        hosting::{self, Asker, NotShown},
    },
    store::{
        AccountId, Db, StoreError,
        accounts::{self, Account},
    },
};

use super::Repos;

/// Whose repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The inner key of the account.
    pub account: AccountId,
    /// Its outer name.
    pub did: Did,
}

/// A client named a repository that is not its own.
#[derive(Debug, thiserror::Error)]
pub enum NotOwner {
    /// Nobody here is called so.
    #[error("could not find account: {0}")]
    Unknown(String),
    /// It is somebody else's.
    #[error("the repository is somebody else's")]
    SomebodyElse,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Repos {
    /// Returns the repository that a client calls `repo`, which must be its own.
    ///
    /// # Errors
    /// [`NotOwner`].
    pub async fn own(&self, actor: &Actor, repo: &AtIdentifier) -> Result<Owner, NotOwner> {
        let named = match repo {
            AtIdentifier::Did(did) if *did == actor.did => Some(actor.account),
            AtIdentifier::Did(did) => {
                accounts::find_by_did(&self.store.db, did).await?.map(|account| account.id)
            }
            AtIdentifier::Handle(handle) => {
                account_of(&self.store.db, handle).await?.map(|account| account.id)
            }
        };
        match named {
            Some(account) if account == actor.account => {
                Ok(Owner { account, did: actor.did.clone() })
            }
            Some(_) => Err(NotOwner::SomebodyElse),
            None => Err(NotOwner::Unknown(repo.as_ref().to_owned())),
        }
    }

    /// Returns the account that a client calls `repo`, if everybody may see it.
    ///
    /// # Errors
    /// [`Unseen`].
    pub async fn shown(&self, repo: &AtIdentifier) -> Result<Account, Unseen> {
        let did = match repo {
            AtIdentifier::Did(did) => did.clone(),
            AtIdentifier::Handle(handle) => {
                let found = account_of(&self.store.db, handle).await?;
                found.ok_or_else(|| Unseen::NoHandle(handle.clone()))?.did
            }
        };
        Ok(hosting::find_shown(&self.store.db, &did, &Asker::Anyone).await?)
    }
}

/// A repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unseen {
    /// Nobody here has this handle.
    #[error("could not find repo: {}", .0.as_str())]
    NoHandle(Handle),
    /// It is not here, or not shown.
    #[error(transparent)]
    NotShown(#[from] NotShown),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<&Account> for Owner {
    fn from(account: &Account) -> Self {
        Self { account: account.id, did: account.did.clone() }
    }
}

async fn account_of(db: &Db, handle: &Handle) -> Result<Option<Account>, StoreError> {
    // Handles are compared in lower case.
    let Ok(handle) = normalize_handle(handle.as_str()) else { return Ok(None) };
    accounts::find_by_handle(db, &handle).await
}
