//! What proofs must contain, and what a strict receiver makes of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::{
    atproto::{
        crypto::{Curve, SigningKey},
        interop,
        syntax::{Did, RecordPath, Tid},
    },
    repo::{
        BlockMap, UnsignedCommit, car,
        tree::{layer_of, shared_prefix},
        write::{self, Action, Diff, RecordBlock, Write, WriteError},
    },
};

/// One commit of the vectors: what the tree has, what changes, what is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitProof {
    comment: String,
    leaf_value: Cid,
    keys: Vec<String>,
    adds: Vec<String>,
    dels: Vec<String>,
    root_before_commit: Cid,
    root_after_commit: Cid,
    blocks_in_proof: BTreeSet<Cid>,
}

#[derive(Deserialize)]
struct Vectors {
    example_keys: Vec<String>,
    key_heights: Vec<(String, u8)>,
    common_prefix: Vec<(String, String, usize)>,
    commit_proofs: Vec<CommitProof>,
}

fn carried() -> Vectors {
    let text = include_str!("../../../tests/vectors/tree.json");
    serde_json::from_str(text).expect("the vectors are JSON of this shape")
}

fn check_commit_proof(case: &CommitProof) {
    let name = &case.comment;
    let leaf = case.leaf_value;
    let before = Tree::build(case.keys.iter().map(|key| (key, leaf))).expect("sorted");
    assert_eq!(before.root(), case.root_before_commit, "{name}");
    let mut edit = before.edit();
    for key in &case.adds {
        edit = edit.apply(key, Change::Insert(leaf)).expect("free").0;
    }
    for key in &case.dels {
        edit = edit.apply(key, Change::Remove).expect("taken").0;
    }
    let after = edit.seal().tree;
    assert_eq!(after.root(), case.root_after_commit, "{name}");
    let changed = || case.adds.iter().chain(&case.dels);
    let mut blocks = BlockMap::default();
    for node in changed().flat_map(|key| after.covering_proof(key)) {
        blocks.insert(node.block().to_vec());
    }
    let shown: BTreeSet<Cid> = blocks.cids().copied().collect();
    assert_eq!(shown, case.blocks_in_proof, "{name}");
    let added = |key: &String| (key.clone(), OpChange::Create { cid: leaf });
    let deleted = |key: &String| (key.clone(), OpChange::Delete { prev: leaf });
    let ops = case.adds.iter().map(added).chain(case.dels.iter().map(deleted));
    let root = undo(&blocks, &after.root(), ops).expect("the proof suffices");
    assert_eq!(root, before.root(), "{name}");
}

#[test]
fn the_carried_vectors_hold() {
    let vectors = carried();
    assert_eq!(vectors.example_keys.len(), 156);
    for key in &vectors.example_keys {
        assert_eq!(layer_of(key).to_string(), key[1..2], "{key}");
    }
    for (key, height) in &vectors.key_heights {
        assert_eq!(layer_of(key), *height, "{key}");
    }
    for (left, right, shared) in &vectors.common_prefix {
        assert_eq!(shared_prefix(left.as_bytes(), right.as_bytes()), *shared);
    }
    assert_eq!(vectors.commit_proofs.len(), 6);
    vectors.commit_proofs.iter().for_each(check_commit_proof);
}

/// The interop suite itself, where `FREEHOLD_INTEROP_DIR` points to it.
#[test]
fn the_interop_vectors_hold() {
    let Some(proofs) = interop::read("firehose/commit-proof-fixtures.json") else {
        return;
    };
    let proofs: Vec<CommitProof> = serde_json::from_str(&proofs).expect("of this shape");
    assert!(!proofs.is_empty());
    proofs.iter().for_each(check_commit_proof);

    #[derive(Deserialize)]
    struct Height {
        key: String,
        height: u8,
    }
    let heights = interop::read("mst/key_heights.json").expect("beside the others");
    let heights: Vec<Height> = serde_json::from_str(&heights).expect("of this shape");
    for Height { key, height } in heights {
        assert_eq!(layer_of(&key), height, "{key}");
    }

    #[derive(Deserialize)]
    struct Prefix {
        left: String,
        right: String,
        len: usize,
    }
    let prefixes = interop::read("mst/common_prefix.json").expect("beside the others");
    let prefixes: Vec<Prefix> = serde_json::from_str(&prefixes).expect("of this shape");
    for Prefix { left, right, len } in prefixes {
        assert_eq!(shared_prefix(left.as_bytes(), right.as_bytes()), len);
    }

    let keys = interop::read("mst/example_keys.txt").expect("beside the others");
    for key in keys.lines().filter(|key| !key.is_empty()) {
        assert_eq!(layer_of(key).to_string(), key[1..2], "{key}");
    }
}

fn path(number: u32) -> RecordPath {
    let collection = ["app.bsky.feed.like", "app.bsky.feed.post", "app.bsky-x.feed"];
    let collection = collection[number as usize % collection.len()];
    let text = format!("{collection}/3l{number:06x}");
    text.parse().expect("a valid path")
}

fn record(value: u32) -> RecordBlock {
    RecordBlock::new(value.to_be_bytes().to_vec()).expect("small")
}

/// A batch against `model`: what is there is updated or deleted, what is not
/// is created.
fn batch(model: &BTreeMap<String, u32>, wanted: &BTreeMap<u32, (u8, u32)>) -> Vec<Write> {
    let write = |(&number, &(action, value)): (&u32, &(u8, u32))| {
        let path = path(number);
        let action = match (model.contains_key(&path.to_string()), action) {
            (false, _) => Action::Create(record(value)),
            (true, 0) => Action::Update(record(value)),
            (true, _) => Action::Delete,
        };
        Write { path, action }
    };
    wanted.iter().map(write).collect()
}

fn tree_of(model: &BTreeMap<String, u32>) -> Tree {
    Tree::build(model.iter().map(|(path, value)| (path, record(*value).cid()))).expect("sorted")
}

/// The blocks of the event of `diff`, as a receiver reads them.
fn received(diff: &Diff) -> (Cid, BlockMap) {
    let key = SigningKey::from_secret(Curve::K256, &[7; 32]).expect("valid");
    let did = Did::new("did:web:example.com".to_owned()).expect("valid");
    let rev = Tid::new("3l4qf2k5xlk22".to_owned()).expect("valid");
    let commit = UnsignedCommit::new(did, diff.tree.root(), rev).sign(&key);
    let archive = diff.car(&commit).expect("within the limits");
    let limits = car::Limits {
        block_bytes_max: write::RECORD_BYTES_MAX,
        total_bytes_max: 2_000_000,
        blocks_max: 100_000,
    };
    let (roots, blocks) = BlockMap::read_car(&archive, limits).expect("an archive");
    assert_eq!(roots, [commit.cid()]);
    (commit.data(), blocks)
}

/// The orders in which receivers are known to undo operations.
fn orders(ops: &[RepoOp]) -> Vec<Vec<RepoOp>> {
    let given = ops.to_vec();
    let mut reversed = given.clone();
    reversed.reverse();
    let mut deletes_first = given.clone();
    deletes_first.sort_by_key(|op| !matches!(op.change, OpChange::Delete { .. }));
    let mut creates_first = given.clone();
    creates_first.sort_by_key(|op| !matches!(op.change, OpChange::Create { .. }));
    vec![given, reversed, deletes_first, creates_first]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_commit_inverts_with_nothing_but_the_blocks_of_its_event(
        old in prop::collection::btree_map(0u32..400, 0u32..50, 0..250),
        wanted in prop::collection::btree_map(0u32..400, (0u8..3, 0u32..50), 0..40),
    ) {
        let model: BTreeMap<String, u32> =
            old.into_iter().map(|(number, value)| (path(number).to_string(), value)).collect();
        let before = tree_of(&model);
        let diff = write::apply(&before, &batch(&model, &wanted)).expect("the model says it can");
        prop_assert_eq!(diff.prev_data, before.root());
        let (data, blocks) = received(&diff);
        for ops in orders(&diff.ops) {
            let root = invert(&blocks, &data, &ops);
            prop_assert_eq!(root.ok(), Some(before.root()));
        }
        for op in &diff.ops {
            let path = op.path.to_string();
            let shown = record_in(&blocks, &data, &path);
            prop_assert_eq!(shown.ok(), Some(diff.tree.get(&path)));
        }
    }

    #[test]
    fn a_path_proof_proves_presence_and_absence(
        old in prop::collection::btree_set(0u32..400, 0..250),
        asked in 0u32..400,
    ) {
        let model = old.into_iter().map(|number| (path(number).to_string(), number)).collect();
        let tree = tree_of(&model);
        let path = path(asked).to_string();
        let mut blocks = BlockMap::default();
        for node in tree.proof(&path) {
            blocks.insert(node.block().to_vec());
        }
        let expected = model.get(&path).map(|value| record(*value).cid());
        prop_assert_eq!(record_in(&blocks, &tree.root(), &path).ok(), Some(expected));
        // Without any one of its nodes it proves nothing.
        let cids: Vec<Cid> = blocks.cids().copied().collect();
        for cid in cids {
            let mut fewer = blocks.clone();
            fewer.remove(&cid);
            let lacking = tree.root() != Tree::empty().root();
            prop_assert_eq!(record_in(&fewer, &tree.root(), &path).is_err(), lacking);
        }
    }

    #[test]
    fn deleting_everything_gives_the_empty_root(
        old in prop::collection::btree_set(0u32..400, 1..200),
    ) {
        let model = old.iter().map(|number| (path(*number).to_string(), *number)).collect();
        let writes: Vec<Write> = old
            .iter()
            .map(|number| Write { path: path(*number), action: Action::Delete })
            .collect();
        let before = tree_of(&model);
        let diff = write::apply(&before, &writes).expect("all are there");
        prop_assert_eq!(diff.tree.root(), Tree::empty().root());
        let (data, blocks) = received(&diff);
        prop_assert_eq!(invert(&blocks, &data, &diff.ops).ok(), Some(before.root()));
    }
}

#[test]
fn an_operation_that_did_not_happen_is_found_out() {
    let model = (0..60).map(|number| (path(number).to_string(), number)).collect();
    let before = tree_of(&model);
    let writes = [Write { path: path(100), action: Action::Create(record(1)) }];
    let diff = write::apply(&before, &writes).expect("free");
    let (data, blocks) = received(&diff);
    let mut lie = diff.ops.clone();
    lie[0].change = OpChange::Create { cid: record(2).cid() };
    assert!(matches!(invert(&blocks, &data, &lie), Err(ProofError::OtherRecord { .. })));
    lie[0].change = OpChange::Delete { prev: record(1).cid() };
    assert!(matches!(invert(&blocks, &data, &lie), Err(ProofError::Operation { .. })));
    assert_ne!(invert(&blocks, &data, &[]).ok(), Some(before.root()));
}

#[test]
fn batches_that_cannot_be_made_are_refused_whole() {
    let model = (0..10).map(|number| (path(number).to_string(), number)).collect();
    let tree = tree_of(&model);
    let create = |number| Write { path: path(number), action: Action::Create(record(1)) };
    let update = |number| Write { path: path(number), action: Action::Update(record(1)) };
    let delete = |number| Write { path: path(number), action: Action::Delete };
    let refused = |writes: &[Write]| write::apply(&tree, writes).err();
    let exists = WriteError::RecordExists { path: path(3) };
    assert_eq!(refused(&[create(20), create(3)]), Some(exists));
    for write in [update(20), delete(20)] {
        let missing = WriteError::NoSuchRecord { path: path(20) };
        assert_eq!(refused(&[delete(1), write]), Some(missing));
    }
    for repeated in [
        [create(20), create(20)],
        [create(20), update(20)],
        [create(20), delete(20)],
        [update(20 - 13), delete(20 - 13)],
        [delete(7), create(7)],
        [delete(7), delete(7)],
    ] {
        let path = repeated[0].path.clone();
        assert_eq!(refused(&repeated), Some(WriteError::RepeatedPath { path }));
    }
    let many: Vec<Write> = (100..301).map(create).collect();
    assert_eq!(refused(&many), Some(WriteError::TooManyWrites(201)));
    assert_eq!(write::apply(&tree, &many[1..]).expect("200").ops.len(), 200);
}

#[test]
fn an_update_without_a_change_is_no_operation() {
    let model = (0..10).map(|number| (path(number).to_string(), number)).collect();
    let tree = tree_of(&model);
    let same = Write { path: path(3), action: Action::Update(record(3)) };
    let diff = write::apply(&tree, &[same]).expect("there");
    assert!(diff.is_empty());
    assert_eq!(diff.tree.root(), tree.root());
}

#[test]
fn records_and_events_keep_their_limits_to_the_byte() {
    let largest = RecordBlock::new(vec![0; write::RECORD_BYTES_MAX]).expect("just allowed");
    assert_eq!(
        RecordBlock::new(vec![0; write::RECORD_BYTES_MAX + 1]),
        Err(WriteError::RecordTooLarge { size_bytes: write::RECORD_BYTES_MAX + 1 })
    );
    let event = |second: usize| {
        let second = RecordBlock::new(vec![1; second]).expect("small enough");
        let writes = [(1, largest.clone()), (2, second)]
            .map(|(number, record)| Write { path: path(number), action: Action::Create(record) });
        let diff = write::apply(&Tree::empty(), &writes).expect("free");
        let key = SigningKey::from_secret(Curve::K256, &[7; 32]).expect("valid");
        let did = Did::new("did:web:example.com".to_owned()).expect("valid");
        let rev = Tid::new("3l4qf2k5xlk22".to_owned()).expect("valid");
        diff.car(&UnsignedCommit::new(did, diff.tree.root(), rev).sign(&key))
    };
    let spare = 2_000_000 - event(900_000).expect("fits").len();
    assert_eq!(event(900_000 + spare).expect("fits").len(), 2_000_000);
    let one_more = event(900_000 + spare + 1);
    assert_eq!(one_more, Err(WriteError::EventTooLarge { size_bytes: 2_000_001 }));
}
