//! A node in memory: its block, its name, and the nodes below it.
//!
//! The block itself is the compact form (keys are prefix-compressed in it), so
//! a node keeps nothing else of its entries; a tree costs about 115 bytes per
//! record. Nodes never change: an edit makes new ones and shares the rest.

use std::sync::Arc;

use super::block::{self, BlockReader, EntryIn, RawEntry};
use crate::atproto::Cid;

/// What a node costs beside its block and its children: the fields, the
/// reference counts, and what the allocator keeps.
const NODE_OVERHEAD_BYTES: usize = 144;

/// One node of a [`super::Tree`]; immutable, shared between versions of it.
pub struct Node {
    cid: Cid,
    layer: u8,
    /// Records in this node and below.
    records: usize,
    /// Memory of this node and of those below.
    size_bytes: usize,
    block: Box<[u8]>,
    /// The subtree before the first entry, then the one after each entry;
    /// empty where there are none. `None` beside a link in the block means
    /// that the subtree was not loaded, which only happens in partial trees.
    children: Box<[Option<Arc<Node>>]>,
}

/// A subtree that a node points to.
pub(in crate::repo) enum Subtree {
    Absent,
    Loaded(Arc<Node>),
    /// Known by name only: the rest of a partial tree.
    Unloaded(Cid),
}

/// An entry on its way into a node.
pub(super) struct NodeEntry<'a> {
    pub key: &'a [u8],
    pub value: Cid,
    pub right: &'a Subtree,
}

impl Subtree {
    pub fn cid(&self) -> Option<Cid> {
        match self {
            Self::Absent => None,
            Self::Loaded(node) => Some(node.cid),
            Self::Unloaded(cid) => Some(*cid),
        }
    }

    /// Returns the node if it is here.
    pub fn loaded(self) -> Option<Arc<Node>> {
        match self {
            Self::Loaded(node) => Some(node),
            Self::Absent | Self::Unloaded(_) => None,
        }
    }

    fn node(&self) -> Option<Arc<Node>> {
        match self {
            Self::Loaded(node) => Some(Arc::clone(node)),
            Self::Absent | Self::Unloaded(_) => None,
        }
    }
}

impl Node {
    /// Encodes and names a node.
    pub(super) fn seal(layer: u8, left: &Subtree, entries: &[NodeEntry<'_>]) -> Arc<Self> {
        let block = block::encode(
            left.cid(),
            entries.iter().map(|entry| EntryIn {
                key: entry.key,
                value: entry.value,
                right: entry.right.cid(),
            }),
        );
        let mut children = Vec::new();
        if layer > 0 {
            children.reserve_exact(entries.len() + 1);
            children.push(left.node());
            children.extend(entries.iter().map(|entry| entry.right.node()));
        }
        let mut records = entries.len();
        let mut size_bytes = NODE_OVERHEAD_BYTES + block.len() + children.len() * 8;
        for child in children.iter().flatten() {
            records += child.records;
            size_bytes += child.size_bytes;
        }
        Arc::new(Self {
            cid: Cid::of_dag_cbor(&block),
            layer,
            records,
            size_bytes,
            block,
            children: children.into_boxed_slice(),
        })
    }

    /// Returns the name of this node.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the encoded node, as it stands in archives.
    pub fn block(&self) -> &[u8] {
        &self.block
    }

    /// Returns how many layers lie below this node.
    pub fn layer(&self) -> u8 {
        self.layer
    }

    /// Counts the records in this node and below it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Counts the entries of this node itself.
    pub fn entry_count(&self) -> usize {
        self.reader().remaining()
    }

    /// Estimates the memory of this node and of those below it.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Returns the loaded subtree at `position`: 0 before the first entry, `n`
    /// after entry `n - 1`.
    pub(in crate::repo) fn child(&self, position: usize) -> Option<&Arc<Self>> {
        self.children.get(position)?.as_ref()
    }

    /// Returns the subtree at `position` as the block names it.
    pub(in crate::repo) fn subtree_at(&self, position: usize) -> Subtree {
        let mut reader = self.reader();
        let mut index = 0;
        loop {
            match reader.entry() {
                Ok(Some(entry)) => {
                    index += 1;
                    if index == position {
                        return self.subtree(position, entry.right);
                    }
                }
                Ok(None) | Err(_) => return self.subtree(0, reader.left().ok().flatten()),
            }
        }
    }

    /// Returns the subtree at `position`, whose link in the block is `link`.
    pub(super) fn subtree(&self, position: usize, link: Option<Cid>) -> Subtree {
        match (self.child(position), link) {
            (Some(node), _) => Subtree::Loaded(Arc::clone(node)),
            (None, Some(cid)) => Subtree::Unloaded(cid),
            (None, None) => Subtree::Absent,
        }
    }

    /// Reads the block from its start.
    pub(super) fn reader(&self) -> BlockReader<'_> {
        BlockReader::new(&self.block).expect("a node's block was encoded or checked by us")
    }

    /// Visits the entries with their whole keys until `visit` returns false.
    pub(super) fn visit_entries(&self, mut visit: impl FnMut(usize, &str, &RawEntry<'_>) -> bool) {
        let mut reader = self.reader();
        let mut key = String::new();
        let mut index = 0;
        while let Some(entry) = next_entry(&mut reader, &mut key) {
            if !visit(index, &key, &entry) {
                return;
            }
            index += 1;
        }
    }

    /// Finds where `key` stands in this node: the index of the first entry that
    /// is not before it, and that entry's value if it is `key` itself.
    pub(in crate::repo) fn position(&self, key: &str) -> (usize, Option<Cid>) {
        let mut found = (0, None);
        self.visit_entries(|index, at, entry| {
            if at >= key {
                found = (index, (at == key).then_some(entry.value));
                return false;
            }
            found = (index + 1, None);
            true
        });
        found
    }
}

/// Reads the next entry of a block of ours; `key` becomes its whole key.
pub(super) fn next_entry<'a>(
    reader: &mut BlockReader<'a>,
    key: &mut String,
) -> Option<RawEntry<'a>> {
    let entry = reader.entry().expect("a node's block was encoded or checked by us")?;
    let suffix = std::str::from_utf8(entry.suffix).expect("keys of a tree are ASCII");
    key.truncate(entry.prefix);
    key.push_str(suffix);
    Some(entry)
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("cid", &self.cid)
            .field("layer", &self.layer)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
