//! The tree's laws: one content, one root, however it came about.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A record's CID for tests.
fn cid(seed: u64) -> Cid {
    Cid::of_dag_cbor(&seed.to_be_bytes())
}

/// A handful of collections and many keys, so that layers 0 to about 6 occur.
fn path(number: u32) -> String {
    let collection = ["app.bsky.feed.like", "app.bsky.feed.post", "a.b-c.d", "a.b"];
    let collection = collection[number as usize % collection.len()];
    format!("{collection}/3l{number:07x}")
}

fn inserted(paths: impl IntoIterator<Item = u32>) -> Tree {
    let mut edit = Tree::empty().edit();
    for number in paths {
        let change = Change::Insert(cid(u64::from(number)));
        edit = edit.apply(&path(number), change).expect("the path is free").0;
    }
    edit.seal().tree
}

fn built(content: &BTreeMap<String, Cid>) -> Tree {
    Tree::build(content.iter().map(|(path, cid)| (path, *cid))).expect("a map is sorted")
}

#[test]
fn the_empty_tree_has_the_well_known_root() {
    let root = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    assert_eq!(Tree::empty().root().to_string(), root);
    assert_eq!(Builder::new().finish().root().to_string(), root);
    assert_eq!(Tree::empty().records().count(), 0);
}

#[test]
fn a_bulk_build_refuses_unsorted_and_impossible_paths() {
    let unsorted = Tree::build([("b/1", cid(1)), ("a/1", cid(2))]);
    assert!(matches!(unsorted, Err(TreeError::NotAscending { path }) if path == "a/1"));
    let twice = Tree::build([("b/1", cid(1)), ("b/1", cid(1))]);
    assert!(matches!(twice, Err(TreeError::NotAscending { .. })));
    for path in ["", "\u{e9}/1", &"x".repeat(KEY_BYTES_MAX + 1)] {
        assert!(matches!(Tree::build([(path, cid(1))]), Err(TreeError::BadKey)));
    }
}

#[test]
fn changes_refuse_what_they_cannot_do() {
    let tree = inserted(0..50);
    let refused = |path: &str, change| tree.edit().apply(path, change).err();
    assert_eq!(refused(&path(7), Change::Insert(cid(1))), Some(TreeError::KeyExists));
    for change in [Change::Update(cid(1)), Change::Remove] {
        assert_eq!(refused("a.b/zzz", change), Some(TreeError::NoSuchKey));
        assert_eq!(refused("", change), Some(TreeError::BadKey));
    }
    for change in [Change::Update(cid(1)), Change::Remove] {
        let edit = Tree::empty().edit();
        assert_eq!(edit.apply("a.b/c", change).err(), Some(TreeError::NoSuchKey));
    }
}

#[test]
fn an_edit_that_changes_nothing_has_no_new_nodes() {
    let tree = inserted(0..500);
    let edit = tree.edit();
    let (edit, _) = edit.apply("a.b/new", Change::Insert(cid(1))).expect("free");
    let (edit, before) = edit.apply("a.b/new", Change::Remove).expect("taken");
    assert_eq!(before, Some(cid(1)));
    let sealed = edit.seal();
    assert_eq!(sealed.tree.root(), tree.root());
    assert_eq!(sealed.new_nodes.len(), 0);
}

#[test]
fn the_last_removal_brings_the_empty_node() {
    let edit = inserted([3]).edit();
    let sealed = edit.apply(&path(3), Change::Remove).expect("taken").0.seal();
    assert_eq!(sealed.tree.root(), Tree::empty().root());
    assert_eq!(sealed.new_nodes.len(), 1);
    assert_eq!(sealed.new_nodes[0].cid(), Tree::empty().root());
}

#[test]
fn memory_stays_near_a_hundred_bytes_per_record() {
    let tree = inserted(0..5_000);
    assert_eq!(tree.len(), 5_000);
    let per_record = tree.size_bytes() / tree.len();
    assert!((60..150).contains(&per_record), "{per_record} bytes");
}

/// Blocks in the order of the walk can be checked while they stream in: each
/// one was named by a block before it.
#[test]
fn the_walk_shows_a_block_only_after_the_one_that_names_it() {
    let tree = inserted(0..700);
    let mut named = std::collections::HashSet::from([tree.root()]);
    let mut last = String::new();
    let (mut nodes, mut records) = (0, 0);
    let mut walk = tree.walk();
    while let Some(step) = walk.advance() {
        match step {
            Step::Node(node) => {
                assert!(named.remove(&node.cid()));
                let content = block::decode_strict(node.block()).expect("our own block");
                named.extend(content.left);
                named.extend(content.entries.iter().filter_map(|entry| entry.right));
                named.extend(content.entries.iter().map(|entry| entry.value));
                nodes += 1;
            }
            Step::Record { path, cid } => {
                assert!(named.remove(&cid));
                assert!(path > last.as_str());
                path.clone_into(&mut last);
                records += 1;
            }
        }
    }
    assert_eq!((named.len(), records), (0, 700));
    assert!(nodes > 100, "{nodes} nodes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_of_inserts_gives_the_root_of_the_bulk_build(
        numbers in prop::collection::hash_set(0u32..4_000, 0..300),
    ) {
        // A hash set has an arbitrary order of its own.
        let tree = inserted(numbers.iter().copied());
        let content = numbers.iter().map(|&n| (path(n), cid(u64::from(n)))).collect();
        let bulk = built(&content);
        prop_assert_eq!(tree.root(), bulk.root());
        prop_assert_eq!(tree.len(), content.len());
        prop_assert_eq!(tree.size_bytes(), bulk.size_bytes());
        prop_assert!(tree.records().eq(content));
    }

    #[test]
    fn a_history_of_changes_agrees_with_a_map(
        history in prop::collection::vec((0u32..120, 0u8..4, 0u64..1_000), 0..400),
    ) {
        let mut model = BTreeMap::new();
        let mut tree = Tree::empty();
        for (number, action, value) in history {
            let path = path(number);
            prop_assert_eq!(tree.get(&path), model.get(&path).copied());
            let change = match (model.contains_key(&path), action) {
                (true, 0) => Change::Update(cid(value)),
                (true, _) => Change::Remove,
                (false, _) => Change::Insert(cid(value)),
            };
            let (edit, before) = tree.edit().apply(&path, change).expect("the map says it can");
            let expected = match change {
                Change::Remove => model.remove(&path),
                Change::Insert(cid) | Change::Update(cid) => model.insert(path, cid),
            };
            prop_assert_eq!(before, expected);
            let sealed = edit.seal();
            for node in &sealed.new_nodes {
                prop_assert!(node.cid().matches(node.block()));
            }
            tree = sealed.tree;
        }
        prop_assert_eq!(tree.root(), built(&model).root());
        let mut edit = tree.edit();
        for path in model.keys() {
            edit = edit.apply(path, Change::Remove).expect("taken").0;
        }
        prop_assert_eq!(edit.seal().tree.root(), Tree::empty().root());
    }

    #[test]
    fn a_batch_gives_the_root_of_its_changes_one_by_one(
        old in prop::collection::hash_set(0u32..500, 0..100),
        new in prop::collection::hash_set(500u32..1_000, 0..100),
    ) {
        let tree = inserted(old.iter().copied());
        let mut edit = tree.edit();
        for (&gone, &come) in old.iter().zip(&new) {
            edit = edit.apply(&path(gone), Change::Remove).expect("taken").0;
            edit = edit.apply(&path(come), Change::Insert(cid(1))).expect("free").0;
        }
        let sealed = edit.seal();
        let content: BTreeMap<_, _> = sealed.tree.records().collect();
        prop_assert_eq!(built(&content).root(), sealed.tree.root());
    }
}
