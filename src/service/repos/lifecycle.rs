//! The first commit of a repository, and commits that change no record.

use std::sync::Arc;

use crate::{
    atproto::{
        Moment,
        crypto::{PublicKey, SigningKey},
        event::{AccountEvent, CommitEvent, Frame, HostingStatus, IdentityEvent, SyncEvent},
        syntax::{Did, Handle, RecordPath, Tid},
        tid::tid_after,
    },
    repo::{
        Commit, Tree, UnsignedCommit,
        write::{self, sync_car},
    },
    store::{self, Batch, Needs, RecordPut, RepoChange, accounts::Status, heads::Head, subjects},
};

use super::{CommitMeta, Guard, Owner, RepoError, Repos, pipeline::Moved, warm::AtHead};

/// How often a commit is made again because another server was faster.
const ATTEMPTS_MAX: u32 = 8;

/// With which key a commit is signed.
#[derive(Clone, Copy)]
pub(super) enum Signer<'a> {
    /// The account's.
    OfAccount,
    /// The one that becomes the account's by this commit.
    New(NewKey<'a>),
}

/// A key that becomes an account's.
#[derive(Clone, Copy)]
pub(in crate::service) struct NewKey<'a> {
    /// The lock of the account, which nobody else may hold meanwhile.
    pub _guard: &'a Guard,
    /// How the account stands.
    pub status: HostingStatus,
    /// The key.
    pub key: &'a SigningKey,
}

/// The beginning of a repository, to be stored with its account.
#[derive(Debug)]
pub struct Genesis {
    /// The head, for [`store::Commit::repo`].
    pub repo: RepoChange,
    /// The `#commit` that tells of it. An account that moves in is not active
    /// yet and says nothing.
    pub frame: Frame,
    /// What clients are told.
    pub commit: CommitMeta,
}

impl Repos {
    /// Signs the empty repository of a new account with its new key.
    ///
    /// # Errors
    /// [`RepoError::Event`], which an empty repository cannot cause.
    pub fn genesis(&self, did: &Did, key: &SigningKey) -> Result<Genesis, RepoError> {
        let rev = tid_after(None, self.world.clock.now_us(), self.clock);
        let diff = write::apply(&Tree::empty(), &[])?;
        let commit = UnsignedCommit::new(did.clone(), diff.tree.root(), rev).sign(key);
        let frame = Frame::commit(&CommitEvent {
            did: did.clone(),
            commit: commit.cid(),
            rev: commit.rev().clone(),
            since: None,
            prev_data: None,
            ops: Vec::new(),
            blocks: diff.car(&commit)?,
            time: self.world.clock.now(),
        })?;
        let repo = RepoChange {
            old: None,
            needs: Needs::Nothing,
            head: head_of(&commit),
            puts: Vec::new(),
            deletes: Vec::new(),
        };
        Ok(Genesis { repo, frame, commit: meta_of(&commit) })
    }

    /// Makes an account active that was not: runs `batch`, signs the repository
    /// anew with the key that is in the DID document now, and tells the world
    /// who this is, that it is here, and where its repository stands.
    ///
    /// # Errors
    /// [`RepoError`]; [`RepoError::Unmet`] where an expectation of the batch
    /// failed.
    // spec: account#pds-account-migration
    pub async fn activate(
        &self,
        owner: &Owner,
        handle: &Handle,
        batch: impl Fn() -> Batch + Send,
    ) -> Result<CommitMeta, RepoError> {
        let time = self.world.clock.now();
        let did = &owner.did;
        let account = AccountEvent { did: did.clone(), status: HostingStatus::Active, time };
        let identity = IdentityEvent { did: did.clone(), handle: Some(handle.clone()), time };
        self.sign_anew(owner, batch, |_, commit| {
            let sync = sync_frame(commit, time)?;
            Ok(vec![Frame::account(&account), Frame::identity(&identity), sync])
        })
        .await
    }

    /// Signs the repository as it is with a new revision, after its key has
    /// changed or its revision must move, and tells of it with a `#commit`
    /// without operations.
    ///
    /// # Errors
    /// [`RepoError`]; [`RepoError::Unmet`] where an expectation of the batch
    /// failed.
    // spec: repository#commit-objects
    pub async fn touch(
        &self,
        owner: &Owner,
        batch: impl Fn() -> Batch + Send,
    ) -> Result<CommitMeta, RepoError> {
        let time = self.world.clock.now();
        self.sign_anew(owner, batch, |before, commit| {
            Ok(vec![empty_commit_frame(before, commit, time)?])
        })
        .await
    }

    async fn sign_anew(
        &self,
        owner: &Owner,
        batch: impl Fn() -> Batch + Send,
        say: impl Fn(&AtHead, &Commit) -> Result<Vec<Frame>, RepoError> + Send,
    ) -> Result<CommitMeta, RepoError> {
        let _guard = self.lock(owner.account).await;
        self.sign_with(owner, Signer::OfAccount, batch, say).await
    }

    /// Signs the repository as it is with a new revision, under the lock that
    /// the caller holds.
    pub(super) async fn sign_with(
        &self,
        owner: &Owner,
        signer: Signer<'_>,
        batch: impl Fn() -> Batch + Send,
        say: impl Fn(&AtHead, &Commit) -> Result<Vec<Frame>, RepoError> + Send,
    ) -> Result<CommitMeta, RepoError> {
        let needs = match signer {
            Signer::OfAccount => Needs::Status(Status::Active),
            Signer::New(_) => Needs::Nothing,
        };
        for _ in 0..ATTEMPTS_MAX {
            let before = self.warm.last_seen(&self.store.db, owner).await?;
            let key = match signer {
                Signer::OfAccount => self.signer(owner).await?,
                Signer::New(new) => new.key.clone(),
            };
            let rev = self.next_rev(&before.head);
            let unsigned = UnsignedCommit::new(owner.did.clone(), before.head.data, rev);
            let commit = unsigned.sign(&key);
            let head = head_of(&commit);
            let change = RepoChange {
                old: Some(before.head.commit_cid),
                needs,
                head: head.clone(),
                puts: Vec::new(),
                deletes: Vec::new(),
            };
            let finished = store::Commit {
                account: owner.account,
                batch: batch(),
                repo: Some(change),
                frames: say(&before, &commit)?,
            };
            match self.commit(owner, finished).await {
                Err(Moved::On) => {}
                Err(Moved::Failed(error)) => return Err(error),
                Ok(()) => {
                    self.warm.put(owner, AtHead { head, tree: before.tree.clone() });
                    return Ok(meta_of(&commit));
                }
            }
        }
        Err(RepoError::Contended)
    }
}

/// Everything that takes the place of a repository.
pub(in crate::service) struct Replacement {
    /// The repository as it was seen under the lock.
    pub current: Arc<AtHead>,
    /// The revision that the new one must come after.
    pub rev_after: Tid,
    /// The new tree.
    pub tree: Tree,
    /// Records that are new or other than before.
    pub puts: Vec<RecordPut>,
    /// Records that are no more.
    pub deletes: Vec<RecordPath>,
    /// Statements that go along.
    pub batch: Batch,
}

impl Repos {
    /// Puts another tree in the place of the account's, whose lock the caller
    /// holds, under a fresh commit. An active account tells of it with a `#sync`.
    ///
    /// # Errors
    /// [`RepoError`].
    pub(in crate::service) async fn replace(
        &self,
        owner: &Owner,
        _guard: &Guard,
        status: Status,
        new: Replacement,
    ) -> Result<CommitMeta, RepoError> {
        let key = self.signer(owner).await?;
        let rev = tid_after(Some(&new.rev_after), self.world.clock.now_us(), self.clock);
        let commit = UnsignedCommit::new(owner.did.clone(), new.tree.root(), rev).sign(&key);
        let head = head_of(&commit);
        let frames = match status {
            Status::Active => vec![sync_frame(&commit, self.world.clock.now())?],
            Status::Deactivated | Status::Suspended | Status::TakenDown => Vec::new(),
        };
        let change = RepoChange {
            old: Some(new.current.head.commit_cid),
            // Whether the network is told depends on it.
            needs: Needs::Status(status),
            head: head.clone(),
            puts: new.puts,
            deletes: new.deletes,
        };
        let mut batch = new.batch;
        subjects::clear(&mut batch, owner.account);
        let finished = store::Commit { account: owner.account, batch, repo: Some(change), frames };
        match self.commit(owner, finished).await {
            Ok(()) => {
                self.warm.put(owner, AtHead { head, tree: new.tree });
                Ok(meta_of(&commit))
            }
            Err(Moved::On) => {
                self.expect_status(owner, status).await?;
                Err(RepoError::Contended)
            }
            Err(Moved::Failed(error)) => Err(error),
        }
    }

    /// Returns the public half of the key that signs the account's repository.
    ///
    /// # Errors
    /// [`RepoError::Key`].
    pub async fn public_key(&self, owner: &Owner) -> Result<PublicKey, RepoError> {
        let key = self.keys.signing_key(owner.account, &owner.did).await?;
        Ok(key.public().clone())
    }
}

/// The `#commit` that changes no record.
pub(super) fn empty_commit_frame(
    before: &AtHead,
    commit: &Commit,
    time: Moment,
) -> Result<Frame, RepoError> {
    let diff = write::apply(&before.tree, &[])?;
    Ok(Frame::commit(&CommitEvent {
        did: commit.did().clone(),
        commit: commit.cid(),
        rev: commit.rev().clone(),
        since: Some(before.head.rev.clone()),
        prev_data: Some(before.head.data),
        ops: Vec::new(),
        blocks: diff.car(commit)?,
        time,
    })?)
}

/// The `#sync` that says where a repository stands.
pub(in crate::service) fn sync_frame(commit: &Commit, time: Moment) -> Result<Frame, RepoError> {
    let (did, rev) = (commit.did().clone(), commit.rev().clone());
    Ok(Frame::sync(&SyncEvent { did, rev, blocks: sync_car(commit), time })?)
}

pub(in crate::service) fn head_of(commit: &Commit) -> Head {
    Head {
        commit_cid: commit.cid(),
        data: commit.data(),
        rev: commit.rev().clone(),
        commit_bytes: commit.bytes().clone(),
    }
}

pub(in crate::service) fn meta_of(commit: &Commit) -> CommitMeta {
    CommitMeta { cid: commit.cid(), rev: commit.rev().clone() }
}
