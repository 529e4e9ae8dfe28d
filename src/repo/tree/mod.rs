//! The Merkle search tree of a repository, in memory.
//!
//! A [`Tree`] maps paths (`collection/rkey`) to the CIDs of records. Its shape
//! depends on the content alone: the hash of a path says on which layer it
//! stands, so that whoever holds the same records computes the same root. The
//! tree is never stored; it is built from a sorted scan ([`Builder`]), changed
//! by path copying ([`Edit`]), and walked for export ([`Walk`]).
//!
//! Cloning a tree costs nothing: versions share their nodes, and a node never
//! changes. It costs about 115 bytes per record.
//!
//! The tricky bits:
//! - a node without entries exists only between layers, and always has a left
//!   subtree; the root has entries, unless the whole tree is empty;
//! - the order is the byte order of whole paths, which is not the order by
//!   collection and then by key (`a.b-c/x` comes before `a.b/x`);
//! - the prefix of a key is counted from the key before it in the same node.
//!
//! Spec: <https://atproto.com/specs/repository#mst-structure>

mod block;
mod build;
mod edit;
mod layer;
mod load;
mod node;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

pub use block::{KEY_BYTES_MAX, NODE_ENTRIES_MAX, NodeError};
pub use build::Builder;
pub use edit::{Change, Edit, Sealed};
pub use layer::{layer_of, shared_prefix};
pub use load::{LAYER_MAX, LoadError};
pub use node::Node;
pub use walk::{Records, Step, Walk};

use crate::atproto::Cid;
pub(in crate::repo) use node::Subtree;

/// A persistent map from paths to record CIDs with a root that names it all.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Arc<Node>,
}

/// What a tree refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A bulk build got a path that does not come after the one before it.
    #[error("the path {path} does not come after the one before it")]
    NotAscending {
        /// The path.
        path: String,
    },
    /// Empty, longer than [`KEY_BYTES_MAX`], or not ASCII.
    #[error("a path is empty, longer than {KEY_BYTES_MAX} bytes or not ASCII")]
    BadKey,
    /// An insert met a path that is taken.
    #[error("the path is taken")]
    KeyExists,
    /// An update or a removal met a path that is free.
    #[error("the path is free")]
    NoSuchKey,
    /// A partial tree lacks a node that is needed.
    #[error("the tree's node {cid} is needed and not there")]
    Missing {
        /// The node.
        cid: Cid,
    },
}

impl Tree {
    /// Returns the tree without records.
    pub fn empty() -> Self {
        static EMPTY: OnceLock<Arc<Node>> = OnceLock::new();
        let root = EMPTY.get_or_init(|| Node::seal(0, &Subtree::Absent, &[]));
        Self { root: Arc::clone(root) }
    }

    /// Builds a tree from its records in ascending order of paths.
    ///
    /// # Errors
    /// Those of [`Builder::push`].
    pub fn build<P: AsRef<str>>(
        records: impl IntoIterator<Item = (P, Cid)>,
    ) -> Result<Self, TreeError> {
        let mut builder = Builder::new();
        for (path, cid) in records {
            builder.push(path.as_ref(), cid)?;
        }
        Ok(builder.finish())
    }

    /// Returns the name of the whole tree: a commit's `data`.
    pub fn root(&self) -> Cid {
        self.root.cid()
    }

    /// Counts the records.
    pub fn len(&self) -> usize {
        self.root.records()
    }

    /// Says whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Estimates the memory that this tree holds, shared nodes included.
    pub fn size_bytes(&self) -> usize {
        self.root.size_bytes()
    }

    /// Returns the record at `path`.
    pub fn get(&self, path: &str) -> Option<Cid> {
        let mut node = &self.root;
        loop {
            let (position, found) = node.position(path);
            if found.is_some() {
                return found;
            }
            node = node.child(position)?;
        }
    }

    /// Starts a batch of changes.
    pub fn edit(&self) -> Edit {
        Edit::new(self)
    }

    /// Walks nodes and records in the order of a streamable archive.
    pub fn walk(&self) -> Walk {
        Walk::new(Arc::clone(&self.root))
    }

    /// Lists the records in ascending order of paths.
    pub fn records(&self) -> Records {
        Records::new(self.walk())
    }

    /// Returns the root.
    pub(in crate::repo) fn root_node(&self) -> &Arc<Node> {
        &self.root
    }

    fn from_root(root: Arc<Node>) -> Self {
        Self { root }
    }
}
