//! Snapshots: one state of everything, for a while, at the pace of the reader.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, future::join_all};

use super::*;
use crate::store::{heads, records};

/// Long enough to read what a test reads.
const LONG: Duration = Duration::from_secs(60);

on_both_engines! {
    /// What is written after a snapshot began is not in it, and writers do not
    /// wait for it.
    async fn a_snapshot_sees_one_state(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        alice.write(db, &[("a.b.c/1", b"old"), ("a.b.c/2", b"gone")], &[]).await.expect("written");
        let head = alice.head.clone();
        let snapshot = db.snapshot(LONG).await.expect("a snapshot");
        alice.write(db, &[("a.b.c/1", b"new")], &["a.b.c/2"]).await.expect("not in its way");

        assert_eq!(heads::find_in(&snapshot, alice.id).await.expect("read"), head);
        let values = records::stream_values(&snapshot, alice.id, None);
        let values: Vec<_> = values.map_ok(|value| value.value).try_collect().await.expect("read");
        assert_eq!(values, ["old", "gone"]);
        let later = db.snapshot(LONG).await.expect("a snapshot");
        let rev = head.map(|head| head.rev);
        let values = records::stream_values(&later, alice.id, rev.as_ref());
        let values: Vec<_> = values.map_ok(|value| value.value).try_collect().await.expect("read");
        assert_eq!(values, ["new"], "only what is newer than the rev");
    }

    /// A scan of very many rows comes whole, and one that is left early leaves
    /// the connection in order.
    async fn long_scans_come_whole_or_are_left(scene) {
        const RECORDS: usize = 5_000;
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let paths: Vec<String> = (0..RECORDS).map(|n| format!("a.b.c/{n:05}")).collect();
        let puts: Vec<(&str, &[u8])> = paths.iter().map(|at| (&at[..], at.as_bytes())).collect();
        alice.write(db, &puts, &[]).await.expect("written");

        let snapshot = db.snapshot(LONG).await.expect("a snapshot");
        let mut left = records::stream_values(&snapshot, alice.id, None);
        assert_eq!(left.next().await.expect("a row").expect("read").path, paths[0]);
        drop(left);
        let entries = records::stream_entries(&snapshot, alice.id);
        let entries: Vec<_> = entries.map_ok(|entry| entry.path).try_collect().await.expect("read");
        assert_eq!(entries, paths);
        drop(snapshot);
        // More than there are connections: each must have come back.
        for _ in 0..40 {
            let snapshot = db.snapshot(LONG).await.expect("a snapshot");
            let first = records::stream_entries(&snapshot, alice.id).next().await;
            assert!(first.expect("a row").is_ok());
        }
        assert_eq!(records::count(db, alice.id).await.expect("read"), RECORDS as i64);
    }

    /// A reader that does not read is cut off at its deadline.
    async fn a_deadline_ends_a_scan(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let paths: Vec<String> = (0..20_000).map(|n| format!("a.b.c/{n:05}")).collect();
        let puts: Vec<(&str, &[u8])> = paths.iter().map(|at| (&at[..], &[0; 100][..])).collect();
        alice.write(db, &puts, &[]).await.expect("written");
        let snapshot = db.snapshot(Duration::from_millis(300)).await.expect("a snapshot");
        let mut stream = records::stream_values(&snapshot, alice.id, None);
        stream.next().await.expect("a row").expect("read in time");
        // A second scan of the snapshot begins when the first was cut off.
        let after = records::stream_values(&snapshot, alice.id, None).next().await;
        assert!(matches!(after, Some(Err(StoreError::DeadlinePassed))), "{after:?}");
        let rest: Vec<_> = stream.collect().await;
        assert!(matches!(rest.last(), Some(Err(StoreError::DeadlinePassed))), "{:?}", rest.last());
        assert!(rest.len() < paths.len());
    }

    /// Many snapshots at once take turns, and short reads do not wait for them.
    async fn snapshots_leave_room_for_reads(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let all = DbSettings::new(scene.location.clone()).snapshots_max as usize;
        let held = join_all((0..all).map(|_| db.snapshot(LONG))).await;
        assert!(held.iter().all(Result::is_ok));
        let one_more = db.snapshot(Duration::from_millis(50)).await;
        assert!(matches!(one_more, Err(StoreError::DeadlinePassed)), "{one_more:?}");
        assert!(accounts::find(db, alice.id).await.expect("read").is_some());
        drop(held);
        db.snapshot(LONG).await.expect("there is room again");
    }
}
