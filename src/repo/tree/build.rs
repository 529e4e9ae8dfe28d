//! A tree from its sorted content, in one pass.
//!
//! One open node per layer. A key closes every open node of the layers below
//! its own, because the subtree before it is then complete; so each node is
//! encoded once, and the work is linear.

use std::sync::Arc;

use super::{
    Tree, TreeError,
    block::is_key,
    layer::layer_of,
    node::{Node, NodeEntry, Subtree},
};
use crate::atproto::Cid;

/// Takes `(path, CID)` in ascending order of paths and becomes a [`Tree`].
#[derive(Default)]
pub struct Builder {
    /// The open node of each layer.
    layers: Vec<Open>,
    previous: String,
}

/// A node that still grows.
struct Open {
    left: Subtree,
    /// The entries' keys, one after another.
    keys: String,
    entries: Vec<OpenEntry>,
}

struct OpenEntry {
    /// Where the key ends in [`Open::keys`].
    key_end: usize,
    value: Cid,
    right: Subtree,
}

impl Default for Open {
    fn default() -> Self {
        Self { left: Subtree::Absent, keys: String::new(), entries: Vec::new() }
    }
}

impl Builder {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// [`TreeError::NotAscending`] if `path` does not come after the one
    /// before it in byte order; [`TreeError::BadKey`] if it cannot be a key.
    pub fn push(&mut self, path: &str, cid: Cid) -> Result<(), TreeError> {
        if !is_key(path.as_bytes()) {
            return Err(TreeError::BadKey);
        }
        if path <= self.previous.as_str() {
            return Err(TreeError::NotAscending { path: path.to_owned() });
        }
        path.clone_into(&mut self.previous);
        let layer = usize::from(layer_of(path));
        if self.layers.len() <= layer {
            self.layers.resize_with(layer + 1, Open::default);
        }
        self.close_below(layer);
        self.layers[layer].push(path, cid);
        Ok(())
    }

    /// Closes what is open and returns the tree.
    pub fn finish(mut self) -> Tree {
        let top = self.layers.iter().rposition(|open| !open.entries.is_empty());
        let Some(top) = top else {
            return Tree::empty();
        };
        self.close_below(top);
        Tree::from_root(self.layers[top].close(top))
    }

    /// Closes every open node under `layer` into the one above it.
    fn close_below(&mut self, layer: usize) {
        for below in 0..layer {
            if self.layers[below].is_empty() {
                continue;
            }
            let node = self.layers[below].close(below);
            self.layers[below + 1].attach(node);
        }
    }
}

impl Open {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && matches!(self.left, Subtree::Absent)
    }

    fn push(&mut self, path: &str, value: Cid) {
        self.keys.push_str(path);
        self.entries.push(OpenEntry { key_end: self.keys.len(), value, right: Subtree::Absent });
    }

    /// Takes the finished subtree that follows the last entry.
    fn attach(&mut self, node: Arc<Node>) {
        let place = match self.entries.last_mut() {
            Some(entry) => &mut entry.right,
            None => &mut self.left,
        };
        *place = Subtree::Loaded(node);
    }

    /// Seals this node and leaves it empty, with its memory kept for the next.
    fn close(&mut self, layer: usize) -> Arc<Node> {
        let mut starts = 0;
        let keys = self.keys.as_bytes();
        let entries = self.entries.iter().map(|entry| {
            let key = &keys[starts..entry.key_end];
            starts = entry.key_end;
            NodeEntry { key, value: entry.value, right: &entry.right }
        });
        let entries: Vec<_> = entries.collect();
        let layer = u8::try_from(layer).expect("a layer is at most 128");
        let node = Node::seal(layer, &self.left, &entries);
        self.left = Subtree::Absent;
        self.keys.clear();
        self.entries.clear();
        node
    }
}
