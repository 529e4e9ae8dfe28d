//! Import: a whole repository comes in from elsewhere.
//!
//! The archive streams to a file of its own, is checked from there (every hash,
//! every rule of the tree, whose it is, who signed it), and takes the place of
//! the repository in one transaction, under a fresh commit that our key signs.
//! A deactivated account, which is one that moves in, says nothing to the world;
//! an active one says with a `#sync` where it stands now.
//!
//! Blobs come later: references are recorded without them. Importing the same
//! archive again changes nothing.
//!
//! Spec: <https://atproto.com/specs/account#pds-account-migration>

mod arrival;
mod spool;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::Semaphore;

use crate::{
    atproto::{
        Cid,
        crypto::PublicKey,
        syntax::{Did, Tid},
        tid::micros_of,
    },
    repo::{Commit, car::CarError, verify::VerifyError},
    store::{
        Batch, Store, StoreError,
        accounts::{self, Status},
        blobs::{self, GoneRef},
    },
    world::World,
};

use super::{
    identity::{Freshness, Identity},
    repos::{AtHead, Owner, Replacement, RepoError, Repos},
};
use arrival::Arrival;
use spool::Spool;

/// Bytes of an archive, where the operator says nothing: three times the
/// largest repository of the network, whose records fit into memory while they
/// are stored.
pub const IMPORT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Archives that are checked at once: each holds its records in memory.
const CHECKED_AT_ONCE_MAX: usize = 2;
/// How far in the future a revision may lie that we go on from; relays refuse
/// later ones.
const REV_AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// What imports need to know; the operator's choice.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// Where archives are kept while they are checked.
    pub spool_folder: PathBuf,
    /// Bytes of an archive.
    pub bytes_max: u64,
    /// Whether this server takes imports.
    pub admission: Admission,
}

/// Whether this server takes imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Open,
    /// It does not.
    Closed,
}

/// Takes repositories in.
pub struct Imports {
    store: Store,
    world: World,
    repos: Arc<Repos>,
    identity: Arc<Identity>,
    settings: ImportSettings,
    /// One turn for each archive that is being checked.
    turns: Semaphore,
}

/// A repository was not imported; what was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// This server takes no imports.
    #[error("this server takes no imports")]
    Closed,
    /// The body broke off.
    #[error("the upload broke off")]
    Body(#[source] io::Error),
    /// The bytes are not an archive, or too much of one.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The archive names no root, or several.
    #[error("the CAR must have exactly one root, not {0}")]
    Roots(usize),
    /// The archive is not a repository.
    #[error(transparent)]
    Repository(#[from] VerifyError),
    /// It is somebody else's repository.
    #[error("the repository is that of {}", .0.as_str())]
    OtherAccount(Did),
    /// The commit is not signed with the account's key.
    #[error("the commit is not signed with the account's key")]
    Signature,
    /// The archive could not be kept while it was checked.
    #[error("the archive could not be kept")]
    Spool(#[source] io::Error),
    /// The repository could not be replaced.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The check broke down.
    #[error("the check broke down: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl Imports {
    /// Returns the service.
    pub fn new(
        store: Store,
        world: World,
        repos: Arc<Repos>,
        identity: Arc<Identity>,
        settings: ImportSettings,
    ) -> Self {
        let turns = Semaphore::new(CHECKED_AT_ONCE_MAX);
        Self { store, world, repos, identity, settings, turns }
    }

    /// Puts the repository of `body` in the place of the account's.
    ///
    /// # Errors
    /// [`ImportError`].
    // spec: account#pds-account-migration
    pub async fn import(
        &self,
        owner: &Owner,
        body: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<(), ImportError> {
        if self.settings.admission == Admission::Closed {
            return Err(ImportError::Closed);
        }
        let name = self.world.entropy.token_hex(8);
        let spool = Spool::receive(&self.settings, &name, body).await?;
        let signers = self.signers(owner).await?;
        let turn = self.turns.acquire().await;
        let _turn = turn.map_err(|_| StoreError::Closed)?;
        // From here on the repository must not move.
        let guard = self.repos.lock(owner.account).await;
        let current = self.repos.at_head(owner).await?;
        let (limit, did, seen) = (self.settings.bytes_max, owner.did.clone(), current.clone());
        let check = move || arrival::check(spool, limit, &did, &seen.tree);
        let arrival = tokio::task::spawn_blocking(check).await??;
        let account = accounts::find(&self.store.db, owner.account).await?;
        let status = account.ok_or(RepoError::NoRepo)?.status();
        check_signature(owner, &arrival.commit, &signers, status)?;
        if arrival.changes_nothing(current.head.data) {
            return Ok(());
        }
        let batch = self.references(owner, &arrival).await?;
        let replacement = Replacement {
            rev_after: self.rev_after(&current, &arrival.commit),
            current,
            tree: arrival.tree,
            puts: arrival.puts,
            deletes: arrival.deletes,
            batch,
        };
        self.repos.replace(owner, &guard, status, replacement).await?;
        Ok(())
    }

    /// The keys that may have signed the archive: the one of the account's DID
    /// document, which during a migration is still the old server's, and ours.
    /// Nothing where nobody can say what the document is.
    async fn signers(&self, owner: &Owner) -> Result<Vec<PublicKey>, ImportError> {
        let ours = self.repos.public_key(owner).await?;
        let document = self.identity.document(&owner.did, Freshness::Recheck).await;
        match document {
            Ok(document) => Ok(document.signing_key().cloned().into_iter().chain([ours]).collect()),
            Err(error) => {
                tracing::warn!(did = %owner.did.as_str(), "Imported without checking who signed it: {error}.");
                Ok(Vec::new())
            }
        }
    }

    /// Moves the references to blobs along with the records.
    async fn references(&self, owner: &Owner, arrival: &Arrival) -> Result<Batch, ImportError> {
        let mut batch = Batch::new();
        for (path, cids) in &arrival.references {
            for cid in cids {
                blobs::refer_imported(&mut batch, owner.account, path, *cid);
            }
        }
        let at = self.world.clock.now();
        for path in &arrival.replaced {
            let kept = arrival.references.get(path);
            let before = blobs::list_at(&self.store.db, owner.account, path).await?;
            for cid in before {
                if !kept.is_some_and(|cids| cids.contains(&cid)) {
                    blobs::unrefer(&mut batch, &GoneRef { account: owner.account, path, cid, at });
                }
            }
        }
        Ok(batch)
    }

    /// The revision that ours must come after: the later one of the two.
    fn rev_after(&self, current: &AtHead, imported: &Commit) -> Tid {
        let ahead_max = self.world.clock.now_us() + REV_AHEAD_MAX.as_micros() as u64;
        let imported = imported.rev();
        let later = imported.as_str() > current.head.rev.as_str();
        match later && micros_of(imported) <= ahead_max {
            true => imported.clone(),
            false => current.head.rev.clone(),
        }
    }
}

/// An account that moves in may bring an archive that its old key signed after
/// the DID document has named ours: its owner vouches for it, and our key signs
/// it anew.
fn check_signature(
    owner: &Owner,
    commit: &Commit,
    signers: &[PublicKey],
    status: Status,
) -> Result<(), ImportError> {
    let signed = signers.iter().any(|key| commit.verify(key).is_ok());
    match (signed || signers.is_empty(), status) {
        (true, _) => Ok(()),
        (false, Status::Deactivated) => {
            let did = owner.did.as_str();
            tracing::warn!(
                did,
                "Imported an archive of {did} that none of its present keys signed."
            );
            Ok(())
        }
        (false, _) => Err(ImportError::Signature),
    }
}

impl Arrival {
    /// Says whether the repository is the one that is here.
    fn changes_nothing(&self, data: Cid) -> bool {
        self.tree.root() == data
    }
}
