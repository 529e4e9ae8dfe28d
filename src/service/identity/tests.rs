//! Documents and identities over a real database and a network that holds what
//! a test puts there.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    atproto::{Moment, crypto::Curve},
    store::{AccountId, Batch, BlobBytes, Db, DbSettings, Location, accounts::NewAccount},
    world::HttpError,
};

const ALICE: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

struct Town {
    identity: Identity,
    store: Store,
    world: World,
    _folder: TempDir,
}

async fn town() -> Town {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::fake(7);
    let location = Location::Sqlite(folder.path().join("town.sqlite"));
    let clock = world.clock.clone();
    let db = Db::open(DbSettings::new(location), Arc::new(move || clock.now_us())).await;
    let store = Store { db: db.expect("a fresh database"), blobs: BlobBytes::memory() };
    let identity = identity(&store, &world);
    Town { identity, store, world, _folder: folder }
}

fn identity(store: &Store, world: &World) -> Identity {
    let host = Host {
        public_url: "https://pds.test".into(),
        hostname: "pds.test".into(),
        service_did: did("did:web:pds.test"),
        handle_domains: vec![".pds.test".into()],
    };
    let settings = IdentitySettings {
        directory: "https://plc.test/".parse().expect("a URL"),
        rotation_key: SigningKey::from_secret(Curve::K256, &[1; 32]).expect("a secret"),
    };
    Identity::new(store.clone(), world.clone(), host, settings)
}

fn did(text: &str) -> Did {
    Did::new(text.to_owned()).expect("a DID")
}

fn handle(text: &str) -> Handle {
    Handle::new(text.to_owned()).expect("a handle")
}

impl Town {
    /// Puts the document of `did` at `url`, with one alias.
    fn publish(&self, url: &str, did: &str, alias: &str) {
        let document = json!({ "id": did, "alsoKnownAs": [format!("at://{alias}")] });
        self.world.http.answer(url, 200, "application/json", document.to_string());
    }

    fn publish_alice(&self, alias: &str) {
        self.publish(&format!("https://plc.test/{ALICE}"), ALICE, alias);
    }

    /// Returns the handle that the document of `did` claims.
    async fn claimed(&self, text: &str, freshness: Freshness) -> Result<String, DidError> {
        let document = self.identity.document(&did(text), freshness).await?;
        Ok(document.handle().expect("an alias").as_str().to_owned())
    }

    async fn alices(&self, freshness: Freshness) -> String {
        self.claimed(ALICE, freshness).await.expect("a document")
    }

    async fn host(&self, text: &str, deactivated_at: Option<Moment>) {
        let mut batch = Batch::new();
        let new = NewAccount {
            id: AccountId(1),
            did: did(ALICE),
            handle: handle(text),
            email: "alice@mail.test".into(),
            password_hash: String::new(),
            created_at: self.world.clock.now(),
            deactivated_at,
        };
        accounts::insert(&mut batch, &new);
        self.store.db.run(batch).await.expect("an account");
    }
}

#[tokio::test]
async fn a_document_is_used_for_an_hour_and_stale_for_a_day() {
    let town = town().await;
    town.publish_alice("one.example.com");
    assert_eq!(town.alices(Freshness::Cached).await, "one.example.com");
    town.publish_alice("two.example.com");
    town.world.clock.advance(HOUR - MINUTE);
    assert_eq!(town.alices(Freshness::Cached).await, "one.example.com");
    town.world.clock.advance(MINUTE);
    assert_eq!(town.alices(Freshness::Cached).await, "one.example.com");
    town.world.clock.advance(HOUR * 23);
    assert_eq!(town.alices(Freshness::Cached).await, "two.example.com");
}

#[tokio::test]
async fn a_stale_document_is_refreshed_behind_the_readers_back() {
    let town = town().await;
    town.publish_alice("one.example.com");
    town.alices(Freshness::Cached).await;
    town.publish_alice("two.example.com");
    town.world.clock.advance(HOUR);
    let refreshing = town.identity.keep_fresh();
    tokio::pin!(refreshing);
    loop {
        tokio::select! {
            biased;
            () = &mut refreshing => unreachable!("it never ends by itself"),
            now = town.alices(Freshness::Cached) => if now == "two.example.com" { break },
        }
    }
}

#[tokio::test]
async fn a_recheck_asks_again_but_not_at_every_strangers_wish() {
    let town = town().await;
    town.publish_alice("one.example.com");
    assert_eq!(town.alices(Freshness::Recheck).await, "one.example.com");
    town.publish_alice("two.example.com");
    town.world.clock.advance(Duration::from_secs(29));
    assert_eq!(town.alices(Freshness::Recheck).await, "one.example.com");
    assert_eq!(town.alices(Freshness::Now).await, "two.example.com");
    town.publish_alice("three.example.com");
    town.world.clock.advance(Duration::from_secs(30));
    assert_eq!(town.alices(Freshness::Recheck).await, "three.example.com");
    assert_eq!(town.alices(Freshness::Cached).await, "three.example.com");
}

#[tokio::test]
async fn documents_outlive_a_restart_and_old_ones_are_deleted() {
    let town = town().await;
    town.publish_alice("one.example.com");
    town.alices(Freshness::Cached).await;
    town.publish_alice("two.example.com");
    let restarted = || Town {
        identity: identity(&town.store, &town.world),
        store: town.store.clone(),
        world: town.world.clone(),
        _folder: tempfile::tempdir().expect("a folder"),
    };
    assert_eq!(restarted().alices(Freshness::Cached).await, "one.example.com");
    town.identity.delete_old_documents().await.expect("deleted");
    assert_eq!(restarted().alices(Freshness::Cached).await, "one.example.com");
    town.world.clock.advance(HOUR * 24 + MINUTE);
    town.identity.delete_old_documents().await.expect("deleted");
    assert_eq!(restarted().alices(Freshness::Cached).await, "two.example.com");
    town.publish_alice("three.example.com");
    town.identity.forget(&did(ALICE)).await;
    assert_eq!(restarted().alices(Freshness::Cached).await, "three.example.com");
}

#[tokio::test]
async fn a_directory_that_is_down_takes_nothing_away_and_a_tombstone_does() {
    let town = town().await;
    let url = format!("https://plc.test/{ALICE}");
    town.publish_alice("one.example.com");
    town.alices(Freshness::Cached).await;
    town.world.http.answer(&url, 503, "text/plain", "");
    town.world.clock.advance(HOUR * 2);
    assert!(town.claimed(ALICE, Freshness::Now).await.is_err());
    assert_eq!(town.alices(Freshness::Cached).await, "one.example.com");
    assert_eq!(town.alices(Freshness::Recheck).await, "one.example.com");
    town.world.clock.advance(MINUTE);
    town.world.http.answer(&url, 410, "application/json", "{}");
    let ended = town.claimed(ALICE, Freshness::Recheck).await;
    assert!(matches!(ended, Err(DidError::Deactivated)), "{ended:?}");
    let ended = town.claimed(ALICE, Freshness::Cached).await;
    assert!(matches!(ended, Err(DidError::Deactivated)), "{ended:?}");
}

#[tokio::test]
async fn a_did_web_host_that_fails_takes_nothing_away_and_one_that_ends_it_does() {
    let town = town().await;
    let (bob, url) = ("did:web:bob.example.com", "https://bob.example.com/.well-known/did.json");
    town.publish(url, bob, "bob.example.com");
    town.claimed(bob, Freshness::Cached).await.expect("a document");
    for status in [500, 503, 429] {
        town.world.http.answer(url, status, "text/plain", "");
        town.world.clock.advance(HOUR);
        let claimed = town.claimed(bob, Freshness::Recheck).await;
        assert_eq!(claimed.expect("the one from before"), "bob.example.com", "{status}");
    }
    let now = town.claimed(bob, Freshness::Now).await;
    assert!(matches!(now, Err(DidError::HostFails(429))), "{now:?}");
    town.world.clock.advance(HOUR);
    town.world.http.answer(url, 410, "text/plain", "");
    let ended = town.claimed(bob, Freshness::Recheck).await;
    assert!(matches!(ended, Err(DidError::Deactivated)), "{ended:?}");
}

#[tokio::test]
async fn failures_have_names_and_are_believed_for_a_moment() {
    let town = town().await;
    let url = format!("https://plc.test/{ALICE}");
    let said = async |status: u16| {
        town.world.http.answer(&url, status, "application/json", "{}");
        town.identity.forget(&did(ALICE)).await;
        town.claimed(ALICE, Freshness::Cached).await.expect_err("no document")
    };
    assert!(matches!(said(404).await, DidError::NotFound));
    assert!(matches!(said(410).await, DidError::Deactivated));
    assert!(matches!(said(429).await, DidError::Directory(PlcError::RateLimited)));
    assert!(matches!(said(500).await, DidError::Directory(PlcError::Unreachable(None))));
    assert!(matches!(said(200).await, DidError::Directory(PlcError::NotUnderstood)));
    town.publish_alice("one.example.com");
    assert!(town.claimed(ALICE, Freshness::Cached).await.is_err());
    town.world.clock.advance(Duration::from_secs(30));
    assert_eq!(town.alices(Freshness::Cached).await, "one.example.com");
}

#[tokio::test]
async fn a_did_web_is_a_host_name_and_nothing_more() {
    let town = town().await;
    town.publish(
        "https://bob.example.com/.well-known/did.json",
        "did:web:bob.example.com",
        "bob.test",
    );
    let claimed = town.claimed("did:web:bob.example.com", Freshness::Cached).await;
    assert_eq!(claimed.expect("a document"), "bob.test");
    for unsupported in [
        "did:web:bob.example.com:users:bob",
        "did:web:bob.example.com%3A8443",
        "did:web:localhost%3A2583",
        "did:plc:short",
        "did:plc:AAAAAAAAAAAAAAAAAAAAAAAA",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    ] {
        let error = town.claimed(unsupported, Freshness::Cached).await.expect_err("unsupported");
        assert!(matches!(error, DidError::Unsupported), "{unsupported}: {error:?}");
    }
    let inside = town.claimed("did:web:127.0.0.1", Freshness::Cached).await.expect_err("refused");
    let DidError::Host(cause) = inside else { panic!("{inside:?}") };
    assert!(matches!(*cause, HttpError::Refused(_)));
    town.publish(
        "https://eve.example.com/.well-known/did.json",
        "did:web:bob.example.com",
        "x.test",
    );
    let other = town.claimed("did:web:eve.example.com", Freshness::Cached).await;
    assert!(matches!(other, Err(DidError::Invalid(_))), "{other:?}");
    assert_eq!(town.identity.own_document().did().as_str(), "did:web:pds.test");
}

#[tokio::test]
async fn a_handle_is_confirmed_only_from_both_sides() {
    let town = town().await;
    let record = format!("did={ALICE}");
    town.world.dns.set_txt("_atproto.alice.example.com", &[&record]);
    town.publish_alice("alice.example.com");
    let resolve = async |identifier: &str| {
        let identifier: AtIdentifier = identifier.parse().expect("an identifier");
        let resolved = town.identity.resolve(&identifier, Freshness::Recheck).await;
        resolved.expect("an identity").handle.map(|handle| handle.as_str().to_owned())
    };
    assert_eq!(resolve(ALICE).await.as_deref(), Some("alice.example.com"));
    assert_eq!(resolve("Alice.Example.com").await.as_deref(), Some("alice.example.com"));
    town.publish_alice("somebody.example.com");
    town.world.clock.advance(MINUTE);
    assert_eq!(resolve("alice.example.com").await, None);
    town.publish_alice("ALICE.example.com");
    town.world.clock.advance(MINUTE);
    assert_eq!(resolve(ALICE).await.as_deref(), Some("alice.example.com"));
}

#[tokio::test]
async fn accounts_of_this_server_come_first_while_they_are_active() {
    let town = town().await;
    town.host("alice.pds.test", None).await;
    let resolve = async |text: &str| {
        let did = town.identity.resolve_handle(&handle(text), Freshness::Cached).await;
        did.map(|did| did.as_str().to_owned())
    };
    assert_eq!(resolve("ALICE.pds.test").await.expect("found"), ALICE);
    let found = town.identity.well_known_did("alice.pds.test").await.expect("asked");
    assert_eq!(found, Some(did(ALICE)));
    // Nobody outside may speak for a name under our domain.
    town.world.dns.set_txt("_atproto.bob.pds.test", &[&format!("did={ALICE}")]);
    let missing = resolve("bob.pds.test").await;
    assert!(matches!(missing, Err(IdentityError::Handle(HandleError::NotFound))));

    let mut batch = Batch::new();
    accounts::deactivate(&mut batch, AccountId(1), town.world.clock.now(), None);
    town.store.db.run(batch).await.expect("deactivated");
    assert!(resolve("alice.pds.test").await.is_err());
    let found = town.identity.well_known_did("alice.pds.test").await.expect("asked");
    assert_eq!(found, None);
}
