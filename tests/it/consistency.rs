//! The check of what the store holds: it finds what is wrong, and finds nothing
//! where nothing is.

use freehold::service::check::Fault;
use serde_json::json;

use crate::harness::{Body, Owner, Town};

/// Signs somebody up who has three records, one of them with a blob.
async fn somebody(town: &Town, name: &str) -> Owner {
    let owner = town.owner(name).await;
    owner.post("one").await;
    owner.post("two").await;
    let upload = owner
        .client
        .call("com.atproto.repo.uploadBlob", Body::Bytes("text/plain", b"hello".to_vec()))
        .await
        .ok();
    let record = json!({
        "$type": "com.example.note",
        "file": upload["blob"],
    });
    owner.create("com.example.note", &record).await.ok();
    owner
}

/// Damages a town and returns the faults that the check finds.
async fn faults(town: &mut Town, sql: &str) -> Vec<Fault> {
    somebody(town, "alice").await;
    town.damage(sql).await;
    let report = town.check().await;
    assert_eq!(report.accounts, 1, "{report}");
    report.faults.iter().map(|finding| finding.fault).collect()
}

/// Declares damages and the faults that they must be found as.
macro_rules! damages {
    ($( $name:ident: $sql:literal => $($fault:ident),+; )*) => {
        on_both_engines! { $(
            async fn $name(town) {
                let found = faults(town, $sql).await;
                assert_eq!(found, [$(Fault::$fault),+]);
            }
        )* }
    };
}

damages! {
    a_lost_record_is_found:
        "DELETE FROM records WHERE path LIKE 'app.bsky.feed.post/%'" => TreeDiffers;
    a_lost_record_with_a_blob_is_found:
        "DELETE FROM records WHERE path LIKE 'com.example.note/%'" => TreeDiffers, ReferencesDiffer;
    a_lost_reference_is_found:
        "DELETE FROM blob_refs" => ReferencesDiffer, BlobStray;
    a_changed_head_is_found:
        "UPDATE heads SET data_cid = commit_cid" => HeadDiffers, TreeDiffers;
    a_changed_key_is_found:
        "UPDATE signing_keys SET did_key = 'did:key:zQ3shZc2QzApp2oymGvQbzP8eKheVshBHbU4ZYjeXqwSKEn6N'"
        => SignatureWrong;
    a_lost_key_is_found: "DELETE FROM signing_keys" => KeyMissing;
    a_lost_head_is_found: "DELETE FROM heads" => RepositoryMissing;
    a_lost_last_event_is_found:
        "DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events)" => LogUnfinished;
    a_lost_event_is_found:
        "DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events
            WHERE seq < (SELECT MAX(seq) FROM events))" => LogBroken;
    a_renumbered_event_is_found:
        "UPDATE events SET seq = seq + 1 WHERE seq = (SELECT MAX(seq) FROM events)"
        => EventWrong, EventWrong, LogUnfinished;
    a_blob_that_nobody_sweeps_is_found:
        "UPDATE blobs SET temporary_at = '2020-01-01T00:00:00.000Z'; DELETE FROM blob_refs" => ReferencesDiffer, BlobStray;
}

on_both_engines! {
    /// A like that a second one would stand beside.
    async fn a_like_that_its_subject_does_not_find_is_found(town) {
        let alice = somebody(town, "alice").await;
        let post = alice.post("liked").await;
        for collection in ["app.bsky.feed.like", "app.bsky.feed.repost"] {
            let record = json!({
                "$type": collection,
                "subject": { "uri": post.uri, "cid": post.cid },
                "createdAt": "2026-01-02T03:04:05.678Z",
            });
            alice.create(collection, &record).await.ok();
        }
        assert!(town.check().await.is_clean());
        town.damage("DELETE FROM record_subjects WHERE path LIKE '%repost%'").await;
        let report = town.check().await;
        let found: Vec<Fault> = report.faults.iter().map(|finding| finding.fault).collect();
        assert_eq!(found, [Fault::SubjectMissing], "{report}");
    }

    /// Bytes that changed on disk, and bytes that went.
    async fn damaged_files_are_found(town) {
        let alice = somebody(town, "alice").await;
        town.stop().await;
        town.damage("DELETE FROM nonces").await;
        let file = file_of(town, &alice.did);
        std::fs::write(&file, b"jello").expect("writable");
        let report = town.check().await;
        assert_eq!(report.faults.len(), 1, "{report}");
        assert_eq!(report.faults[0].fault, Fault::BlobDamaged);
        std::fs::remove_file(&file).expect("removable");
        let report = town.check().await;
        assert_eq!(report.faults.len(), 1, "{report}");
        assert_eq!(report.faults[0].fault, Fault::BlobMissing);
    }

    /// The check runs beside a server that is busy, and counts what it saw.
    async fn the_check_runs_beside_the_server(town) {
        let alice = somebody(town, "alice").await;
        let bob = somebody(town, "bob").await;
        alice.post("still here").await;
        let report = town.check().await;
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.accounts, report.records, report.blobs), (2, 7, 2));
        bob.post("me too").await;
        assert!(report.to_string().contains("2 accounts, 7 records"), "{report}");
    }
}

fn file_of(town: &Town, did: &str) -> std::path::PathBuf {
    let mut folders = vec![town.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            match entry.file_type().expect("readable").is_dir() {
                true if entry.file_name() == did => {
                    let mut files = std::fs::read_dir(entry.path()).expect("a folder");
                    return files.next().expect("a blob").expect("readable").path();
                }
                true => folders.push(entry.path()),
                false => {}
            }
        }
    }
    panic!("no blob of {did}");
}
