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

use std::{mem, sync::Arc};

use super::{
    Tree, TreeError,
    block::is_key,
    layer::layer_of,
    node::{Node, NodeEntry, Subtree, next_entry},
};
use crate::atproto::Cid;

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

#[derive(Default)]
enum Child {
    #[default]
    Absent,
    Kept(Arc<Node>),
    Unloaded(Cid),
    Open(Box<Open>),
}

/// A node with its entries laid out for change.
struct Open {
    layer: u8,
    /// The node that this was, if it was one.
    origin: Option<Arc<Node>>,
    left: Child,
    entries: Vec<OpenEntry>,
}

struct OpenEntry {
    key: Box<str>,
    value: Cid,
    right: Child,
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

impl Child {
    /// Lays the node out for change.
    fn open(self) -> Result<Box<Open>, TreeError> {
        match self {
            Self::Open(open) => Ok(open),
            Self::Kept(node) => Ok(Box::new(Open::of(node))),
            Self::Unloaded(cid) => Err(TreeError::Missing { cid }),
            Self::Absent => Err(TreeError::NoSuchKey),
        }
    }

    /// Inserts into this subtree, whose nodes stand on `layer`; the key's layer
    /// is at most that.
    fn insert(self, layer: u8, path: &str, key_layer: u8, value: Cid) -> Result<Self, TreeError> {
        let mut open = match self {
            Self::Absent => Box::new(Open::empty(layer)),
            child => child.open()?,
        };
        let (position, found) = open.position(path);
        let slot = open.slot(position);
        if key_layer < layer {
            *slot = mem::take(slot).insert(layer - 1, path, key_layer, value)?;
            return Ok(Self::Open(open));
        }
        if found {
            return Err(TreeError::KeyExists);
        }
        let (before, after) = mem::take(slot).split(path)?;
        *slot = before;
        let entry = OpenEntry { key: path.into(), value, right: after };
        open.entries.insert(position, entry);
        Ok(Self::Open(open))
    }

    fn update(
        self,
        layer: u8,
        path: &str,
        key_layer: u8,
        value: Cid,
    ) -> Result<(Self, Cid), TreeError> {
        let mut open = self.open()?;
        let (position, found) = open.position(path);
        if key_layer < layer {
            let slot = open.slot(position);
            let (child, before) = mem::take(slot).update(layer - 1, path, key_layer, value)?;
            *slot = child;
            return Ok((Self::Open(open), before));
        }
        if !found || key_layer > layer {
            return Err(TreeError::NoSuchKey);
        }
        let before = mem::replace(&mut open.entries[position].value, value);
        Ok((Self::Open(open), before))
    }

    fn remove(self, layer: u8, path: &str, key_layer: u8) -> Result<(Self, Cid), TreeError> {
        let mut open = self.open()?;
        let (position, found) = open.position(path);
        if key_layer < layer {
            let slot = open.slot(position);
            let (child, before) = mem::take(slot).remove(layer - 1, path, key_layer)?;
            *slot = child;
            return Ok((open.or_absent(), before));
        }
        if !found || key_layer > layer {
            return Err(TreeError::NoSuchKey);
        }
        let entry = open.entries.remove(position);
        let slot = open.slot(position);
        *slot = mem::take(slot).merge(entry.right)?;
        Ok((open.or_absent(), entry.value))
    }

    /// Parts this subtree into what comes before `path` and what comes after.
    fn split(self, path: &str) -> Result<(Self, Self), TreeError> {
        if matches!(self, Self::Absent) {
            return Ok((Self::Absent, Self::Absent));
        }
        let mut before = self.open()?;
        let (position, _) = before.position(path);
        let slot = before.slot(position);
        let (left, right) = mem::take(slot).split(path)?;
        *slot = left;
        let after = Box::new(Open {
            layer: before.layer,
            origin: None,
            left: right,
            entries: before.entries.split_off(position),
        });
        Ok((before.or_absent(), after.or_absent()))
    }

    /// Joins this subtree and the one right after it, of the same layer.
    fn merge(self, after: Self) -> Result<Self, TreeError> {
        match (self, after) {
            (Self::Absent, child) | (child, Self::Absent) => Ok(child),
            (before, after) => {
                let (mut before, after) = (before.open()?, after.open()?);
                let seam = before.slot(before.entries.len());
                *seam = mem::take(seam).merge(after.left)?;
                before.entries.extend(after.entries);
                Ok(Self::Open(before))
            }
        }
    }

    /// Hangs this subtree of layer `from` under nodes without entries, so that
    /// a node of layer `to` can point to it.
    fn hang(self, from: u8, to: u8) -> Self {
        if matches!(self, Self::Absent) {
            return self;
        }
        (from + 1..to).fold(self, |child, layer| {
            let mut open = Open::empty(layer);
            open.left = child;
            Self::Open(Box::new(open))
        })
    }

    fn seal(self, new_nodes: &mut Vec<Arc<Node>>) -> Subtree {
        match self {
            Self::Absent => Subtree::Absent,
            Self::Kept(node) => Subtree::Loaded(node),
            Self::Unloaded(cid) => Subtree::Unloaded(cid),
            Self::Open(open) => Subtree::Loaded(open.seal(new_nodes)),
        }
    }
}

impl From<Subtree> for Child {
    fn from(subtree: Subtree) -> Self {
        match subtree {
            Subtree::Absent => Self::Absent,
            Subtree::Loaded(node) => Self::Kept(node),
            Subtree::Unloaded(cid) => Self::Unloaded(cid),
        }
    }
}

impl Open {
    fn empty(layer: u8) -> Self {
        Self { layer, origin: None, left: Child::Absent, entries: Vec::new() }
    }

    fn of(node: Arc<Node>) -> Self {
        let mut reader = node.reader();
        let mut key = String::new();
        let mut entries = Vec::with_capacity(reader.remaining() + 1);
        while let Some(entry) = next_entry(&mut reader, &mut key) {
            entries.push(OpenEntry {
                key: key.as_str().into(),
                value: entry.value,
                right: node.subtree(entries.len() + 1, entry.right).into(),
            });
        }
        let left = reader.left().expect("a node's block was encoded or checked by us");
        Self {
            layer: node.layer(),
            left: node.subtree(0, left).into(),
            entries,
            origin: Some(node),
        }
    }

    /// Finds the first entry not before `path`, and whether it is `path`.
    fn position(&self, path: &str) -> (usize, bool) {
        let position = self.entries.partition_point(|entry| &*entry.key < path);
        let found = self.entries.get(position).is_some_and(|entry| &*entry.key == path);
        (position, found)
    }

    /// The subtree before the entry at `position`.
    fn slot(&mut self, position: usize) -> &mut Child {
        match position {
            0 => &mut self.left,
            after => &mut self.entries[after - 1].right,
        }
    }

    /// A node with neither entries nor a subtree is no node.
    // spec: repository#mst-structure
    fn or_absent(self: Box<Self>) -> Child {
        if self.entries.is_empty() && matches!(self.left, Child::Absent) {
            Child::Absent
        } else {
            Child::Open(self)
        }
    }

    fn seal(self, new_nodes: &mut Vec<Arc<Node>>) -> Arc<Node> {
        // From right to left, so that the list reversed has the tree's order.
        let mut rights: Vec<Subtree> = Vec::with_capacity(self.entries.len());
        let mut keys = Vec::with_capacity(self.entries.len());
        for entry in self.entries.into_iter().rev() {
            rights.push(entry.right.seal(new_nodes));
            keys.push((entry.key, entry.value));
        }
        let left = self.left.seal(new_nodes);
        let entries: Vec<NodeEntry<'_>> = keys
            .iter()
            .zip(&rights)
            .rev()
            .map(|((key, value), right)| NodeEntry { key: key.as_bytes(), value: *value, right })
            .collect();
        let node = Node::seal(self.layer, &left, &entries);
        match self.origin {
            Some(origin) if origin.cid() == node.cid() => origin,
            _ => {
                new_nodes.push(Arc::clone(&node));
                node
            }
        }
    }
}
