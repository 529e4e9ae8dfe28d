//! Single blocks: proofs of records, and whatever is asked for by CID.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::{ExportError, Loaded, corrupt};
use crate::{
    atproto::{Cid, syntax::RecordPath},
    repo::{
        car,
        tree::{Step, Tree},
    },
    store::{AccountId, heads::Head, records},
};

/// Returns the commit, the nodes on the way to `path`, and the record there.
pub(super) async fn record(
    loaded: &Loaded,
    account: AccountId,
    path: &RecordPath,
) -> Result<Vec<u8>, ExportError> {
    let head = &loaded.head;
    let mut out = car::header(Some(&head.commit_cid));
    car::push_block(&mut out, &head.commit_cid, &head.commit_bytes);
    let text = path.to_string();
    for node in loaded.tree.proof(&text) {
        car::push_block(&mut out, &node.cid(), node.block());
    }
    if let Some(cid) = loaded.tree.get(&text) {
        let value = value_at(loaded, account, &text).await?;
        car::push_block(&mut out, &cid, &value);
    }
    Ok(out)
}

/// Returns the blocks with these names, in the order in which they were asked
/// for, without a root.
pub(super) async fn blocks(
    loaded: &Loaded,
    account: AccountId,
    cids: &[Cid],
) -> Result<Vec<u8>, ExportError> {
    let (head, tree, wanted) = (loaded.head.clone(), loaded.tree.clone(), cids.to_vec());
    let places = tokio::task::spawn_blocking(move || find(&head, &tree, &wanted)).await;
    let places = places.map_err(|_| ExportError::Broken)?;
    let mut out = car::header(None);
    let mut sent = HashSet::new();
    for cid in cids.iter().filter(|cid| sent.insert(**cid)) {
        let block = match places.get(cid) {
            Some(Place::Block(block)) => block.clone(),
            Some(Place::Record(path)) => value_at(loaded, account, path).await?,
            None => return Err(ExportError::BlockNotFound(*cid)),
        };
        car::push_block(&mut out, cid, &block);
    }
    Ok(out)
}

/// Where a block is.
enum Place {
    Block(Bytes),
    Record(String),
}

/// Walks the tree for blocks with these names.
fn find(head: &Head, tree: &Tree, cids: &[Cid]) -> HashMap<Cid, Place> {
    let wanted: HashSet<&Cid> = cids.iter().collect();
    let mut places = HashMap::new();
    if wanted.contains(&head.commit_cid) {
        places.insert(head.commit_cid, Place::Block(head.commit_bytes.clone()));
    }
    let mut walk = tree.walk();
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

async fn value_at(loaded: &Loaded, account: AccountId, path: &str) -> Result<Bytes, ExportError> {
    let value = records::find_value_in(&loaded.snapshot, account, path).await?;
    value.ok_or_else(|| corrupt(account, format!("{path} is gone within a snapshot")).into())
}
