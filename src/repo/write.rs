//! Writes become a difference: what changed in the tree, and everything that a
//! commit has to show about it.
//!
//! [`apply`] is pure: it takes a tree and gives another one, with the record
//! operations, the nodes that are new and the nodes that prove the change. The
//! archive of the event is measured as it will be sent, before anything is
//! signed.
//!
//! Spec: <https://atproto.com/specs/repository#repository-diffs>

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::{
    Commit, Tree, car,
    tree::{Change, NODE_ENTRIES_MAX, Node, TreeError},
};
use crate::atproto::{
    Cid,
    event::{COMMIT_BLOCKS_BYTES_MAX, OPS_MAX, OpChange, RepoOp},
    syntax::RecordPath,
};

/// Bytes of one record's encoding.
// spec: sync#commit-events
pub const RECORD_BYTES_MAX: usize = 1_000_000;
/// Writes of one batch: what one event can tell.
pub const WRITES_MAX: usize = OPS_MAX;

/// An encoded record and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBlock {
    cid: Cid,
    bytes: Bytes,
}

/// What happens to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The path must be free.
    Create(RecordBlock),
    /// The path must be taken.
    Update(RecordBlock),
    /// The path must be taken.
    Delete,
}

/// One record operation that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub path: RecordPath,
    /// What.
    pub action: Action,
}

/// What a batch of writes changes.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The tree after the writes.
    pub tree: Tree,
    /// The root of the tree before.
    pub prev_data: Cid,
    /// What changed, in the order of the writes; an update that changes nothing
    /// is not among it.
    pub ops: Vec<RepoOp>,
    /// The new nodes and those of the covering proofs, each once.
    nodes: Vec<Arc<Node>>,
    /// The records that were created or updated, each once.
    records: Vec<RecordBlock>,
}

/// A batch of writes cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// More writes than one event can tell.
    #[error("{0} writes in one batch; at most {WRITES_MAX} are allowed")]
    TooManyWrites(usize),
    /// Two writes of the batch are about one path.
    #[error("the batch has more than one write to {path}")]
    RepeatedPath {
        /// The path.
        path: RecordPath,
    },
    /// A create met a path that is taken.
    #[error("there is a record at {path} already")]
    RecordExists {
        /// The path.
        path: RecordPath,
    },
    /// An update or a delete met a path that is free.
    #[error("there is no record at {path}")]
    NoSuchRecord {
        /// The path.
        path: RecordPath,
    },
    /// A record's encoding is larger than [`RECORD_BYTES_MAX`].
    #[error("the record has {size_bytes} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    RecordTooLarge {
        /// Bytes of the encoding.
        size_bytes: usize,
    },
    /// The event of the commit would be larger than the stream allows.
    #[error(
        "the commit's blocks take {size_bytes} bytes; at most {COMMIT_BLOCKS_BYTES_MAX} are allowed"
    )]
    EventTooLarge {
        /// Bytes of the archive.
        size_bytes: usize,
    },
    /// The keys were chosen so that one node of the tree grows without bound.
    #[error("a node of the tree would get more than {NODE_ENTRIES_MAX} entries")]
    NodeTooLarge,
    /// A path that the tree cannot hold; a valid [`RecordPath`] is none.
    #[error("the path {path} cannot stand in a repository")]
    BadPath {
        /// The path.
        path: RecordPath,
        /// Why.
        source: TreeError,
    },
}

impl RecordBlock {
    /// Names an encoded record.
    ///
    /// # Errors
    /// [`WriteError::RecordTooLarge`].
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, WriteError> {
        let bytes = bytes.into();
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(WriteError::RecordTooLarge { size_bytes: bytes.len() });
        }
        Ok(Self { cid: Cid::of_dag_cbor(&bytes), bytes })
    }

    /// Returns the record's name.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the encoding.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Applies `writes` in order and returns what changed.
///
/// Paths must be distinct. Pure: `tree` stays as it is and nothing is stored.
///
/// # Errors
/// [`WriteError`] for the first write that cannot be made; nothing of the batch
/// is applied then.
pub fn apply(tree: &Tree, writes: &[Write]) -> Result<Diff, WriteError> {
    if writes.len() > WRITES_MAX {
        return Err(WriteError::TooManyWrites(writes.len()));
    }
    let mut edit = tree.edit();
    let mut ops = Vec::with_capacity(writes.len());
    let mut paths = HashSet::with_capacity(writes.len());
    for write in writes {
        let path = write.path.to_string();
        let change = match &write.action {
            Action::Create(record) => Change::Insert(record.cid),
            Action::Update(record) => Change::Update(record.cid),
            Action::Delete => Change::Remove,
        };
        let (next, before) =
            edit.apply(&path, change).map_err(|error| refusal(write, error, &paths))?;
        edit = next;
        if !paths.insert(path) {
            return Err(WriteError::RepeatedPath { path: write.path.clone() });
        }
        ops.extend(op(write, before));
    }
    let sealed = edit.seal();
    if sealed.new_nodes.iter().any(|node| node.entry_count() > NODE_ENTRIES_MAX) {
        return Err(WriteError::NodeTooLarge);
    }
    Ok(Diff {
        nodes: nodes_to_show(&sealed.tree, sealed.new_nodes, &ops),
        records: records_to_show(writes),
        tree: sealed.tree,
        prev_data: tree.root(),
        ops,
    })
}

/// Says what a failed change means for the write.
fn refusal(write: &Write, error: TreeError, paths: &HashSet<String>) -> WriteError {
    let path = write.path.clone();
    if paths.contains(&path.to_string()) {
        return WriteError::RepeatedPath { path };
    }
    match error {
        TreeError::KeyExists => WriteError::RecordExists { path },
        TreeError::NoSuchKey => WriteError::NoSuchRecord { path },
        source @ (TreeError::BadKey
        | TreeError::NotAscending { .. }
        | TreeError::Missing { .. }) => WriteError::BadPath { path, source },
    }
}

/// Returns what the event says about a write, nothing if nothing changed.
fn op(write: &Write, before: Option<Cid>) -> Option<RepoOp> {
    let change = match (&write.action, before) {
        (Action::Create(record) | Action::Update(record), None) => {
            OpChange::Create { cid: record.cid }
        }
        (Action::Create(record) | Action::Update(record), Some(prev)) => {
            if record.cid == prev {
                return None;
            }
            OpChange::Update { cid: record.cid, prev }
        }
        (Action::Delete, before) => OpChange::Delete { prev: before? },
    };
    Some(RepoOp { path: write.path.clone(), change })
}

fn nodes_to_show(tree: &Tree, new_nodes: Vec<Arc<Node>>, ops: &[RepoOp]) -> Vec<Arc<Node>> {
    let mut seen: HashSet<Cid> = new_nodes.iter().map(|node| node.cid()).collect();
    let mut nodes = new_nodes;
    // A commit without operations still shows the root that it signs.
    let root = Arc::clone(tree.root_node());
    let proofs = ops.iter().flat_map(|op| tree.covering_proof(&op.path.to_string()));
    for node in std::iter::once(root).chain(proofs) {
        if seen.insert(node.cid()) {
            nodes.push(node);
        }
    }
    nodes
}

/// Also shows a record that an update left as it was: it does no harm, and a
/// record that stands at a second path must be shown again.
fn records_to_show(writes: &[Write]) -> Vec<RecordBlock> {
    let mut seen = HashSet::new();
    let records = writes.iter().filter_map(|write| match &write.action {
        Action::Create(record) | Action::Update(record) => Some(record),
        Action::Delete => None,
    });
    records.filter(|record| seen.insert(record.cid)).cloned().collect()
}

impl Diff {
    /// Says whether the writes changed nothing at all.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns the archive that the event of `commit` carries.
    ///
    /// # Errors
    /// [`WriteError::EventTooLarge`], measured on the archive itself.
    pub fn car(&self, commit: &Commit) -> Result<Vec<u8>, WriteError> {
        let mut out = car::header(Some(&commit.cid()));
        let size_bytes = out.len()
            + car::block_bytes(commit.bytes().len())
            + self.blocks().map(|(_, block)| car::block_bytes(block.len())).sum::<usize>();
        if size_bytes > COMMIT_BLOCKS_BYTES_MAX {
            return Err(WriteError::EventTooLarge { size_bytes });
        }
        out.reserve_exact(size_bytes - out.len());
        car::push_block(&mut out, &commit.cid(), commit.bytes());
        for (cid, block) in self.blocks() {
            car::push_block(&mut out, &cid, block);
        }
        Ok(out)
    }

    /// The blocks beside the commit.
    fn blocks(&self) -> impl Iterator<Item = (Cid, &[u8])> {
        let nodes = self.nodes.iter().map(|node| (node.cid(), node.block()));
        let records = self.records.iter().map(|record| (record.cid, &record.bytes[..]));
        nodes.chain(records)
    }

    /// Returns the nodes that the event shows.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }
}

/// Returns the archive of a `#sync` event: the commit alone.
pub fn sync_car(commit: &Commit) -> Vec<u8> {
    let mut out = car::header(Some(&commit.cid()));
    car::push_block(&mut out, &commit.cid(), commit.bytes());
    out
}
