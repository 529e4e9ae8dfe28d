//! Is this a repository? The check of an import, where nothing is believed.
//!
//! [`repository`] reads the commit and the whole tree and holds every node to
//! the rules of the form; [`Verified::records`] then gives the records in path
//! order, each one checked as it is read, so that an import of any size needs
//! memory for the tree and for one record. Blocks that the repository does not
//! use are ignored.
//!
//! Whose repository it should be and which key should have signed it is the
//! caller's question: the commit is handed out for that.
//!
//! Spec: <https://atproto.com/specs/repository>

use std::io;

use bytes::Bytes;

use super::{
    Blocks, Commit, Tree,
    commit::CommitError,
    tree::{LoadError, Records},
    write::RECORD_BYTES_MAX,
};
use crate::atproto::{
    Cid,
    data::{DataError, Value},
    syntax::RecordPath,
};

/// A repository whose commit and tree are well formed.
pub struct Verified {
    /// The commit; its signature is not checked here.
    pub commit: Commit,
    /// The whole tree under the commit.
    pub tree: Tree,
}

/// A record of a repository that is being checked.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedRecord {
    /// Where it stands.
    pub path: RecordPath,
    /// Its name.
    pub cid: Cid,
    /// Its encoding, as it came.
    pub bytes: Bytes,
    /// What it says.
    pub value: Value,
}

/// Blocks are not a repository.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The archive does not have the commit that it names as its root.
    #[error("the commit {cid} is missing")]
    NoCommit {
        /// The commit.
        cid: Cid,
    },
    /// The root is not a commit.
    #[error("the root of the CAR: {0}")]
    Commit(#[from] CommitError),
    /// The tree is not one.
    #[error(transparent)]
    Tree(#[from] LoadError),
    /// A key of the tree is not `collection/rkey`.
    #[error("the key {key} of the tree is not a record's path")]
    Path {
        /// The key.
        key: String,
    },
    /// The tree names a record that is not there.
    #[error("the record {cid} at {path} is missing")]
    NoRecord {
        /// Where.
        path: RecordPath,
        /// The record.
        cid: Cid,
    },
    /// A record is larger than one may be.
    #[error("the record at {path} has {size_bytes} bytes; at most {RECORD_BYTES_MAX} are allowed")]
    RecordTooLarge {
        /// Where.
        path: RecordPath,
        /// Bytes of its encoding.
        size_bytes: usize,
    },
    /// A record is not the canonical encoding of a map.
    #[error("the record at {path}: {source}")]
    Record {
        /// Where.
        path: RecordPath,
        /// What is wrong with it.
        source: DataError,
    },
    /// The blocks could not be read.
    #[error("blocks could not be read")]
    Unreadable(#[from] io::Error),
}

/// Reads the repository whose commit is `root` and checks commit and tree.
///
/// # Errors
/// [`VerifyError`] says which rule was broken where.
// spec: repository#security-considerations
pub fn repository(blocks: &dyn Blocks, root: &Cid) -> Result<Verified, VerifyError> {
    let block = blocks.block(root)?.ok_or(VerifyError::NoCommit { cid: *root })?;
    let commit = Commit::decode(&block)?;
    let tree = Tree::load(blocks, &commit.data())?;
    Ok(Verified { commit, tree })
}

impl Verified {
    /// Reads the records in ascending order of paths, checking each.
    pub fn records<'b>(&self, blocks: &'b dyn Blocks) -> VerifiedRecords<'b> {
        VerifiedRecords { blocks, rest: self.tree.records() }
    }
}

/// The records of a repository, checked as they are read.
pub struct VerifiedRecords<'b> {
    blocks: &'b dyn Blocks,
    rest: Records,
}

impl Iterator for VerifiedRecords<'_> {
    type Item = Result<VerifiedRecord, VerifyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, cid) = self.rest.next()?;
        Some(check_record(self.blocks, key, cid))
    }
}

fn check_record(blocks: &dyn Blocks, key: String, cid: Cid) -> Result<VerifiedRecord, VerifyError> {
    let Ok(path) = key.parse::<RecordPath>() else {
        return Err(VerifyError::Path { key });
    };
    let Some(bytes) = blocks.block(&cid)? else {
        return Err(VerifyError::NoRecord { path, cid });
    };
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(VerifyError::RecordTooLarge { path, size_bytes: bytes.len() });
    }
    let value = match Value::decode(&bytes) {
        Ok(value @ Value::Map(_)) => value,
        Ok(_) => {
            let source = DataError::NotAnObject;
            return Err(VerifyError::Record { path, source });
        }
        Err(source) => return Err(VerifyError::Record { path, source }),
    };
    Ok(VerifiedRecord { path, cid, bytes, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        atproto::{
            crypto::{Curve, SigningKey},
            data::cbor::Writer,
            syntax::{Did, Tid},
        },
        repo::{BlockMap, UnsignedCommit, tree::NodeError},
    };

    /// A repository of `records`, with all its blocks.
    fn repo(records: &[(&str, &[u8])]) -> (Cid, BlockMap) {
        let mut blocks = BlockMap::default();
        let records = records.iter().map(|(path, bytes)| (*path, blocks.insert(bytes.to_vec())));
        let tree = Tree::build(records).expect("sorted");
        let mut walk = tree.walk();
        while let Some(step) = walk.advance() {
            if let crate::repo::tree::Step::Node(node) = step {
                blocks.insert(node.block().to_vec());
            }
        }
        let root = commit(&mut blocks, tree.root());
        (root, blocks)
    }

    /// Signs `data` and adds the commit to the blocks.
    fn commit(blocks: &mut BlockMap, data: Cid) -> Cid {
        let key = SigningKey::from_secret(Curve::K256, &[7; 32]).expect("valid");
        let did = Did::new("did:web:example.com".to_owned()).expect("valid");
        let rev = Tid::new("3l4qf2k5xlk22".to_owned()).expect("valid");
        let commit = UnsignedCommit::new(did, data, rev).sign(&key);
        blocks.insert(commit.bytes().clone())
    }

    /// Checks everything; returns the paths of the records.
    fn check(root: Cid, blocks: &BlockMap) -> Result<Vec<String>, VerifyError> {
        let verified = repository(blocks, &root)?;
        verified.records(blocks).map(|record| Ok(record?.path.to_string())).collect()
    }

    /// Encodes a node by hand: the left subtree, then `(prefix, suffix, right)`.
    fn node(left: Option<Cid>, entries: &[(i64, &str, Option<Cid>)]) -> Vec<u8> {
        fn link(w: &mut Writer, cid: Option<Cid>) {
            match cid {
                Some(cid) => w.link(cid.as_bytes()),
                None => w.null(),
            }
        }
        let mut w = Writer::with_capacity(200);
        w.map(2);
        w.text("e");
        w.list(entries.len());
        for (prefix, suffix, right) in entries {
            w.map(4);
            w.text("k");
            w.bytes(suffix.as_bytes());
            w.text("p");
            w.int(*prefix);
            w.text("t");
            link(&mut w, *right);
            w.text("v");
            link(&mut w, Some(Cid::of_dag_cbor(b"\xa0")));
        }
        w.text("l");
        link(&mut w, left);
        w.into_bytes()
    }

    /// What a tree made of these hand-written nodes, the last one its root, is
    /// refused for.
    fn refused(nodes: impl IntoIterator<Item = Vec<u8>>) -> LoadError {
        let mut blocks = BlockMap::default();
        blocks.insert(&b"\xa0"[..]);
        let roots: Vec<Cid> = nodes.into_iter().map(|node| blocks.insert(node)).collect();
        let root = commit(&mut blocks, *roots.last().expect("a root"));
        match check(root, &blocks) {
            Err(VerifyError::Tree(error)) => error,
            other => panic!("not refused for its tree: {other:?}"),
        }
    }

    const POST: &[u8] = b"\xa1\x65$type\x63a.b";
    // By layer, facts of the interop vectors: A0 and B0 on 0, B1 on 1, A2 on 2.
    const A0: &str = "A0/374913";
    const B0: &str = "B0/601692";
    const B1: &str = "B1/986427";
    const A2: &str = "A2/827942";

    #[test]
    fn a_repository_comes_through_in_order() {
        let (root, blocks) = repo(&[
            ("app.bsky.actor.profile/self", POST),
            ("app.bsky.feed.post/3l4qf2k5xlk22", POST),
            ("app.bsky.feed.post/3l4qf2k5xlk23", b"\xa0"),
        ]);
        let paths = check(root, &blocks).expect("a repository");
        assert_eq!(paths.len(), 3);
        assert!(paths.is_sorted());
        let (root, blocks) = repo(&[]);
        assert_eq!(check(root, &blocks).expect("an empty repository").len(), 0);
    }

    #[test]
    fn whatever_is_missing_is_named() {
        let (root, blocks) = repo(&[("app.bsky.feed.post/3l4qf2k5xlk22", POST)]);
        let cids: Vec<Cid> = blocks.cids().copied().collect();
        for cid in cids {
            let mut fewer = blocks.clone();
            fewer.remove(&cid);
            let named = match check(root, &fewer) {
                Err(VerifyError::NoCommit { cid } | VerifyError::NoRecord { cid, .. }) => cid,
                Err(VerifyError::Tree(LoadError::Missing { cid })) => cid,
                other => panic!("{other:?}"),
            };
            assert_eq!(named, cid);
        }
    }

    #[test]
    fn records_that_are_no_records_are_refused() {
        for bytes in [&b"\x80"[..], b"\xa1\x61a\xfb\x3f\xf0\0\0\0\0\0\0", b"\xbf\xff", b""] {
            let (root, blocks) = repo(&[("app.bsky.feed.post/1", bytes)]);
            let refused = check(root, &blocks);
            assert!(matches!(refused, Err(VerifyError::Record { .. })), "{bytes:?}");
        }
        let (root, blocks) = repo(&[("nonsense/1", POST)]);
        assert!(matches!(check(root, &blocks), Err(VerifyError::Path { .. })));
    }

    #[test]
    fn keys_out_of_order_are_refused() {
        let unsorted = node(None, &[(0, B0, None), (0, A0, None)]);
        assert!(matches!(
            refused([unsorted]),
            LoadError::Node { source: NodeError::KeysNotAscending, .. }
        ));
        // The subtree after B1 holds a key that belongs before it.
        let below = node(None, &[(0, A0, None)]);
        let cid = Cid::of_dag_cbor(&below);
        let above = node(None, &[(0, B1, Some(cid))]);
        assert!(matches!(refused([below, above]), LoadError::OutOfOrder { key } if key == A0));
        // One node used on both sides: a cycle in disguise.
        let below = node(None, &[(0, A0, None)]);
        let above = node(Some(cid), &[(0, B1, Some(cid))]);
        assert!(matches!(refused([below, above]), LoadError::OutOfOrder { .. }));
    }

    #[test]
    fn prefixes_are_exact() {
        for entries in [
            // "B0/601692" after "A0/374913" shares nothing; "B0/7" shares "B0/".
            [(0, B0, None), (0, "B0/7", None)],
            [(0, B0, None), (2, "/7", None)],
            [(0, B0, None), (99, "7", None)],
        ] {
            let error = refused([node(None, &entries)]);
            let source = NodeError::PrefixNotExact;
            assert!(matches!(error, LoadError::Node { source: s, .. } if s == source));
        }
    }

    #[test]
    fn layers_are_contiguous() {
        let error = refused([node(None, &[(0, A0, None), (0, B1, None)])]);
        assert!(matches!(error, LoadError::WrongLayer { key } if key == B1));
        // A2 stands two layers above B0: a node without entries is due between.
        let below = node(None, &[(0, B0, None)]);
        let above = node(None, &[(0, A2, Some(Cid::of_dag_cbor(&below)))]);
        assert!(matches!(refused([below, above]), LoadError::WrongLayer { key } if key == B0));
        let below = node(None, &[(0, B0, None)]);
        let above = node(None, &[(0, A0, Some(Cid::of_dag_cbor(&below)))]);
        assert!(matches!(refused([below, above]), LoadError::TooDeep));
    }

    #[test]
    fn empty_nodes_stand_only_between_layers() {
        let below = node(None, &[(0, B0, None)]);
        let top = node(Some(Cid::of_dag_cbor(&below)), &[]);
        assert!(matches!(refused([below, top]), LoadError::EmptyNode { .. }));
        let empty = node(None, &[]);
        let above = node(None, &[(0, B1, Some(Cid::of_dag_cbor(&empty)))]);
        assert!(matches!(refused([empty, above]), LoadError::EmptyNode { .. }));
    }

    #[test]
    fn other_encodings_of_a_node_are_refused() {
        let whole = node(None, &[(0, A0, None)]);
        let mut longer = whole.clone();
        longer.push(0);
        let shorter = whole[..whole.len() - 1].to_vec();
        // The array's length in two bytes instead of one.
        let mut wide = whole.clone();
        wide.splice(3..4, [0x98, 0x01]);
        for block in [longer, shorter, wide, POST.to_vec(), Vec::new()] {
            let error = refused([block]);
            assert!(matches!(error, LoadError::Node { source: NodeError::Malformed, .. }));
        }
    }
}
