//! Giving an account another handle.
//!
//! Three places must agree: the directory (or the owner's own DID document),
//! this server's account, and what the network was told. They are changed in
//! this order, and each step may be done again: whoever was cut off halfway
//! asks once more and gets through.

use crate::{
    atproto::{
        event::{Frame, IdentityEvent},
        plc::{InvalidOperation, Unsigned},
        syntax::{Did, Handle},
    },
    store::{
        Batch, Commit, CommitError, StoreError, Unmet,
        accounts::{self, Account},
    },
};

use super::{
    AskedBy, DidError, Freshness, HandleError, HandleRefused, Identity, Permitted, PlcError,
};

/// The handle was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateHandleError {
    /// It is not one that is given out here.
    #[error(transparent)]
    Refused(#[from] HandleRefused),
    /// Another account of this server has it.
    #[error("Handle already taken: {}", .0.as_str())]
    Taken(Handle),
    /// It lies elsewhere and does not lead to the account.
    #[error("External handle did not resolve to DID")]
    LeadsElsewhere(#[source] Option<HandleError>),
    /// There is no such account here.
    #[error("there is no such account")]
    AccountMissing,
    /// The account's DID is its owner's, whose document does not name the handle.
    #[error("the DID document does not name the handle; change the document first")]
    NotInDocument,
    /// The account's DID document cannot be read.
    #[error(transparent)]
    Document(#[from] DidError),
    /// The directory takes operations for this DID from other keys than ours.
    #[error(
        "this server holds no rotation key of the DID; change the handle in the directory first"
    )]
    NotOurs,
    /// The new state would be larger than a directory takes.
    #[error("the DID's data would no longer be accepted by the directory")]
    Operation(#[from] InvalidOperation),
    /// The directory does not answer or refuses.
    #[error(transparent)]
    Directory(#[from] PlcError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Gives the account of `did` the handle of this text, tells the directory
    /// and the network.
    ///
    /// # Errors
    /// [`UpdateHandleError`].
    pub async fn update_handle(
        &self,
        did: &Did,
        text: &str,
        by: AskedBy,
    ) -> Result<Handle, UpdateHandleError> {
        let permitted = self.check_handle(text, by)?;
        let account = accounts::find_by_did(&self.store.db, did).await?;
        let account = account.ok_or(UpdateHandleError::AccountMissing)?;
        let keeps = account.handle == *permitted.handle();
        if by == AskedBy::Owner && !keeps && self.is_reserved(permitted.handle()).await? {
            return Err(HandleRefused::Reserved.into());
        }
        self.check_free(&account, permitted.handle()).await?;
        if let Permitted::External(handle) = &permitted {
            self.check_leads_to(handle, did).await?;
        }
        let handle = permitted.handle();
        self.write_into_document(did, handle).await?;
        self.write_into_store(&account, handle).await?;
        self.forget(did).await;
        self.forget_handle(handle);
        self.forget_handle(&account.handle);
        Ok(handle.clone())
    }

    async fn check_free(
        &self,
        account: &Account,
        handle: &Handle,
    ) -> Result<(), UpdateHandleError> {
        let owner = accounts::find_by_handle(&self.store.db, handle).await?;
        if owner.is_some_and(|owner| owner.id != account.id) {
            return Err(UpdateHandleError::Taken(handle.clone()));
        }
        Ok(())
    }

    async fn check_leads_to(&self, handle: &Handle, did: &Did) -> Result<(), UpdateHandleError> {
        match self.handles.resolve(handle, Freshness::Now).await {
            Ok(found) if found == *did => Ok(()),
            Ok(_) => Err(UpdateHandleError::LeadsElsewhere(None)),
            Err(error) => Err(UpdateHandleError::LeadsElsewhere(Some(error))),
        }
    }

    /// Makes the DID's document name `handle`, unless it already does.
    async fn write_into_document(
        &self,
        did: &Did,
        handle: &Handle,
    ) -> Result<(), UpdateHandleError> {
        if !did.as_str().starts_with("did:plc:") {
            let document = self.document(did, Freshness::Now).await?;
            let names = document.handle() == Some(handle);
            return if names { Ok(()) } else { Err(UpdateHandleError::NotInDocument) };
        }
        let last = self.plc.last_operation(did).await?;
        let state = last.state().ok_or(PlcError::Tombstoned)?;
        if state.handle().as_ref() == Some(handle) {
            return Ok(());
        }
        let ours = self.rotation_key.public().did_key();
        if !state.rotation_keys.contains(&ours) {
            return Err(UpdateHandleError::NotOurs);
        }
        let state = state.clone().with_handle(handle);
        let next = Unsigned::Operation { state, prev: Some(last.cid()) };
        let next = next.sign(&self.rotation_key)?;
        Ok(self.plc.submit(did, &next).await?)
    }

    async fn write_into_store(
        &self,
        account: &Account,
        handle: &Handle,
    ) -> Result<(), UpdateHandleError> {
        let mut batch = Batch::new();
        accounts::update_handle(&mut batch, account.id, handle);
        let event = IdentityEvent {
            did: account.did.clone(),
            handle: Some(handle.clone()),
            time: self.world.clock.now(),
        };
        let frames = vec![Frame::identity(&event)];
        let commit = Commit { account: account.id, batch, repo: None, frames };
        match self.store.db.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Unmet(Unmet::HandleTaken)) => {
                Err(UpdateHandleError::Taken(handle.clone()))
            }
            Err(CommitError::Unmet(_) | CommitError::Stale) => {
                Err(UpdateHandleError::AccountMissing)
            }
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}
