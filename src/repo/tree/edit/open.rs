//! Nodes laid out for change, and what is done to them.

use std::{mem, sync::Arc};

use crate::{
    atproto::Cid,
    repo::tree::{
        TreeError,
        node::{Node, NodeEntry, Subtree, next_entry},
    },
};

#[derive(Default)]
pub(super) enum Child {
    #[default]
    Absent,
    Kept(Arc<Node>),
    Unloaded(Cid),
    Open(Box<Open>),
}

/// A node with its entries laid out for change.
pub(super) struct Open {
    pub layer: u8,
    /// The node that this was, if it was one.
    pub origin: Option<Arc<Node>>,
    pub left: Child,
    pub entries: Vec<OpenEntry>,
}

pub(super) struct OpenEntry {
    pub key: Box<str>,
    pub value: Cid,
    pub right: Child,
}

impl Child {
    /// Lays the node out for change.
    pub fn open(self) -> Result<Box<Open>, TreeError> {
        match self {
            Self::Open(open) => Ok(open),
            Self::Kept(node) => Ok(Box::new(Open::of(node))),
            Self::Unloaded(cid) => Err(TreeError::Missing { cid }),
            Self::Absent => Err(TreeError::NoSuchKey),
        }
    }

    /// Inserts into this subtree, whose nodes stand on `layer`; the key's layer
    /// is at most that.
    pub fn insert(
        self,
        layer: u8,
        path: &str,
        key_layer: u8,
        value: Cid,
    ) -> Result<Self, TreeError> {
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

    pub fn update(
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

    pub fn remove(self, layer: u8, path: &str, key_layer: u8) -> Result<(Self, Cid), TreeError> {
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
    pub fn split(self, path: &str) -> Result<(Self, Self), TreeError> {
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
    pub fn hang(self, from: u8, to: u8) -> Self {
        if matches!(self, Self::Absent) {
            return self;
        }
        (from + 1..to).fold(self, |child, layer| {
            let mut open = Open::empty(layer);
            open.left = child;
            Self::Open(Box::new(open))
        })
    }

    pub fn seal(self, new_nodes: &mut Vec<Arc<Node>>) -> Subtree {
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

    pub fn seal(self, new_nodes: &mut Vec<Arc<Node>>) -> Arc<Node> {
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
