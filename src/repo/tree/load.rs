//! Trees from blocks that somebody else wrote: nothing is believed.
//!
//! Each node is decoded strictly and held to the rules that span nodes: all
//! its keys hash to one layer, a child's layer is its parent's less one, its
//! keys lie between those of the entries around it, and a node without
//! entries stands only between layers. Since the layer falls with every step
//! down, a cycle cannot be walked.
//!
//! Spec: <https://atproto.com/specs/repository#mst-structure>

use std::{io, sync::Arc};

use super::{
    Tree,
    block::{self, Content, NodeError},
    layer::layer_of,
    node::{Node, NodeEntry, Subtree},
};
use crate::{atproto::Cid, repo::Blocks};

/// Layers of a tree that somebody else wrote, at most. A key of this layer
/// takes 2^128 attempts to find.
pub const LAYER_MAX: u8 = 64;

/// Blocks are not a tree.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A node is not in its one encoding.
    #[error("the tree's node {cid}: {source}")]
    Node {
        /// The node.
        cid: Cid,
        /// What is wrong with it.
        source: NodeError,
    },
    /// A node that must be there is not.
    #[error("the tree's node {cid} is missing")]
    Missing {
        /// The node.
        cid: Cid,
    },
    /// A key stands on another layer than its hash says.
    #[error("the key {key} stands on the wrong layer of the tree")]
    WrongLayer {
        /// The key.
        key: String,
    },
    /// A key does not lie between those around its node: the tree is unsorted,
    /// or a node is used twice.
    #[error("the key {key} is out of order in the tree")]
    OutOfOrder {
        /// The key.
        key: String,
    },
    /// A node without entries where none may be: at the bottom, at the top, or
    /// without a subtree.
    #[error("the tree's node {cid} has no entries where it must have some")]
    EmptyNode {
        /// The node.
        cid: Cid,
    },
    /// A node of the lowest layer, or the whole tree, goes deeper than it can.
    #[error("the tree is deeper than its keys or the limit of {LAYER_MAX} layers allow")]
    TooDeep,
    /// The blocks could not be read.
    #[error("blocks could not be read")]
    Unreadable(#[from] io::Error),
}

/// Whether every node must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Partial,
}

/// Where a node must fit in: its layer if known, and the keys around it.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    layer: Option<u8>,
    after: Option<&'a str>,
    before: Option<&'a str>,
}

impl Tree {
    /// Reads the whole tree named `root`, and checks every rule of its form.
    ///
    /// # Errors
    /// [`LoadError`] says which rule was broken where.
    pub fn load(blocks: &dyn Blocks, root: &Cid) -> Result<Self, LoadError> {
        load_root(blocks, root, Extent::Whole)
    }

    /// Reads as much of the tree named `root` as there are blocks for. What is
    /// missing is known by name and is only missed when it is needed.
    ///
    /// Reading a partial tree by anything but [`Tree::edit`] would take missing
    /// parts for empty ones, so it stays inside this room.
    pub(in crate::repo) fn load_partial(
        blocks: &dyn Blocks,
        root: &Cid,
    ) -> Result<Self, LoadError> {
        load_root(blocks, root, Extent::Partial)
    }
}

fn load_root(blocks: &dyn Blocks, root: &Cid, extent: Extent) -> Result<Tree, LoadError> {
    let empty = Tree::empty();
    if *root == empty.root() {
        return Ok(empty);
    }
    let bounds = Bounds { layer: None, after: None, before: None };
    let block = blocks.block(root)?.ok_or(LoadError::Missing { cid: *root })?;
    let root = Loader { blocks, extent }.node(root, &block, bounds)?;
    Ok(Tree::from_root(root))
}

struct Loader<'b> {
    blocks: &'b dyn Blocks,
    extent: Extent,
}

impl Loader<'_> {
    fn node(&self, cid: &Cid, block: &[u8], bounds: Bounds<'_>) -> Result<Arc<Node>, LoadError> {
        let content =
            block::decode_strict(block).map_err(|source| LoadError::Node { cid: *cid, source })?;
        let layer = check_layer(cid, &content, bounds.layer)?;
        check_order(&content, bounds)?;
        let keys = &content.entries;
        let left = Bounds {
            layer: None,
            after: bounds.after,
            before: keys.first().map_or(bounds.before, |entry| Some(&entry.key)),
        };
        let left = self.child(content.left, layer, left)?;
        let mut rights = Vec::with_capacity(keys.len());
        for (index, entry) in keys.iter().enumerate() {
            let between = Bounds {
                layer: None,
                after: Some(&entry.key),
                before: keys.get(index + 1).map_or(bounds.before, |next| Some(&next.key)),
            };
            rights.push(self.child(entry.right, layer, between)?);
        }
        let entries: Vec<_> = keys
            .iter()
            .zip(&rights)
            .map(|(entry, right)| NodeEntry {
                key: entry.key.as_bytes(),
                value: entry.value,
                right,
            })
            .collect();
        Ok(Node::seal(layer, &left, &entries))
    }

    fn child(
        &self,
        link: Option<Cid>,
        parent_layer: u8,
        bounds: Bounds<'_>,
    ) -> Result<Subtree, LoadError> {
        let Some(cid) = link else {
            return Ok(Subtree::Absent);
        };
        let layer = parent_layer.checked_sub(1).ok_or(LoadError::TooDeep)?;
        let Some(block) = self.blocks.block(&cid)? else {
            return match self.extent {
                Extent::Whole => Err(LoadError::Missing { cid }),
                Extent::Partial => Ok(Subtree::Unloaded(cid)),
            };
        };
        let bounds = Bounds { layer: Some(layer), ..bounds };
        self.node(&cid, &block, bounds).map(Subtree::Loaded)
    }
}

/// Returns the node's layer, after checking that all its keys are of it.
fn check_layer(cid: &Cid, content: &Content, expected: Option<u8>) -> Result<u8, LoadError> {
    let layer = match (expected, content.entries.first()) {
        (Some(layer), _) => layer,
        (None, Some(first)) => layer_of(&first.key),
        (None, None) => return Err(LoadError::EmptyNode { cid: *cid }),
    };
    if layer > LAYER_MAX {
        return Err(LoadError::TooDeep);
    }
    if content.entries.is_empty() && content.left.is_none() {
        return Err(LoadError::EmptyNode { cid: *cid });
    }
    match content.entries.iter().find(|entry| layer_of(&entry.key) != layer) {
        Some(entry) => Err(LoadError::WrongLayer { key: entry.key.to_string() }),
        None => Ok(layer),
    }
}

/// Checks the first and the last key; those between are in order already.
fn check_order(content: &Content, bounds: Bounds<'_>) -> Result<(), LoadError> {
    let (Some(first), Some(last)) = (content.entries.first(), content.entries.last()) else {
        return Ok(());
    };
    let out_of_order = |key: &str| Err(LoadError::OutOfOrder { key: key.to_owned() });
    if bounds.after.is_some_and(|after| &*first.key <= after) {
        return out_of_order(&first.key);
    }
    if bounds.before.is_some_and(|before| &*last.key >= before) {
        return out_of_order(&last.key);
    }
    Ok(())
}
