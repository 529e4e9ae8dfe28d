//! The check of the log: replay, without building what it gives.
//!
//! Each commit carries the blocks that undo its operations; undone, they must
//! give the tree that it names as the one before. So commits that are chained
//! by their trees, and end at the head, replay to the repository; only the last
//! link of each account is remembered.

use std::collections::HashMap;

use futures_util::TryStreamExt;

use super::{Fault, Report, Scene};
use crate::{
    atproto::{
        Cid,
        event::{COMMIT_BLOCKS_BYTES_MAX, CommitEvent, Message, SyncEvent},
        syntax::Tid,
    },
    repo::{
        blocks::{BlockMap, Blocks},
        car,
        commit::Commit,
        proof,
        tree::Tree,
    },
    store::{AccountId, Event, StoreError, events, sequence},
};

/// What an archive in an event may hold.
const ARCHIVE: car::Limits = car::Limits {
    block_bytes_max: COMMIT_BLOCKS_BYTES_MAX,
    total_bytes_max: COMMIT_BLOCKS_BYTES_MAX as u64,
    blocks_max: 100_000,
};

/// The last commit of an account that the log tells.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) commit: Cid,
    pub(super) rev: Tid,
    data: Cid,
}

/// The last links of all accounts in the log.
pub(super) struct Log {
    ends: HashMap<AccountId, Link>,
}

impl Log {
    /// Reads the whole log.
    pub(super) async fn read(scene: &Scene<'_>, report: &mut Report) -> Result<Self, StoreError> {
        let mut log = Self { ends: HashMap::new() };
        let mut last = 0;
        let mut stream = events::stream(&scene.snapshot);
        while let Some(event) = stream.try_next().await? {
            report.events += 1;
            last = event.seq;
            if let Err((fault, detail)) = log.take(&event) {
                report.find(
                    &format!("event {} of {}", event.seq, event.did.as_str()),
                    fault,
                    detail,
                );
            }
        }
        let given = sequence::last_in(&scene.snapshot).await?;
        if last > given {
            let detail = format!("the last number given is {given}");
            report.find(&format!("event {last}"), Fault::EventWrong, detail);
        }
        Ok(log)
    }

    /// Returns where the log of an account ends.
    pub(super) fn end_of(&self, account: AccountId) -> Option<&Link> {
        self.ends.get(&account)
    }

    fn take(&mut self, event: &Event) -> Result<(), (Fault, String)> {
        let wrong = |detail: String| (Fault::EventWrong, detail);
        let message = Message::decode(&event.bytes).map_err(|e| wrong(e.to_string()))?;
        let (did, kind) = match &message {
            Message::Commit(_, body) => (&body.did, "commit"),
            Message::Sync(_, body) => (&body.did, "sync"),
            Message::Identity(_, body) => (&body.did, "identity"),
            Message::Account(_, body) => (&body.did, "account"),
            _ => return Err(wrong("it is no numbered message".to_owned())),
        };
        if message.seq() != Some(event.seq) || *did != event.did || kind != event.kind.name() {
            return Err(wrong(format!("it says {:?}, {kind}, {}", message.seq(), did.as_str())));
        }
        let link = match &message {
            Message::Commit(_, body) => commit_link(body),
            Message::Sync(_, body) => sync_link(body),
            _ => return Ok(()),
        };
        let link = link.map_err(wrong)?;
        let before = self.ends.insert(event.account, link.clone());
        let Message::Commit(_, body) = &message else { return Ok(()) };
        follow(body, &link, before.as_ref()).map_err(|detail| (Fault::LogBroken, detail))
    }
}

/// Reads the archive of an event, and the commit in it.
fn commit_of(archive: &[u8]) -> Result<(BlockMap, Commit), String> {
    let (roots, blocks) = BlockMap::read_car(archive, ARCHIVE).map_err(|e| e.to_string())?;
    let root = roots.first().ok_or("its archive has no root")?;
    let block = blocks.block(root).map_err(|e| e.to_string())?;
    let block = block.ok_or("its archive lacks the commit")?;
    let commit = Commit::decode(&block).map_err(|e| e.to_string())?;
    Ok((blocks, commit))
}

fn link_of(commit: &Commit) -> Link {
    Link { commit: commit.cid(), rev: commit.rev().clone(), data: commit.data() }
}

fn sync_link(body: &SyncEvent) -> Result<Link, String> {
    let (_, commit) = commit_of(&body.blocks)?;
    match *commit.did() == body.did && *commit.rev() == body.rev {
        true => Ok(link_of(&commit)),
        false => Err("its commit is another's".to_owned()),
    }
}

fn commit_link(body: &CommitEvent) -> Result<Link, String> {
    let (blocks, commit) = commit_of(&body.blocks)?;
    if commit.cid() != body.commit || *commit.did() != body.did || *commit.rev() != body.rev {
        return Err("its commit is another's".to_owned());
    }
    let undone = proof::invert(&blocks, &commit.data(), &body.ops).map_err(|e| e.to_string())?;
    if undone != body.prev_data.unwrap_or_else(|| Tree::empty().root()) {
        return Err("its operations do not lead from the tree before to its own".to_owned());
    }
    Ok(link_of(&commit))
}

/// Checks that a commit follows from the link before, if the log has that.
fn follow(body: &CommitEvent, link: &Link, before: Option<&Link>) -> Result<(), String> {
    let Some(before) = before else { return Ok(()) };
    if body.since.as_ref() != Some(&before.rev) || body.prev_data != Some(before.data) {
        return Err(format!("it does not begin at {}, where the log was", before.rev.as_str()));
    }
    match link.rev.as_str() > before.rev.as_str() {
        true => Ok(()),
        false => Err(format!("its rev is not after {}", before.rev.as_str())),
    }
}
