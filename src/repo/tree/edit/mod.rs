//! Changes to a tree: what an edit touches is opened, the rest is shared.
//!
//! An [`Edit`] opens nodes as it needs them, works on them in place, and
//! encodes each touched node once, when it is sealed: a batch of two hundred
//! writes hashes the root once.
//!
//! The tricky bits:
//! - a key may belong to a layer above or below the node that is at hand. A
//!   high key splits every node under it in two; a low key may need a chain of
//!   nodes without entries to hang from;
//! - after a removal the two subtrees beside the entry become neighbours and
//!   are merged, all the way down along the seam;
//! - a node that lost its last entry and its subtree vanishes, upwards; a root
//!   without entries is replaced by its only subtree, repeatedly;
//! - the tree may be partial (built from the blocks of one event): an edit that
//!   needs a node which is not there fails with its name.
//!
//! Spec: <https://atproto.com/specs/repository#mst-structure>

mod open;

use std::{mem, sync::Arc};

use super::{Tree, TreeError, block::is_key, layer::layer_of, node::Node};
use crate::atproto::Cid;
use open::{Child, Open, OpenEntry};

/// What happens to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The path must be free; it gets this record.
    Insert(Cid),
    /// The path must be taken; it gets this record.
    Update(Cid),
    /// The path must be taken; it becomes free.
    Remove,
}

/// A tree that is being changed.
pub struct Edit {
    root: Child,
    /// The layer of `root`; nothing if there is no root.
    layer: u8,
    /// The tree's root before the edit.
    origin: Arc<Node>,
}

/// What an edit made.
#[derive(Debug)]
pub struct Sealed {
    /// The tree after the edit.
    pub tree: Tree,
    /// The nodes that the tree before did not have, each before those below it.
    pub new_nodes: Vec<Arc<Node>>,
}

impl Edit {
    /// Starts from `tree`, which stays as it is.
    pub(super) fn new(tree: &Tree) -> Self {
        let origin = Arc::clone(tree.root_node());
        let root = if tree.is_empty() { Child::Absent } else { Child::Kept(Arc::clone(&origin)) };
        Self { root, layer: origin.layer(), origin }
    }

    /// Makes one change and returns the record that was at `path` before.
    ///
    /// # Errors
    /// [`TreeError::KeyExists`], [`TreeError::NoSuchKey`], [`TreeError::BadKey`],
    /// and [`TreeError::Missing`] in a partial tree. After an error the edit
    /// is spent.
    pub fn apply(mut self, path: &str, change: Change) -> Result<(Self, Option<Cid>), TreeError> {
        if !is_key(path.as_bytes()) {
            return Err(TreeError::BadKey);
        }
        let key_layer = layer_of(path);
        let root = mem::take(&mut self.root);
        let before = match change {
            Change::Insert(value) => {
                self.insert(root, path, key_layer, value)?;
                None
            }
            Change::Update(value) => {
                let (root, before) = root.update(self.layer, path, key_layer, value)?;
                self.root = root;
                Some(before)
            }
            Change::Remove => {
                let (root, before) = root.remove(self.layer, path, key_layer)?;
                self.root = root;
                self.trim()?;
                Some(before)
            }
        };
        Ok((self, before))
    }

    /// Encodes and names what changed.
    pub fn seal(self) -> Sealed {
        let mut new_nodes = Vec::new();
        let root = match self.root {
            Child::Absent => None,
            root => root.seal(&mut new_nodes).loaded(),
        };
        let tree = match root {
            Some(root) => Tree::from_root(root),
            None => {
                let tree = Tree::empty();
                if self.origin.cid() != tree.root() {
                    new_nodes.push(Arc::clone(tree.root_node()));
                }
                tree
            }
        };
        new_nodes.reverse();
        Sealed { tree, new_nodes }
    }

    /// Encodes what changed and returns the root's name, which a partial tree
    /// may know without having the root.
    pub fn seal_root(self) -> Cid {
        match self.root {
            Child::Absent => Tree::empty().root(),
            root => root.seal(&mut Vec::new()).cid().unwrap_or_else(|| Tree::empty().root()),
        }
    }

    fn insert(
        &mut self,
        root: Child,
        path: &str,
        key_layer: u8,
        value: Cid,
    ) -> Result<(), TreeError> {
        let taller = matches!(root, Child::Absent) || key_layer > self.layer;
        if !taller {
            self.root = root.insert(self.layer, path, key_layer, value)?;
            return Ok(());
        }
        let (before, after) = root.split(path)?;
        let (from, to) = (self.layer, key_layer);
        self.layer = key_layer;
        self.root = Child::Open(Box::new(Open {
            layer: key_layer,
            origin: None,
            left: before.hang(from, to),
            entries: vec![OpenEntry { key: path.into(), value, right: after.hang(from, to) }],
        }));
        Ok(())
    }

    /// Takes off roots without entries.
    // spec: repository#mst-structure
    fn trim(&mut self) -> Result<(), TreeError> {
        loop {
            let entryless = match &self.root {
                Child::Open(open) => open.entries.is_empty(),
                Child::Kept(node) => node.reader().remaining() == 0,
                Child::Absent | Child::Unloaded(_) => false,
            };
            if !entryless {
                return Ok(());
            }
            self.root = mem::take(&mut self.root).open()?.left;
            self.layer = self.layer.saturating_sub(1);
        }
    }
}
