//! Blobs: uploaded, referred to by records, and gone with the last reference.
//!
//! An upload is hashed, counted and sniffed while it streams to its place, and
//! stays temporary (nobody may fetch it) until a record refers to it. Writes of
//! records decide about references; this service takes uploads, lists what is
//! missing, and clears away what nothing needs any more.
//!
//! Spec: <https://atproto.com/specs/blob>

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::{
    atproto::{Cid, data::BlobRef, scope::Need},
    store::{
        Batch, RunError, Store, StoreError, accounts,
        blob_bytes::Uploaded,
        blobs::{self, BlobPage, MissingBlob, NewBlob, Removal},
    },
    world::World,
};

use super::{
    grants::{Actor, MissingScope},
    repos::{Owner, Repos},
};

/// How long an upload waits for a record that refers to it.
// spec: blob#blob-lifecycle
const TEMPORARY_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Removals that are worked off before the list is read again.
const REMOVALS_PORTION: u32 = 100;
/// The media type of bytes that nobody knows.
const UNKNOWN_MIME_TYPE: &str = "application/octet-stream";

/// Takes uploads and clears away blobs.
pub struct Blobs {
    store: Store,
    world: World,
    /// Its locks keep an upload and a removal of the same bytes apart.
    repos: Arc<Repos>,
    bytes_max: u64,
}

/// An upload was not taken, or the store failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The upload is larger than the operator allows.
    #[error("the blob is larger than {0} bytes")]
    TooLarge(u64),
    /// The upload has no bytes.
    #[error("the blob is empty")]
    Empty,
    /// The bytes were taken down here.
    #[error("the blob has been taken down and cannot be uploaded again")]
    TakenDown,
    /// The app was not allowed to upload this media type.
    #[error(transparent)]
    MissingScope(#[from] MissingScope),
    /// The body broke off.
    #[error("the upload broke off")]
    Body(#[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Blobs {
    /// Returns the blobs in `store`; uploads have at most `bytes_max`.
    pub fn new(store: Store, world: World, repos: Arc<Repos>, bytes_max: u64) -> Self {
        Self { store, world, repos, bytes_max }
    }

    /// Takes an upload. Its media type is what its bytes say, else what the
    /// client said; the grant must allow that one.
    ///
    /// # Errors
    /// [`BlobError`]; nothing stays of an upload that fails.
    pub async fn upload(
        &self,
        actor: &Actor,
        declared: &str,
        body: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<BlobRef, BlobError> {
        let owner = Owner { account: actor.account, did: actor.did.clone() };
        let uploaded = self.receive(&owner, body).await?;
        let mime_type = mime_type(&uploaded.head, declared);
        actor.grant.permits(&Need::Upload { media_type: &mime_type })?;
        let size = i64::try_from(uploaded.size_bytes);
        let size = size.map_err(|_| BlobError::TooLarge(self.bytes_max))?;
        let new = NewBlob {
            account: owner.account,
            did: owner.did,
            cid: uploaded.cid,
            mime_type: mime_type.clone(),
            size_bytes: size,
            at: self.world.clock.now(),
        };
        let cid = uploaded.cid;
        let _guard = self.repos.lock(owner.account).await;
        let before = blobs::find(&self.store.db, owner.account, cid).await?;
        match before {
            Some(blob) if blob.taken_down_at.is_some() => return Err(BlobError::TakenDown),
            Some(_) => {}
            // If we end before the row is there, the bytes are removed again.
            None => {
                let mut batch = Batch::new();
                blobs::expect_bytes(&mut batch, &new);
                self.run(batch).await?;
            }
        }
        // The bytes first: a row never stands without them.
        self.store.blobs.keep(uploaded).await?;
        let mut batch = Batch::new();
        blobs::put(&mut batch, &new);
        self.run(batch).await?;
        Ok(BlobRef { cid, mime_type, size })
    }

    /// Lists blobs to which records refer and which were not uploaded, after
    /// `after`.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_missing(
        &self,
        owner: &Owner,
        after: Option<Cid>,
        limit: u32,
    ) -> Result<Vec<MissingBlob>, StoreError> {
        blobs::list_missing(&self.store.db, owner.account, &BlobPage { after, limit }).await
    }

    /// Deletes uploads that no record ever referred to, and removes the bytes
    /// of blobs that are gone. Safe to give up and to repeat at any point.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.world.clock.now();
        let mut batch = Batch::new();
        blobs::delete_temporary_before(&mut batch, now.minus(TEMPORARY_TIME_MAX), now);
        self.run_swept(batch).await?;
        self.remove_bytes().await
    }

    /// Removes the bytes of blobs that are gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_bytes(&self) -> Result<(), StoreError> {
        loop {
            let removals = blobs::list_removals(&self.store.db, REMOVALS_PORTION).await?;
            let mut failure = None;
            let mut removed = 0;
            for removal in &removals {
                match self.remove(removal).await {
                    Ok(()) => removed += 1,
                    Err(error) => {
                        // The others need not wait for it.
                        self.postpone(removal).await?;
                        failure = Some(error);
                    }
                }
            }
            if removed == 0 {
                return failure.map_or(Ok(()), Err);
            }
        }
    }

    async fn postpone(&self, removal: &Removal) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        blobs::postpone_removal(&mut batch, removal, self.world.clock.now());
        self.run_swept(batch).await
    }

    async fn remove(&self, removal: &Removal) -> Result<(), StoreError> {
        // An account that is gone takes no uploads, so it needs no lock.
        let account = accounts::find_by_did(&self.store.db, &removal.did).await?;
        let _guard = match account {
            Some(account) => Some(self.repos.lock(account.id).await),
            None => None,
        };
        if blobs::is_removal_due(&self.store.db, removal).await? {
            self.store.blobs.delete(&removal.did, removal.cid).await?;
        }
        let mut batch = Batch::new();
        blobs::delete_removal(&mut batch, removal);
        self.run_swept(batch).await
    }

    async fn receive(
        &self,
        owner: &Owner,
        mut body: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Uploaded, BlobError> {
        let mut upload = self.store.blobs.begin(&owner.did).await?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(BlobError::Body)?;
            if upload.size_bytes() + chunk.len() as u64 > self.bytes_max {
                return Err(BlobError::TooLarge(self.bytes_max));
            }
            upload.write(&chunk).await?;
        }
        if upload.size_bytes() == 0 {
            return Err(BlobError::Empty);
        }
        Ok(upload.finish().await?)
    }

    async fn run(&self, batch: Batch) -> Result<(), BlobError> {
        self.store.db.run(batch).await.map_err(|error| match error {
            RunError::Unmet(_) => BlobError::TakenDown,
            RunError::Store(error) => error.into(),
        })
    }

    /// Runs a batch that expects nothing.
    async fn run_swept(&self, batch: Batch) -> Result<(), StoreError> {
        match self.store.db.run(batch).await {
            Ok(()) | Err(RunError::Unmet(_)) => Ok(()),
            Err(RunError::Store(error)) => Err(error),
        }
    }
}

/// What the first bytes say, else what the client said, else nothing known.
fn mime_type(head: &[u8], declared: &str) -> String {
    if let Some(sniffed) = infer::get(head) {
        return sniffed.mime_type().to_owned();
    }
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() && kind != "*" => essence,
        _ => UNKNOWN_MIME_TYPE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_is_what_the_bytes_say_then_what_was_said() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for (head, declared, expected) in [
            (&png[..], "image/jpeg", "image/png"),
            (&png[..], "", "image/png"),
            (b"hello", "text/plain; charset=utf-8", "text/plain"),
            (b"hello", "Text/PLAIN", "text/plain"),
            (b"hello", "*/*", UNKNOWN_MIME_TYPE),
            (b"hello", "nonsense", UNKNOWN_MIME_TYPE),
            (b"hello", "", UNKNOWN_MIME_TYPE),
        ] {
            assert_eq!(mime_type(head, declared), expected, "{declared}");
        }
    }
}
