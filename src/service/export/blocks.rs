//! Single blocks: proofs of records, and whatever is asked for by CID.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::ExportError;
use crate::{
    atproto::{
        Cid,
        syntax::{InvalidRecordPath, RecordPath},
    },
    repo::{car, tree::Step},
    service::repos::{AtHead, Owner},
    store::{Db, StoreError, records},
};

/// What a look at a repository brought.
pub(super) enum Found {
    /// The blocks, as an archive.
    Archive(Vec<u8>),
    /// The repository has moved since its tree was looked at.
    Moved,
}

/// Returns the commit, the nodes on the way to `path`, and the record there.
pub(super) async fn record(
    db: &Db,
    owner: &Owner,
    repo: &AtHead,
    path: &RecordPath,
) -> Result<Found, ExportError> {
    let head = &repo.head;
    let mut out = car::header(Some(&head.commit_cid));
    car::push_block(&mut out, &head.commit_cid, &head.commit_bytes);
    let text = path.to_string();
    for node in repo.tree.proof(&text) {
        car::push_block(&mut out, &node.cid(), node.block());
    }
    if let Some(cid) = repo.tree.get(&text) {
        let Some(value) = value_at(db, owner, path, cid).await? else { return Ok(Found::Moved) };
        car::push_block(&mut out, &cid, &value);
    }
    Ok(Found::Archive(out))
}

/// Returns the blocks with these names, in the order in which they were asked
/// for, without a root.
pub(super) async fn blocks(
    db: &Db,
    owner: &Owner,
    repo: &std::sync::Arc<AtHead>,
    cids: &[Cid],
) -> Result<Found, ExportError> {
    let (looked_at, wanted) = (repo.clone(), cids.to_vec());
    let places = tokio::task::spawn_blocking(move || find(&looked_at, &wanted)).await?;
    let mut out = car::header(None);
    let mut sent = HashSet::new();
    for cid in cids.iter().filter(|cid| sent.insert(**cid)) {
        let block = match places.get(cid) {
            Some(Place::Block(block)) => block.clone(),
            Some(Place::Record(path)) => {
                let invalid = |error: InvalidRecordPath| super::corrupt(owner, error.to_string());
                let path = path.parse().map_err(invalid)?;
                let value = value_at(db, owner, &path, *cid).await?;
                let Some(value) = value else { return Ok(Found::Moved) };
                value
            }
            None => return Err(ExportError::BlockNotFound(*cid)),
        };
        car::push_block(&mut out, cid, &block);
    }
    Ok(Found::Archive(out))
}

/// Where a block is.
enum Place {
    Block(Bytes),
    Record(String),
}

/// Walks the tree for blocks with these names.
fn find(repo: &AtHead, cids: &[Cid]) -> HashMap<Cid, Place> {
    let wanted: HashSet<&Cid> = cids.iter().collect();
    let mut places = HashMap::new();
    if wanted.contains(&repo.head.commit_cid) {
        places.insert(repo.head.commit_cid, Place::Block(repo.head.commit_bytes.clone()));
    }
    let mut walk = repo.tree.walk();
    while places.len() < wanted.len() {
        match walk.advance() {
            None => break,
            Some(Step::Node(node)) if wanted.contains(&node.cid()) => {
                let block = Bytes::copy_from_slice(node.block());
                places.insert(node.cid(), Place::Block(block));
            }
            Some(Step::Record { path, cid }) if wanted.contains(&cid) => {
                places.insert(cid, Place::Record(path.to_owned()));
            }
            Some(_) => {}
        }
    }
    places
}

/// Reads the record at `path` if it still is the one with this name.
async fn value_at(
    db: &Db,
    owner: &Owner,
    path: &RecordPath,
    cid: Cid,
) -> Result<Option<Bytes>, StoreError> {
    let record = records::find(db, owner.account, path).await?;
    Ok(record.filter(|record| record.cid == cid).map(|record| record.value))
}
