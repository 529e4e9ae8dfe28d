//! The order of text is the order of its bytes, whatever language the database
//! speaks.

use futures_util::TryStreamExt;

use super::*;
use crate::{
    atproto::syntax::Nsid,
    store::records::{self, Order, Page},
};
use std::time::Duration;

/// Paths whose order differs by language, by case, and between `a.b.c` and the
/// collections that begin like it.
const PATHS: [&str; 9] = [
    "a.b.c/A",
    "a.b.c/_",
    "a.b.c/a",
    "a.b.c/b",
    "a.b-x.c/x",
    "a.b.c.d/x",
    "a.b.c/B",
    "a.b.cd/x",
    "a.b.c/~",
];

async fn alice_with_paths(scene: &Scene) -> Person {
    let mut alice = scene.account(1).await;
    let puts: Vec<(&str, &[u8])> = PATHS.iter().map(|at| (*at, at.as_bytes())).collect();
    alice.write(&scene.db, &puts, &[]).await.expect("written");
    alice
}

on_both_engines! {
    /// A scan is in the order of the tree.
    async fn scans_are_in_the_order_of_bytes(scene) {
        let alice = alice_with_paths(scene).await;
        let mut sorted = PATHS;
        sorted.sort_unstable();
        let snapshot = scene.db.snapshot(Duration::from_secs(60)).await.expect("a snapshot");
        let entries = records::stream_entries(&snapshot, alice.id);
        let entries: Vec<_> = entries.map_ok(|entry| entry.path).try_collect().await.expect("read");
        assert_eq!(entries, sorted);
        let values = records::stream_values(&snapshot, alice.id, None);
        let values: Vec<_> = values.map_ok(|value| value.value).try_collect().await.expect("read");
        let sorted = sorted.map(|path| path.as_bytes().to_vec());
        assert_eq!(values, sorted);
    }

    /// A collection is listed alone, in both directions, page by page.
    async fn a_collection_is_listed_alone(scene) {
        let alice = alice_with_paths(scene).await;
        let collection = Nsid::new("a.b.c".to_owned()).expect("an NSID");
        for (order, expected) in
            [(Order::Ascending, ["A", "B", "_", "a", "b", "~"]), (Order::Descending, ["~", "b", "a", "_", "B", "A"])]
        {
            let mut after = None;
            let mut listed = Vec::new();
            loop {
                let page = Page { order, after, limit: 4 };
                let some = records::list(&scene.db, alice.id, &collection, &page).await;
                let some = some.expect("read");
                after = some.last().map(|record| record.path.rkey.clone());
                listed.extend(some.iter().map(|record| record.path.rkey.as_str().to_owned()));
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(listed, expected);
        }
        let collections = records::list_collections(&scene.db, alice.id).await.expect("read");
        let collections: Vec<_> = collections.iter().map(|nsid| nsid.as_str()).collect();
        assert_eq!(collections, ["a.b-x.c", "a.b.c", "a.b.c.d", "a.b.cd"]);
    }
}
