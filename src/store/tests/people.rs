//! What accounts promise: names, addresses, states, and a clean end.

use std::time::Duration;

use super::nouns::{found, new_blob, preference, run, unmet};
use super::*;
use crate::store::{
    accounts::Status,
    batch::Unmet,
    blobs::{self, Removal},
    emails, events, heads, preferences, records,
};

on_both_engines! {
    async fn an_account_is_found_by_each_of_its_names(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let account = found(db, &alice).await;
        assert_eq!(account.email, "a1@example.com");
        assert_eq!(account.created_at, scene.now());
        assert_eq!(account.status(), Status::Active);
        for found in [
            accounts::find_by_did(db, &alice.did).await,
            accounts::find_by_handle(db, &handle("a1.test")).await,
            emails::find(db, "a1@EXAMPLE.com").await,
        ] {
            assert_eq!(found.expect("read").as_ref(), Some(&account));
        }
        assert_eq!(emails::find(db, "with\0zero").await.expect("read"), None);
        assert_eq!(accounts::list(db, AccountId(0), 10).await.expect("read"), [account]);
        assert_eq!(accounts::count(db).await.expect("read"), 1);
        assert_eq!(heads::list(db, AccountId(0), 10).await.expect("read"), []);
    }

    async fn names_are_taken_once(scene) {
        let db = &scene.db;
        let (alice, bob) = (scene.account(1).await, scene.account(2).await);
        let twin = accounts::NewAccount { id: AccountId(99), ..scene.new_account(&alice, 1) };
        let taken = [
            accounts::NewAccount { did: did(3), email: "c@test".to_owned(), ..twin.clone() },
            accounts::NewAccount { handle: handle("c.test"), email: "c@test".to_owned(), ..twin },
        ];
        for new in taken {
            let refused = run(db, |batch| accounts::insert(batch, &new)).await;
            assert_eq!(unmet(refused), Unmet::AccountTaken);
        }
        let refused = run(db, |b| accounts::update_handle(b, bob.id, &handle("a1.test"))).await;
        assert_eq!(unmet(refused), Unmet::HandleTaken);
        let refused = run(db, |b| emails::expect_free(b, bob.id, "A1@example.com")).await;
        assert_eq!(unmet(refused), Unmet::EmailTaken);
        let claimant = found(db, &bob).await;
        run(db, |b| {
            accounts::update_handle(b, bob.id, &handle("b.test"));
            accounts::update_handle(b, bob.id, &handle("b.test"));
            emails::expect_free(b, bob.id, "B@example.com");
            emails::update(b, &claimant, "B@example.com");
            emails::confirm(b, &claimant, "b@example.com", scene.now());
            accounts::update_password(b, bob.id, "new hash");
        })
        .await
        .expect("free names");
        let bob = found(db, &bob).await;
        assert_eq!((bob.handle, &bob.email[..]), (handle("b.test"), "b@example.com"));
        assert_eq!((bob.email_confirmed_at, &bob.password_hash[..]), (Some(scene.now()), "new hash"));
    }

    async fn an_address_has_claims_and_one_holder(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let bob = accounts::NewAccount {
            id: AccountId(99),
            did: did(2),
            handle: handle("b.test"),
            ..scene.new_account(&alice, 1)
        };
        let alice = found(db, &alice).await;
        run(db, |batch| accounts::insert(batch, &bob)).await.expect("a claim is free");
        let bob = accounts::find(db, bob.id).await.expect("read").expect("is there");
        assert_eq!(bob.email, alice.email);
        let who = async || {
            let claims = emails::list(db, &alice.email, 9).await.expect("read");
            let holder = emails::find(db, &alice.email).await.expect("read").expect("is there");
            assert_eq!(claims[0], holder);
            claims.into_iter().map(|account| account.id).collect::<Vec<_>>()
        };
        assert_eq!(who().await, [alice.id, bob.id]);
        run(db, |b| emails::confirm(b, &bob, &bob.email, scene.now())).await.expect("run");
        assert_eq!(who().await, [bob.id, alice.id]);
        run(db, |b| emails::confirm(b, &alice, &alice.email, scene.now())).await.expect("run");
        assert_eq!(who().await, [bob.id, alice.id]);
        run(db, |b| emails::update(b, &bob, "b@example.com")).await.expect("run");
        assert_eq!(who().await, [alice.id]);
        run(db, |b| emails::update(b, &bob, &alice.email)).await.expect("run");
        assert_eq!(who().await, [alice.id, bob.id]);
        let other = run(db, |b| emails::confirm(b, &bob, "c@example.com", scene.now())).await;
        assert_eq!(unmet(other), Unmet::AccountMissing);
    }

    async fn the_strongest_status_shows(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let due = scene.now().plus(Duration::from_secs(60));
        run(db, |b| accounts::deactivate(b, alice.id, scene.now(), Some(due))).await.expect("run");
        assert_eq!(found(db, &alice).await.status(), Status::Deactivated);
        assert_eq!(accounts::list_delete_due(db, scene.now(), 9).await.expect("read"), []);
        let listed = accounts::list_delete_due(db, due, 9).await.expect("read");
        assert_eq!(listed, [found(db, &alice).await]);
        run(db, |b| accounts::take_down(b, alice.id, scene.now(), "ref")).await.expect("run");
        assert_eq!(found(db, &alice).await.status(), Status::TakenDown);
        run(db, |b| accounts::activate(b, alice.id)).await.expect("run");
        assert_eq!(found(db, &alice).await.status(), Status::TakenDown);
        run(db, |b| accounts::reinstate(b, alice.id)).await.expect("run");
        assert_eq!(found(db, &alice).await.status(), Status::Active);
        let missing = run(db, |b| accounts::activate(b, AccountId(99))).await;
        assert_eq!(unmet(missing), Unmet::AccountMissing);
    }

    /// Nothing of a deleted account is left but its last event and the list of
    /// bytes to remove.
    async fn a_deleted_account_leaves_nothing(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let mut bob = scene.account(2).await;
        alice.write(db, &[("a.b.c/1", b"value")], &[]).await.expect("written");
        bob.write(db, &[], &[]).await.expect("written");
        let blob = new_blob(scene, &alice, b"bytes");
        let blob_cid = blob.cid;
        run(db, |b| {
            blobs::put(b, &blob);
            blobs::refer(b, alice.id, &path("a.b.c/1"), blob_cid);
            preferences::replace(b, alice.id, &[preference("a")]);
        })
        .await
        .expect("run");
        let mut batch = Batch::new();
        accounts::delete(&mut batch, alice.id, scene.now());
        let frames = vec![alice.frame()];
        let commit = Commit { account: alice.id, batch, repo: None, frames };
        let last = db.commit(commit).await.expect("deleted").events[0].seq;
        assert_eq!(events::delete_of_account(db, &alice.did, last).await.expect("deleted"), 1);

        assert_eq!(accounts::find(db, alice.id).await.expect("read"), None);
        assert_eq!(heads::find(db, alice.id).await.expect("read"), None);
        assert_eq!(records::count(db, alice.id).await.expect("read"), 0);
        assert_eq!(blobs::find(db, alice.id, blob_cid).await.expect("read"), None);
        assert_eq!(preferences::list(db, alice.id).await.expect("read"), []);
        let removal = Removal { did: alice.did.clone(), cid: blob_cid };
        assert_eq!(blobs::list_removals(db, 9).await.expect("read"), [removal]);
        let log = events::range(db, 0, 9).await.expect("read");
        let told: Vec<_> = log.iter().map(|event| event.did.clone()).collect();
        assert_eq!(told, [bob.did, alice.did]);
    }
}
