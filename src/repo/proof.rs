//! Proofs: which nodes show that a record is, or is not, in a tree, and what a
//! receiver does with them.
//!
//! A *path proof* is the nodes from the root to where a path is or would be. A
//! *covering proof* adds what lies on both sides of a path that is there, so
//! that a receiver can take the record out again: the two subtrees beside it
//! merge along their seam, which goes down to the nearest neighbours. With the
//! covering proofs of all its operations a commit can be *inverted*: from the
//! new tree's blocks alone one computes the root that the tree had before.
//!
//! Spec: <https://atproto.com/specs/sync#reliable-repository-synchronization>

use std::sync::Arc;

use super::{
    Blocks, Tree,
    tree::{Change, LoadError, Node, Subtree, TreeError},
};
use crate::atproto::{
    Cid,
    event::{OpChange, RepoOp},
};

/// Blocks do not prove what they should.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The blocks are not part of a tree, or the root is missing.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A node on the way is missing, or an operation cannot have happened.
    #[error("the operation on {path} cannot be inverted")]
    Operation {
        /// Where.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// An operation says something else about a record than the tree.
    #[error("the tree does not have the record that the operation on {path} names")]
    OtherRecord {
        /// Where.
        path: String,
    },
    /// A node on the way to a path is missing.
    #[error("the tree's node {cid} is needed and not there")]
    Missing {
        /// The node.
        cid: Cid,
    },
}

/// One of the two sides of a path.
#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

impl Tree {
    /// Returns the nodes from the root to where `path` is or would be: the
    /// proof that it has the record that it has, or none.
    pub fn proof(&self, path: &str) -> Vec<Arc<Node>> {
        let mut nodes = vec![Arc::clone(self.root_node())];
        let mut at = self.root_node();
        loop {
            let (position, found) = at.position(path);
            let Some(child) = at.child(position).filter(|_| found.is_none()) else {
                return nodes;
            };
            nodes.push(Arc::clone(child));
            at = child;
        }
    }

    /// Returns the nodes that a receiver needs to undo a change at `path`, of
    /// which this is the tree after the change.
    // spec: repository#repository-diffs
    pub fn covering_proof(&self, path: &str) -> Vec<Arc<Node>> {
        let mut nodes = self.proof(path);
        let Some(last) = nodes.last().cloned() else {
            return nodes;
        };
        // A neighbour that is not under the path's own entry stands in a node
        // that the path has passed.
        let (position, found) = last.position(path);
        if found.is_some() {
            push_edge(&mut nodes, last.child(position), Side::Before);
            push_edge(&mut nodes, last.child(position + 1), Side::After);
        }
        nodes
    }
}

/// Adds the nodes down the edge of a subtree that lies on `side` of a path.
fn push_edge(nodes: &mut Vec<Arc<Node>>, subtree: Option<&Arc<Node>>, side: Side) {
    let mut next = subtree;
    while let Some(node) = next {
        nodes.push(Arc::clone(node));
        next = match side {
            Side::Before => node.child(node.entry_count()),
            Side::After => node.child(0),
        };
    }
}

/// Returns the record at `path` in the tree named `root`, of which `blocks`
/// need only have the path's proof.
///
/// # Errors
/// [`ProofError`] if the blocks are not part of such a tree, or too few.
pub fn record_in(blocks: &dyn Blocks, root: &Cid, path: &str) -> Result<Option<Cid>, ProofError> {
    let tree = Tree::load_partial(blocks, root)?;
    let mut node = Arc::clone(tree.root_node());
    loop {
        let (position, found) = node.position(path);
        if found.is_some() {
            return Ok(found);
        }
        node = match node.subtree_at(position) {
            Subtree::Absent => return Ok(None),
            Subtree::Loaded(child) => child,
            Subtree::Unloaded(cid) => return Err(ProofError::Missing { cid }),
        };
    }
}

/// Undoes `ops` on the tree named `root`, of which `blocks` need only have the
/// covering proofs, and returns the root from before.
///
/// # Errors
/// [`ProofError`] if the blocks are not part of such a tree or too few, or if
/// the operations cannot have led to it.
pub fn invert(blocks: &dyn Blocks, root: &Cid, ops: &[RepoOp]) -> Result<Cid, ProofError> {
    undo(blocks, root, ops.iter().map(|op| (op.path.to_string(), op.change)))
}

fn undo(
    blocks: &dyn Blocks,
    root: &Cid,
    ops: impl IntoIterator<Item = (String, OpChange)>,
) -> Result<Cid, ProofError> {
    let mut edit = Tree::load_partial(blocks, root)?.edit();
    for (path, change) in ops {
        let (change, expected) = match change {
            OpChange::Create { cid } => (Change::Remove, Some(cid)),
            OpChange::Update { cid, prev } => (Change::Update(prev), Some(cid)),
            OpChange::Delete { prev } => (Change::Insert(prev), None),
        };
        let (next, found) = match edit.apply(&path, change) {
            Ok(applied) => applied,
            Err(source) => return Err(ProofError::Operation { path, source }),
        };
        if found != expected {
            return Err(ProofError::OtherRecord { path });
        }
        edit = next;
    }
    Ok(edit.seal_root())
}

#[cfg(test)]
mod tests;
