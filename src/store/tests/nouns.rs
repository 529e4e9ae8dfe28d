//! What the nouns promise beyond their statements.

use std::time::Duration;

use super::*;
use crate::{
    atproto::syntax::Tid,
    store::{
        RunError,
        accounts::Account,
        app_passwords::{self, AppPassword, Power},
        batch::Unmet,
        blobs::{self, BlobCounts, BlobPage, GoneRef, NewBlob, Removal},
        did_cache::{self, CachedDocument},
        events,
        intents::{self, Intent},
        invites,
        keys::{self, SealedKey},
        nonces,
        plc_operations::{self, PlcOperation},
        preferences::{self, Preference},
        sessions::{self, Session},
        takedowns,
    },
};

/// Runs what `fill` puts into a batch.
pub(super) async fn run(db: &Db, fill: impl FnOnce(&mut Batch)) -> Result<(), RunError> {
    let mut batch = Batch::new();
    fill(&mut batch);
    db.run(batch).await
}

/// Says which expectation failed.
pub(super) fn unmet(result: Result<(), RunError>) -> Unmet {
    match result {
        Err(RunError::Unmet(unmet)) => unmet,
        other => panic!("nothing was unmet: {other:?}"),
    }
}

pub(super) async fn found(db: &Db, person: &Person) -> Account {
    accounts::find(db, person.id).await.expect("read").expect("is there")
}

on_both_engines! {
    /// A refresh token may be used twice within its grace and names the same
    /// successor; the whole family ends at once.
    async fn a_session_goes_on_once(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let first = session(scene, &alice, "first", 90);
        let next = session(scene, &alice, "next", 180);
        let other = session(scene, &alice, "other", 180);
        run(db, |b| sessions::insert(b, &first)).await.expect("run");
        let twice = run(db, |b| sessions::insert(b, &first)).await;
        assert_eq!(unmet(twice), Unmet::Exists);
        let grace = scene.now().plus(Duration::from_secs(2));
        for _ in 0..2 {
            run(db, |b| sessions::rotate(b, "first", &next, grace)).await.expect("rotated");
        }
        let late = scene.now().plus(Duration::from_secs(50));
        run(db, |b| sessions::rotate(b, "first", &next, late)).await.expect("rotated");
        let stored = sessions::find(db, "first").await.expect("read").expect("in its grace");
        assert_eq!((stored.next_id.as_deref(), stored.expires_at), (Some("next"), grace));
        assert_eq!(sessions::find(db, "next").await.expect("read"), Some(next));
        let refused = run(db, |b| sessions::rotate(b, "first", &other, grace)).await;
        assert_eq!(unmet(refused), Unmet::SessionMoved);
        assert_eq!(sessions::find(db, "other").await.expect("read"), None);
        run(db, |b| sessions::delete(b, "next")).await.expect("run");
        assert_eq!(sessions::find(db, "first").await.expect("read"), None);
        let refused = run(db, |b| sessions::rotate(b, "first", &other, grace)).await;
        assert_eq!(unmet(refused), Unmet::SessionMoved);
    }

    async fn sessions_end_with_their_password_and_time(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let mut by_app = session(scene, &alice, "app", 90);
        by_app.app_password = Some("phone".to_owned());
        let password = AppPassword {
            account: alice.id,
            name: "phone".to_owned(),
            password_hash: "hash".to_owned(),
            power: Power::Scoped("atproto blob:image/*".to_owned()),
            created_at: scene.now(),
            expires_at: Some(scene.now()),
        };
        run(db, |b| {
            app_passwords::insert(b, &password);
            sessions::insert(b, &by_app);
            sessions::insert(b, &session(scene, &alice, "short", 10));
            sessions::insert(b, &session(scene, &alice, "long", 90));
        })
        .await
        .expect("run");
        let twice = run(db, |b| app_passwords::insert(b, &password)).await;
        assert_eq!(unmet(twice), Unmet::AppPasswordNameTaken);
        let listed = app_passwords::list(db, alice.id).await.expect("read");
        assert_eq!(listed.first(), Some(&password));
        let by_name = app_passwords::find(db, alice.id, "phone").await.expect("read");
        assert_eq!(by_name, Some(password));
        run(db, |b| {
            app_passwords::delete(b, alice.id, "phone");
            sessions::delete_expired(b, scene.now().plus(Duration::from_secs(20)));
        })
        .await
        .expect("run");
        for (id, there) in [("app", false), ("short", false), ("long", true)] {
            assert_eq!(sessions::find(db, id).await.expect("read").is_some(), there, "{id}");
        }
        run(db, |b| sessions::delete_of_account(b, alice.id)).await.expect("run");
        assert_eq!(sessions::find(db, "long").await.expect("read"), None);
    }

    async fn an_invite_is_used_up_or_disabled(scene) {
        let db = &scene.db;
        let invite = invites::Invite {
            code: "code".to_owned(),
            uses_max: 2,
            uses_left: 2,
            for_account: did(1).as_str().to_owned(),
            created_by: "admin".to_owned(),
            created_at: scene.now(),
            disabled_at: None,
        };
        run(db, |b| invites::insert(b, &invite)).await.expect("run");
        run(db, |b| invites::consume(b, "code", &did(2), scene.now())).await.expect("used");
        let again = run(db, |b| invites::consume(b, "code", &did(2), scene.now())).await;
        assert_eq!(unmet(again), Unmet::InviteUnavailable);
        let left = invites::find(db, "code").await.expect("read").map(|code| code.uses_left);
        assert_eq!(left, Some(1));
        run(db, |b| invites::disable(b, "code", scene.now())).await.expect("run");
        let disabled = run(db, |b| invites::consume(b, "code", &did(3), scene.now())).await;
        assert_eq!(unmet(disabled), Unmet::InviteUnavailable);
        assert_eq!(invites::list_for_account(db, &did(1)).await.expect("read").len(), 1);
        let uses = invites::list_uses(db, "code").await.expect("read");
        assert_eq!(uses.len(), 1);
        assert_eq!((&uses[0].used_by, uses[0].used_at), (&did(2), scene.now()));
    }

    /// A blob is temporary, then permanent while a record refers to it, then
    /// gone with its bytes on the list of removals.
    async fn a_blob_lives_as_long_as_its_references(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let (one, two) = (path("a.b.c/1"), path("a.b.c/2"));
        let blob = new_blob(scene, &alice, b"bytes");
        let cid = blob.cid;
        let missing = run(db, |b| blobs::refer(b, alice.id, &one, cid)).await;
        assert_eq!(unmet(missing), Unmet::BlobMissing);
        run(db, |b| blobs::put(b, &blob)).await.expect("run");
        let stored = blobs::find(db, alice.id, cid).await.expect("read").expect("is there");
        assert_eq!(stored.temporary_at, Some(scene.now()));

        run(db, |b| blobs::refer(b, alice.id, &one, cid)).await.expect("run");
        run(db, |b| blobs::put(b, &NewBlob { mime_type: "x/y".to_owned(), ..blob.clone() }))
            .await
            .expect("uploading it again changes nothing");
        let stored = blobs::find(db, alice.id, cid).await.expect("read").expect("is there");
        assert_eq!((stored.temporary_at, &stored.mime_type[..]), (None, "image/png"));
        assert_eq!(blobs::list_at(db, alice.id, &one).await.expect("read"), [cid]);

        // It moves to another record in one write.
        let gone = |path| GoneRef { account: alice.id, path, cid, at: scene.now() };
        run(db, |b| {
            blobs::refer(b, alice.id, &two, cid);
            blobs::unrefer(b, &gone(&one));
        })
        .await
        .expect("run");
        assert!(blobs::find(db, alice.id, cid).await.expect("read").is_some());
        run(db, |b| blobs::unrefer(b, &gone(&two))).await.expect("run");
        assert_eq!(blobs::find(db, alice.id, cid).await.expect("read"), None);
        let removal = Removal { did: alice.did.clone(), cid };
        assert_eq!(blobs::list_removals(db, 9).await.expect("read").first(), Some(&removal));

        // Uploading it again takes it off the list.
        assert!(blobs::is_removal_due(db, &removal).await.expect("read"));
        run(db, |b| blobs::put(b, &blob)).await.expect("run");
        assert!(!blobs::is_removal_due(db, &removal).await.expect("read"));
        let soon = scene.now().plus(Duration::from_secs(1));
        run(db, |b| blobs::delete_temporary_before(b, scene.now(), soon)).await.expect("run");
        assert!(blobs::find(db, alice.id, cid).await.expect("read").is_some(), "it is young");
        run(db, |b| blobs::delete_temporary_before(b, soon, soon)).await.expect("run");
        assert_eq!(blobs::find(db, alice.id, cid).await.expect("read"), None);
        assert_eq!(blobs::list_removals(db, 9).await.expect("read").first(), Some(&removal));
        run(db, |b| blobs::delete_removal(b, &removal)).await.expect("run");
        assert_eq!(blobs::list_removals(db, 9).await.expect("read"), []);
    }

    async fn imported_records_refer_to_blobs_that_come_later(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let all = |after| BlobPage { after, limit: 1 };
        alice.write(db, &[("a.b.c/1", b"1")], &[]).await.expect("written");
        let old: Option<Tid> = alice.head.as_ref().map(|head| head.rev.clone());
        alice.write(db, &[("a.b.c/2", b"2")], &[]).await.expect("written");
        let mut blobs = [new_blob(scene, &alice, b"one"), new_blob(scene, &alice, b"two")];
        blobs.sort_by_key(|blob| blob.cid);
        let [first, second] = blobs;
        run(db, |b| {
            blobs::refer_imported(b, alice.id, &path("a.b.c/1"), first.cid);
            blobs::refer_imported(b, alice.id, &path("a.b.c/2"), second.cid);
            blobs::refer_imported(b, alice.id, &path("a.b.c/1"), second.cid);
        })
        .await
        .expect("run");
        let missing = blobs::list_missing(db, alice.id, &all(None)).await.expect("read");
        assert_eq!((missing[0].cid, &missing[0].path), (first.cid, &path("a.b.c/1")));
        let missing = blobs::list_missing(db, alice.id, &all(Some(first.cid))).await.expect("read");
        assert_eq!((missing[0].cid, &missing[0].path), (second.cid, &path("a.b.c/1")));
        run(db, |b| blobs::put(b, &first)).await.expect("run");
        let stored = blobs::find(db, alice.id, first.cid).await.expect("read").expect("is there");
        assert_eq!(stored.temporary_at, None, "it is permanent at once");

        let counts = blobs::count(db, alice.id).await.expect("read");
        assert_eq!(counts, BlobCounts { referred: 2, uploaded: 1 });
        let page = BlobPage { after: None, limit: 9 };
        let referred = blobs::list_referred(db, alice.id, None, &page).await.expect("read");
        assert_eq!(referred, [first.cid, second.cid]);
        let newer = blobs::list_referred(db, alice.id, old.as_ref(), &page).await.expect("read");
        assert_eq!(newer, [second.cid]);
        assert_eq!(blobs::list(db, alice.id, &page).await.expect("read").len(), 1);
    }

    async fn a_blob_that_was_taken_down_stays_known(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let blob = new_blob(scene, &alice, b"bytes");
        let at = path("a.b.c/1");
        run(db, |b| {
            blobs::put(b, &blob);
            blobs::refer(b, alice.id, &at, blob.cid);
            takedowns::set_blob(b, alice.id, blob.cid, Some((scene.now(), "case 1")));
        })
        .await
        .expect("run");
        let gone = GoneRef { account: alice.id, path: &at, cid: blob.cid, at: scene.now() };
        run(db, |b| blobs::unrefer(b, &gone)).await.expect("run");
        assert!(blobs::find(db, alice.id, blob.cid).await.expect("read").is_some());
        let again = run(db, |b| blobs::put(b, &blob)).await;
        assert_eq!(unmet(again), Unmet::BlobMissing);
        let again = run(db, |b| blobs::refer(b, alice.id, &at, blob.cid)).await;
        assert_eq!(unmet(again), Unmet::BlobMissing);
    }

    async fn keys_are_reserved_and_used_once(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let key = |name: &str| SealedKey {
            did_key: format!("did:key:{name}"),
            sealed: name.as_bytes().to_vec(),
            created_at: scene.now(),
        };
        run(db, |b| keys::put(b, alice.id, &key("first"))).await.expect("run");
        run(db, |b| keys::put(b, alice.id, &key("second"))).await.expect("run");
        assert_eq!(keys::find(db, alice.id).await.expect("read"), Some(key("second")));

        run(db, |b| keys::reserve(b, Some(&did(2)), &key("bob"))).await.expect("run");
        run(db, |b| keys::reserve(b, None, &key("any"))).await.expect("run");
        run(db, |b| keys::reserve(b, None, &key("other"))).await.expect("run");
        let twice = run(db, |b| keys::reserve(b, Some(&did(2)), &key("bob two"))).await;
        assert_eq!(unmet(twice), Unmet::Exists);
        assert_eq!(keys::find_reserved_for(db, &did(2)).await.expect("read"), Some(key("bob")));
        assert_eq!(keys::find_reserved(db, "did:key:any").await.expect("read"), Some(key("any")));
        run(db, |b| keys::consume_reserved(b, "did:key:any")).await.expect("run");
        let twice = run(db, |b| keys::consume_reserved(b, "did:key:any")).await;
        assert_eq!(unmet(twice), Unmet::ReservedKeyUnavailable);
        let later = scene.now().plus(Duration::from_secs(1));
        run(db, |b| keys::delete_reserved_before(b, later)).await.expect("run");
        assert_eq!(keys::find_reserved_for(db, &did(2)).await.expect("read"), None);

        run(db, |b| keys::insert_server(b, "sessions", &key("jwt"))).await.expect("run");
        let twice = run(db, |b| keys::insert_server(b, "sessions", &key("jwt two"))).await;
        assert_eq!(unmet(twice), Unmet::Exists);
        assert_eq!(keys::find_server(db, "sessions").await.expect("read"), Some(key("jwt")));
    }

    async fn the_log_of_a_did_does_not_fork(scene) {
        let db = &scene.db;
        let operation = |number: i64, text: &str| PlcOperation {
            did: did(1),
            number,
            cid: Cid::of_dag_cbor(text.as_bytes()),
            operation: text.to_owned(),
            created_at: scene.now(),
            nullified_at: None,
        };
        let other = PlcOperation { did: did(2), ..operation(0, "other") };
        run(db, |b| plc_operations::insert(b, &operation(0, "genesis"))).await.expect("run");
        run(db, |b| plc_operations::insert(b, &other)).await.expect("run");
        run(db, |b| plc_operations::insert(b, &operation(1, "left"))).await.expect("run");
        let fork = run(db, |b| plc_operations::insert(b, &operation(1, "right"))).await;
        assert_eq!(unmet(fork), Unmet::PlcLogMoved);
        let left = operation(1, "left").cid;
        run(db, |b| {
            plc_operations::nullify(b, &did(1), left, scene.now());
            plc_operations::insert(b, &operation(2, "recovery"));
        })
        .await
        .expect("run");
        let twice = run(db, |b| plc_operations::nullify(b, &did(1), left, scene.now())).await;
        assert_eq!(unmet(twice), Unmet::PlcLogMoved);
        let log = plc_operations::list(db, &did(1)).await.expect("read");
        let texts: Vec<_> = log.iter().map(|operation| &operation.operation[..]).collect();
        assert_eq!(texts, ["genesis", "left", "recovery"]);
        assert_eq!(log[1].nullified_at, Some(scene.now()));
        let first = plc_operations::export(db, 0, 2).await.expect("read");
        let rest = plc_operations::export(db, first[1].position, 9).await.expect("read");
        assert_eq!((first.len(), rest.len()), (2, 2));
        assert_eq!(plc_operations::export_after(db, scene.now(), 9).await.expect("read"), []);
    }

    async fn a_journal_moves_step_by_step(scene) {
        let db = &scene.db;
        let intent = Intent {
            did: did(1),
            kind: "create_account".to_owned(),
            step: "begun".to_owned(),
            body: "{}".to_owned(),
            created_at: scene.now(),
        };
        run(db, |b| intents::insert(b, &intent)).await.expect("run");
        assert_eq!(unmet(run(db, |b| intents::insert(b, &intent)).await), Unmet::Exists);
        run(db, |b| intents::advance(b, &intent, "registered")).await.expect("run");
        let moved = run(db, |b| intents::advance(b, &intent, "registered")).await;
        assert_eq!(unmet(moved), Unmet::IntentMoved);
        let stored = intents::find(db, &did(1), "create_account").await.expect("read");
        assert_eq!(stored.map(|intent| intent.step), Some("registered".to_owned()));
        assert_eq!(intents::list(db, 9).await.expect("read").len(), 1);
        run(db, |b| intents::delete(b, &did(1), "create_account")).await.expect("run");
        let gone = run(db, |b| intents::delete(b, &did(1), "create_account")).await;
        assert_eq!(unmet(gone), Unmet::IntentMoved);
    }

    async fn small_things_are_kept_and_forgotten(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let (now, later) = (scene.now(), scene.now().plus(Duration::from_secs(1)));
        for names in [&["a", "b", "c"][..], &["c", "a"], &[]] {
            let wanted: Vec<_> = names.iter().map(|name| preference(name)).collect();
            run(db, |b| preferences::replace(b, alice.id, &wanted)).await.expect("run");
            assert_eq!(preferences::list(db, alice.id).await.expect("read"), wanted);
        }
        for text in ["first", "second"] {
            let document = CachedDocument { document: text.to_owned(), fetched_at: now };
            run(db, |b| did_cache::put(b, &did(2), &document)).await.expect("run");
            assert_eq!(did_cache::find(db, &did(2)).await.expect("read"), Some(document));
        }
        run(db, |b| did_cache::delete_before(b, now)).await.expect("run");
        assert!(did_cache::find(db, &did(2)).await.expect("read").is_some());
        run(db, |b| did_cache::delete_before(b, later)).await.expect("run");
        assert_eq!(did_cache::find(db, &did(2)).await.expect("read"), None);
        run(db, |b| did_cache::delete(b, &did(2))).await.expect("run");

        run(db, |b| nonces::consume(b, "nonce", now)).await.expect("run");
        let twice = run(db, |b| nonces::consume(b, "nonce", now)).await;
        assert_eq!(unmet(twice), Unmet::NonceUsed);
        run(db, |b| nonces::delete_expired(b, later)).await.expect("run");
        run(db, |b| nonces::consume(b, "nonce", now)).await.expect("it was forgotten");
    }

    async fn old_events_are_pruned(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        for second in 0..5 {
            scene.set_clock(START_US + second * 1_000_000);
            alice.write(db, &[], &[]).await.expect("written");
        }
        let cut = Moment::from_unix_ms((START_US / 1000) as i64 + 2000);
        let first = events::first_since(db, cut).await.expect("read");
        assert_eq!(first, Some(START_US + 2_000_000));
        assert_eq!(events::prune(db, cut).await.expect("pruned"), 2);
        let kept = events::first_after(db, 0).await.expect("read");
        assert_eq!(kept.map(|(seq, _)| seq), first);
        assert_eq!(events::last_seq(db).await.expect("read"), START_US + 4_000_000);
    }
}

pub(super) fn preference(name: &str) -> Preference {
    Preference { name: name.to_owned(), value: format!("{{\"$type\":\"{name}\"}}") }
}

pub(super) fn session(scene: &Scene, person: &Person, id: &str, seconds: u64) -> Session {
    Session {
        id: id.to_owned(),
        family: "family".to_owned(),
        account: person.id,
        app_password: None,
        created_at: scene.now(),
        expires_at: scene.now().plus(Duration::from_secs(seconds)),
        next_id: None,
    }
}

pub(super) fn new_blob(scene: &Scene, person: &Person, bytes: &[u8]) -> NewBlob {
    NewBlob {
        account: person.id,
        did: person.did.clone(),
        cid: Cid::of_raw(bytes),
        mime_type: "image/png".to_owned(),
        size_bytes: bytes.len() as i64,
        at: scene.now(),
    }
}
