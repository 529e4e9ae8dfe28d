//! Who is who: DIDs, their documents, handles, and the way from one to the other.
//!
//! Accounts of this server come first: their handles are answered from the
//! store. Everybody else is asked for in the world, with a memory that is
//! bounded and grows old. A handle counts as an account's own only if it leads
//! to the DID and the DID's document names it.
//!
//! Spec: <https://atproto.com/specs/did>, <https://atproto.com/specs/handle>

mod availability;
mod documents;
mod handles;
mod plc;
mod policy;
mod reserved;
#[cfg(test)]
mod tests;
mod update;

use std::sync::Arc;

use url::Url;

use crate::{
    atproto::{
        crypto::SigningKey,
        did_doc::DidDocument,
        syntax::{AtIdentifier, Did, Handle, normalize_handle},
    },
    store::{
        Store, StoreError,
        accounts::{self, Status},
    },
    world::World,
};

use super::Host;

pub use availability::{Availability, AvailabilityError, Suggestion};
pub use documents::DidError;
pub use handles::HandleError;
pub use plc::{PlcClient, PlcError};
pub use policy::{AskedBy, HandleRefused, Permitted};
pub use update::UpdateHandleError;

/// How old an answer about an identity may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the network's rules allow: for reading.
    Cached,
    /// As fresh as a stranger may make us ask for: after a signature did not fit.
    Recheck,
    /// Asked for now: for decisions about an account of this server.
    Now,
}

/// With whom identities are kept, and by what right we change them.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// The address of the did:plc directory.
    pub directory: Url,
    /// The key of this server that is among the rotation keys of its accounts.
    pub rotation_key: SigningKey,
}

/// Answers who is who.
pub struct Identity {
    store: Store,
    world: World,
    host: Host,
    plc: PlcClient,
    rotation_key: SigningKey,
    documents: documents::Documents,
    handles: handles::Handles,
}

/// A DID, its document, and the handle that both sides confirm.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The DID.
    pub did: Did,
    /// The handle, if it leads to the DID and the document names it.
    pub handle: Option<Handle>,
    /// The document.
    pub document: Arc<DidDocument>,
}

/// An identity could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The handle leads to no DID.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// The DID has no document.
    #[error(transparent)]
    Did(#[from] DidError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Returns the service.
    pub fn new(store: Store, world: World, host: Host, settings: IdentitySettings) -> Self {
        let IdentitySettings { directory, rotation_key } = settings;
        let plc = PlcClient::new(world.http.clone(), directory);
        Self {
            documents: documents::Documents::new(world.clone(), store.db.clone(), plc.clone()),
            handles: handles::Handles::new(world.clone()),
            store,
            world,
            host,
            plc,
            rotation_key,
        }
    }

    /// Returns the client of the did:plc directory.
    pub fn plc(&self) -> &PlcClient {
        &self.plc
    }

    /// Returns the key with which this server changes the DIDs of its accounts.
    pub fn rotation_key(&self) -> &SigningKey {
        &self.rotation_key
    }

    /// Returns the document of `did`; of this server itself without asking anybody.
    ///
    /// # Errors
    /// [`DidError`].
    pub async fn document(
        &self,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<DidDocument>, DidError> {
        if *did == self.host.service_did {
            return Ok(Arc::new(self.own_document()));
        }
        self.documents.resolve(did, freshness).await
    }

    /// Returns the document of this server's own DID.
    pub fn own_document(&self) -> DidDocument {
        DidDocument::for_server(&self.host.service_did, &self.host.public_url)
    }

    /// Returns where `handle` leads: active accounts of this server first, then
    /// the world. A name under a domain of this server leads nowhere else.
    ///
    /// # Errors
    /// [`IdentityError::Handle`] or [`IdentityError::Store`].
    pub async fn resolve_handle(
        &self,
        handle: &Handle,
        freshness: Freshness,
    ) -> Result<Did, IdentityError> {
        let handle = normalize_handle(handle.as_str()).map_err(|_| HandleError::NotFound)?;
        if let Some(did) = self.hosted_did(&handle).await? {
            return Ok(did);
        }
        if policy::is_hosted(handle.as_str(), &self.host.handle_domains) {
            return Err(HandleError::NotFound.into());
        }
        Ok(self.handles.resolve(&handle, freshness).await?)
    }

    /// Returns the DID, document and confirmed handle of an account anywhere.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn resolve(
        &self,
        identifier: &AtIdentifier,
        freshness: Freshness,
    ) -> Result<Resolved, IdentityError> {
        let did = match identifier {
            AtIdentifier::Did(did) => did.clone(),
            AtIdentifier::Handle(handle) => self.resolve_handle(handle, freshness).await?,
        };
        let document = self.document(&did, freshness).await?;
        let handle = self.confirmed_handle(&document, freshness).await?;
        Ok(Resolved { did, handle, document })
    }

    /// Returns the handle that `document` claims, if it leads back.
    ///
    /// # Errors
    /// The store's; a handle that cannot be confirmed is none.
    // spec: handle#handle-resolution
    pub async fn confirmed_handle(
        &self,
        document: &DidDocument,
        freshness: Freshness,
    ) -> Result<Option<Handle>, StoreError> {
        let Some(claimed) = document.handle() else { return Ok(None) };
        match self.resolve_handle(claimed, freshness).await {
            Ok(did) if did == *document.did() => Ok(normalize_handle(claimed.as_str()).ok()),
            Ok(_) | Err(IdentityError::Handle(_) | IdentityError::Did(_)) => Ok(None),
            Err(IdentityError::Store(error)) => Err(error),
        }
    }

    /// Decides whether the text of a handle may be given out here; that it is
    /// free, or leads to its owner, is not asked.
    ///
    /// # Errors
    /// [`HandleRefused`].
    pub fn check_handle(&self, text: &str, by: AskedBy) -> Result<Permitted, HandleRefused> {
        policy::check(text, &self.host.handle_domains, self.world.http.network(), by)
    }

    /// Forgets what is remembered of `did`: for a change that we know of.
    pub async fn forget(&self, did: &Did) {
        self.documents.forget(did).await;
    }

    /// Forgets where `handle` leads.
    pub fn forget_handle(&self, handle: &Handle) {
        self.handles.forget(handle);
    }

    /// Returns the DID of the active account whose handle is the name that a
    /// request for `/.well-known/atproto-did` came to.
    ///
    /// # Errors
    /// The store's.
    pub async fn well_known_did(&self, host: &str) -> Result<Option<Did>, StoreError> {
        match normalize_handle(host) {
            Ok(handle) => self.hosted_did(&handle).await,
            Err(_) => Ok(None),
        }
    }

    /// Says whether a name lies under a domain of this server.
    pub fn is_hosted_name(&self, name: &str) -> bool {
        policy::is_hosted(name, &self.host.handle_domains)
    }

    /// Refreshes documents that were used after their time, until it is dropped.
    pub async fn keep_fresh(&self) {
        self.documents.keep_fresh().await;
    }

    /// Deletes remembered documents that are too old to be used.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_old_documents(&self) -> Result<(), StoreError> {
        self.documents.delete_old().await
    }

    async fn hosted_did(&self, handle: &Handle) -> Result<Option<Did>, StoreError> {
        let account = accounts::find_by_handle(&self.store.db, handle).await?;
        let active = account.filter(|account| account.status() == Status::Active);
        Ok(active.map(|account| account.did))
    }
}
