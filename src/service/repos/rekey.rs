//! Another signing key for a repository, and what is said of it again.
//!
//! A key changes in two places: in the DID document, which is not ours, and
//! here. While the directory has not said whether it took the change, nobody
//! knows which key the world takes for the right one, so nothing is signed: the
//! account is *held*. Then one transaction makes the new key the account's,
//! signs the repository with it, and says so.
//!
//! Spec: <https://atproto.com/specs/repository#commit-objects>

use crate::{
    atproto::{
        crypto::SigningKey,
        event::{AccountEvent, Frame, HostingStatus, IdentityEvent},
        syntax::Handle,
    },
    repo::Commit,
    store::{self, AccountId, Batch, Needs, RepoChange, StoreError},
};

use super::{
    CommitMeta, Owner, RepoError, Repos,
    lifecycle::{NewKey, Signer, empty_commit_frame, sync_frame},
    pipeline::Moved,
};

/// How often an announcement is made again because another server was faster.
const ATTEMPTS_MAX: u32 = 8;

impl Repos {
    /// Signs nothing for the account until it is released.
    pub(in crate::service) fn hold(&self, account: AccountId) {
        self.held.lock().insert(account);
    }

    /// Signs for the account again, with the key that the store has now.
    pub(in crate::service) fn release(&self, account: AccountId) {
        self.keys.forget(account);
        self.held.lock().remove(&account);
    }

    /// Returns the accounts for which nothing is signed.
    pub(in crate::service) fn held(&self) -> Vec<AccountId> {
        self.held.lock().iter().copied().collect()
    }

    /// Returns the key that signs the account's commits.
    ///
    /// # Errors
    /// [`RepoError::KeyChanging`] while nobody knows which one that is.
    pub(super) async fn signer(&self, owner: &Owner) -> Result<SigningKey, RepoError> {
        if self.held.lock().contains(&owner.account) {
            return Err(RepoError::KeyChanging);
        }
        Ok(self.keys.signing_key(owner.account, &owner.did).await?)
    }

    /// Makes a key, which the DID document names by now, the one that signs the
    /// account's repository, whose lock the caller holds: `batch` stores it, and
    /// an empty commit is signed with it. The network hears of the identity, and
    /// of the commit where the account is active.
    ///
    /// # Errors
    /// [`RepoError`]; [`RepoError::Unmet`] where an expectation of the batch
    /// failed.
    // spec: repository#commit-objects
    pub(in crate::service) async fn rekey(
        &self,
        owner: &Owner,
        new: NewKey<'_>,
        batch: impl Fn() -> Batch + Send,
    ) -> Result<CommitMeta, RepoError> {
        let time = self.world.clock.now();
        let identity = IdentityEvent { did: owner.did.clone(), handle: None, time };
        self.sign_with(owner, Signer::New(new), batch, |before, commit| {
            let mut frames = vec![Frame::identity(&identity)];
            if new.status.is_active() {
                frames.push(empty_commit_frame(before, commit, time)?);
            }
            Ok(frames)
        })
        .await
    }

    /// Tells the network again how the account stands and who it is, and where
    /// its repository stands if everybody may see it: a relay that lost track of
    /// an account finds it again.
    ///
    /// # Errors
    /// [`RepoError`].
    // spec: account#hosting-status
    pub(in crate::service) async fn announce(
        &self,
        owner: &Owner,
        handle: &Handle,
        status: HostingStatus,
    ) -> Result<(), RepoError> {
        let _guard = self.lock(owner.account).await;
        let (did, time) = (owner.did.clone(), self.world.clock.now());
        let account = AccountEvent { did: did.clone(), status, time };
        let identity = IdentityEvent { did, handle: Some(handle.clone()), time };
        for _ in 0..ATTEMPTS_MAX {
            let head = self.warm.current(&self.store.db, owner).await?.head.clone();
            let mut frames = vec![Frame::account(&account), Frame::identity(&identity)];
            if status.is_active() {
                let commit = Commit::decode(&head.commit_bytes);
                frames.push(sync_frame(&commit.map_err(|e| corrupt(owner, &e))?, time)?);
            }
            // The head moves to where it is: a commit that another server made in
            // the meantime must not be followed by an older `#sync`.
            let repo = RepoChange {
                old: Some(head.commit_cid),
                needs: Needs::Nothing,
                head,
                puts: Vec::new(),
                deletes: Vec::new(),
            };
            let commit = store::Commit {
                account: owner.account,
                batch: Batch::new(),
                repo: Some(repo),
                frames,
            };
            match self.commit(owner, commit).await {
                Ok(()) => return Ok(()),
                Err(Moved::On) => {}
                Err(Moved::Failed(error)) => return Err(error),
            }
        }
        Err(RepoError::Contended)
    }
}

fn corrupt(owner: &Owner, what: &impl std::fmt::Display) -> RepoError {
    let key = owner.did.as_str().to_owned();
    let what = what.to_string();
    RepoError::Store(StoreError::Corrupt { table: "heads".to_owned(), key, what })
}
