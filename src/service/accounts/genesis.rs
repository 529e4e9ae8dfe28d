//! The first commit of a repository: signed, empty.

use crate::atproto::Moment;
use crate::atproto::crypto::SigningKey;
use crate::atproto::event::{AccountEvent, CommitEvent, Frame, HostingStatus, IdentityEvent};
use crate::atproto::syntax::{Did, Handle, Tid};
use crate::repo::{Commit, Tree, UnsignedCommit, write};
use crate::store::RepoChange;
use crate::store::heads::Head;

/// An empty repository at its first revision.
pub struct Genesis {
    commit: Commit,
}

impl Genesis {
    /// Signs the empty repository of `did`.
    pub fn sign(did: &Did, rev: Tid, key: &SigningKey) -> Self {
        let unsigned = UnsignedCommit::new(did.clone(), Tree::empty().root(), rev);
        Self { commit: unsigned.sign(key) }
    }

    /// The repository's move, for the committer.
    pub fn change(&self) -> RepoChange {
        RepoChange { old: None, head: head_of(&self.commit), puts: Vec::new(), deletes: Vec::new() }
    }

    /// What the network is told of a new account: who it is, that it is served,
    /// what it holds. In this order: a relay takes no commit of an account that
    /// it does not know to be active.
    // spec: account#account-lifecycle
    pub fn frames(&self, handle: &Handle, time: Moment) -> Vec<Frame> {
        let did = self.commit.did();
        let identity = IdentityEvent { did: did.clone(), handle: Some(handle.clone()), time };
        let account = AccountEvent { did: did.clone(), status: HostingStatus::Active, time };
        let nothing = write::apply(&Tree::empty(), &[]).expect("no writes break no rule");
        let blocks = nothing.car(&self.commit).expect("an empty repository fits into an event");
        let commit = CommitEvent {
            did: did.clone(),
            commit: self.commit.cid(),
            rev: self.commit.rev().clone(),
            since: None,
            prev_data: None,
            ops: Vec::new(),
            blocks,
            time,
        };
        let commit = Frame::commit(&commit).expect("no operations are not too many");
        vec![Frame::identity(&identity), Frame::account(&account), commit]
    }
}

/// The head at which a commit leaves its repository.
pub fn head_of(commit: &Commit) -> Head {
    Head {
        commit_cid: commit.cid(),
        data: commit.data(),
        rev: commit.rev().clone(),
        commit_bytes: commit.bytes().clone(),
    }
}
