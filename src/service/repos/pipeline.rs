//! The way of every write: look, compute, make durable, remember.
//!
//! The whole way is walked under the repository's lock and no transaction is
//! open while anything is computed. Where another server was faster, what was
//! seen is forgotten and the way begins again.
//!
//! A caller that goes away in the middle does no harm: its commit is durable or
//! it is not, and if the memory is behind afterwards, the next compare-and-set
//! says so.

use std::sync::Arc;

use crate::{
    atproto::{
        Moment,
        crypto::SigningKey,
        data::BlobRef,
        event::{CommitEvent, Frame},
        syntax::Tid,
        tid::tid_after,
    },
    repo::{
        UnsignedCommit,
        write::{self, Action, Diff, Write},
    },
    store::{
        self, CommitError, Needs, RecordPut, RepoChange, StoreError,
        accounts::{self, Status},
        heads::Head,
        subjects::SubjectDigest,
    },
};

use super::{CommitMeta, Owner, RepoError, Repos, subjects::Twins, warm, warm::AtHead};

/// How often a write begins again because another server was faster.
const ATTEMPTS_MAX: u32 = 8;
/// Writes of a batch that are computed where they are; more than these take
/// about a millisecond and go to a blocking thread.
pub(super) const INLINE_WRITES_MAX: usize = 16;
/// Bytes of records that are computed where they are.
const INLINE_BYTES_MAX: usize = 128 * 1024;

/// A write, and what its record refers to.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub write: Write,
    pub blobs: Vec<BlobRef>,
    /// What a like, repost, follow or block points at.
    pub subject: Option<SubjectDigest>,
    /// What happens to older records that point there.
    pub twins: Twins,
}

/// A commit that is computed and not yet durable.
struct Next {
    at_head: AtHead,
    repo: RepoChange,
    frame: Frame,
}

/// What a commit is made from.
struct Inputs {
    seen: Arc<AtHead>,
    writes: Vec<Write>,
    owner: Owner,
    key: SigningKey,
    rev: Tid,
    now: Moment,
}

impl Repos {
    /// Changes a repository as `plan` says when it sees it, and returns the
    /// commit; nothing if nothing changes.
    ///
    /// `plan` is asked again whenever the repository turns out to have moved.
    pub(super) async fn change(
        &self,
        owner: &Owner,
        plan: impl Fn(&AtHead) -> Result<Vec<Planned>, RepoError> + Send,
    ) -> Result<Option<CommitMeta>, RepoError> {
        let _guard = self.lock(owner.account).await;
        for _ in 0..ATTEMPTS_MAX {
            let seen = self.warm.last_seen(&self.store.db, owner).await?;
            let computed = match plan(&seen) {
                Ok(planned) => self.compute(owner, &seen, planned).await,
                Err(error) => Err(error),
            };
            let (next, batch) = match computed {
                Ok(Some(computed)) => computed,
                // A refusal must not rest on a memory that is behind.
                settled => {
                    if warm::is_current(&self.store.db, owner, &seen).await? {
                        return settled.map(|_| None);
                    }
                    self.warm.forget(owner);
                    continue;
                }
            };
            match self.make_durable(owner, next, batch).await {
                Err(Moved::On) => self.expect_status(owner, Status::Active).await?,
                Err(Moved::Failed(error)) => return Err(error),
                Ok(commit) => return Ok(Some(commit)),
            }
        }
        Err(RepoError::Contended)
    }

    /// Computes the next commit and what it does to references to blobs and
    /// subjects; nothing where nothing changes.
    async fn compute(
        &self,
        owner: &Owner,
        seen: &Arc<AtHead>,
        planned: Vec<Planned>,
    ) -> Result<Option<(Next, store::Batch)>, RepoError> {
        if planned.is_empty() {
            return Ok(None);
        }
        let planned = self.without_twins(owner, seen, planned).await?;
        let mut batch = self.blob_changes(owner, &planned).await?;
        self.subject_changes(owner, &planned, &mut batch).await?;
        let key = self.signer(owner).await?;
        let inputs = Inputs {
            seen: Arc::clone(seen),
            writes: planned.into_iter().map(|planned| planned.write).collect(),
            owner: owner.clone(),
            key,
            rev: self.next_rev(&seen.head),
            now: self.world.clock.now(),
        };
        let next = match is_small(&inputs.writes) {
            true => next_commit(inputs)?,
            false => tokio::task::spawn_blocking(move || next_commit(inputs)).await??,
        };
        Ok(next.map(|next| (next, batch)))
    }

    async fn make_durable(
        &self,
        owner: &Owner,
        next: Next,
        batch: store::Batch,
    ) -> Result<CommitMeta, Moved> {
        let commit = store::Commit {
            account: owner.account,
            batch,
            repo: Some(next.repo),
            frames: vec![next.frame],
        };
        self.commit(owner, commit).await?;
        let head = &next.at_head.head;
        let meta = CommitMeta { cid: head.commit_cid, rev: head.rev.clone() };
        self.warm.put(owner, next.at_head);
        Ok(meta)
    }

    /// Hands a finished commit to the store; forgets the tree where it fails.
    pub(super) async fn commit(&self, owner: &Owner, commit: store::Commit) -> Result<(), Moved> {
        let Err(error) = self.store.db.commit(commit).await else { return Ok(()) };
        self.warm.forget(owner);
        // Whoever was faster may have changed the key as well.
        self.keys.forget(owner.account);
        Err(match error {
            CommitError::Stale => Moved::On,
            CommitError::Unmet(unmet) => Moved::Failed(RepoError::Unmet(unmet)),
            CommitError::Store(error) => Moved::Failed(error.into()),
        })
    }

    /// Says after a commit that was not made whether it was for the account's
    /// standing, which may have changed since the caller was let in.
    pub(super) async fn expect_status(
        &self,
        owner: &Owner,
        needed: Status,
    ) -> Result<(), RepoError> {
        let account = accounts::find(&self.store.db, owner.account).await?;
        match account.ok_or(RepoError::NoRepo)?.status() {
            status if status == needed => Ok(()),
            status => Err(RepoError::Standing(status)),
        }
    }

    /// The next revision: now, or just after the last one.
    pub(super) fn next_rev(&self, head: &Head) -> Tid {
        tid_after(Some(&head.rev), self.world.clock.now_us(), self.clock)
    }
}

/// Why a finished commit was not made.
pub(super) enum Moved {
    /// Another server was faster: look again.
    On,
    Failed(RepoError),
}

impl From<StoreError> for Moved {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

fn is_small(writes: &[Write]) -> bool {
    let bytes = |write: &Write| match &write.action {
        Action::Create(record) | Action::Update(record) => record.bytes().len(),
        Action::Delete => 0,
    };
    writes.len() <= INLINE_WRITES_MAX && writes.iter().map(bytes).sum::<usize>() <= INLINE_BYTES_MAX
}

fn next_commit(inputs: Inputs) -> Result<Option<Next>, RepoError> {
    let Inputs { seen, writes, owner, key, rev, now } = inputs;
    let diff = write::apply(&seen.tree, &writes)?;
    if diff.is_empty() {
        return Ok(None);
    }
    let unsigned = UnsignedCommit::new(owner.did.clone(), diff.tree.root(), rev);
    let commit = unsigned.sign(&key);
    let event = CommitEvent {
        did: owner.did,
        commit: commit.cid(),
        rev: commit.rev().clone(),
        since: Some(seen.head.rev.clone()),
        prev_data: Some(diff.prev_data),
        blocks: diff.car(&commit)?,
        ops: diff.ops.clone(),
        time: now,
    };
    let frame = Frame::commit(&event)?;
    let head = super::lifecycle::head_of(&commit);
    let (puts, deletes) = moves(&diff, writes);
    let repo = RepoChange {
        old: Some(seen.head.commit_cid),
        needs: Needs::Status(Status::Active),
        head: head.clone(),
        puts,
        deletes,
    };
    Ok(Some(Next { at_head: AtHead { head, tree: diff.tree }, repo, frame }))
}

/// The rows to write: those of the operations, since an update that changes
/// nothing is none.
fn moves(
    diff: &Diff,
    writes: Vec<Write>,
) -> (Vec<RecordPut>, Vec<crate::atproto::syntax::RecordPath>) {
    let mut changed = diff.ops.iter().map(|op| &op.path).peekable();
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for write in writes {
        // Operations keep the order of the writes.
        if changed.next_if(|path| **path == write.path).is_none() {
            continue;
        }
        match write.action {
            Action::Create(record) | Action::Update(record) => puts.push(RecordPut {
                path: write.path,
                cid: record.cid(),
                value: record.bytes().clone(),
            }),
            Action::Delete => deletes.push(write.path),
        }
    }
    (puts, deletes)
}
