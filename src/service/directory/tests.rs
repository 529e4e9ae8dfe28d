//! The directory over a real store: what is kept, what is shown, and the
//! rates. The rules of a log have their own tests in `atproto::plc`.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    atproto::{
        crypto::{Curve, SigningKey},
        plc::Unsigned,
        syntax::Handle,
    },
    store::{DbSettings, Location},
};

/// A directory in a folder of its own, and the key that signs in it.
struct Fixture {
    directory: Directory,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn open(rates: Rates) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::fake();
        let now = clock.clone();
        let location = Location::Sqlite(folder.path().join("directory.sqlite"));
        let db = Db::open(DbSettings::new(location), Arc::new(move || now.now_us())).await;
        let directory = Directory::new(db.expect("a database"), clock.clone(), rates);
        Self { directory, clock, _folder: folder }
    }

    /// Registers an identity with a handle.
    async fn register(&self, handle: &str) -> (Did, Operation) {
        let genesis = operation(handle, None);
        let did = genesis.did().expect("a genesis");
        self.submit(&did, &genesis).await.expect("a valid genesis");
        (did, genesis)
    }

    async fn submit(&self, did: &Did, operation: &Operation) -> Result<Cid, DirectoryError> {
        self.directory.submit(did.as_str(), operation.to_json()).await
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_secret(Curve::K256, &[number; 32]).expect("a secret")
}

/// An operation with a handle, signed with the lower of two rotation keys.
fn operation(handle: &str, prev: Option<Cid>) -> Operation {
    signed_by(2, handle, prev)
}

fn signed_by(signer: u8, handle: &str, prev: Option<Cid>) -> Operation {
    let rotation_keys = vec![key(1).public().did_key(), key(2).public().did_key()];
    let signing_key = key(3).public().did_key();
    let handle = Handle::new(handle.to_owned()).expect("a handle");
    let state = State::of_account(rotation_keys, signing_key, &handle, "https://pds.example.com");
    let operation = Unsigned::Operation { state, prev };
    operation.sign(&key(signer)).expect("within the limits")
}

#[tokio::test]
async fn an_identity_is_shown_as_its_last_operation_says() {
    let fixture = Fixture::open(Rates::Kept).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let second = operation("new.test", Some(genesis.cid()));
    let cid = fixture.submit(&did, &second).await.expect("a valid operation");
    assert_eq!(cid, second.cid());
    let document = fixture.directory.document(did.as_str()).await.expect("a document");
    assert_eq!(document.handle().map(|handle| handle.as_str()), Some("new.test"));
    let state = fixture.directory.state(did.as_str()).await.expect("a state");
    let mut expected = json!(second.state());
    expected["did"] = json!(did);
    assert_eq!(json!(state), expected);
    let log = fixture.directory.log(did.as_str()).await.expect("a log");
    assert_eq!(json!(log), json!([genesis.to_json(), second.to_json()]));
    let last = fixture.directory.last(did.as_str()).await.expect("an operation");
    assert_eq!(json!(last), second.to_json());
}

#[tokio::test]
async fn a_recovery_is_told_apart_in_the_audit_log_only() {
    let fixture = Fixture::open(Rates::Kept).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let theft = operation("mallory.test", Some(genesis.cid()));
    fixture.submit(&did, &theft).await.expect("the lower key may sign");
    let recovery = signed_by(1, "alice.test", Some(genesis.cid()));
    fixture.submit(&did, &recovery).await.expect("the higher key undoes it");
    let log = fixture.directory.log(did.as_str()).await.expect("a log");
    assert_eq!(json!(log), json!([genesis.to_json(), recovery.to_json()]));
    let audit = fixture.directory.audit_log(did.as_str()).await.expect("a log");
    let nullified: Vec<bool> = audit.iter().map(|entry| entry.nullified).collect();
    assert_eq!(nullified, [false, true, false]);
    assert_eq!(json!(audit[1].operation), theft.to_json());
    let moments: Vec<Moment> = audit.iter().map(|entry| entry.created_at).collect();
    assert!(moments.is_sorted_by(|a, b| a < b), "each has a moment of its own: {moments:?}");
}

#[tokio::test]
async fn a_tombstone_ends_what_is_shown_and_not_what_is_kept() {
    let fixture = Fixture::open(Rates::Kept).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let tombstone = Unsigned::Tombstone { prev: genesis.cid() }.sign(&key(2)).expect("signed");
    fixture.submit(&did, &tombstone).await.expect("valid");
    let document = fixture.directory.document(did.as_str()).await;
    assert!(matches!(document, Err(DirectoryError::Tombstoned(_))), "{document:?}");
    let state = fixture.directory.state(did.as_str()).await;
    assert!(matches!(state, Err(DirectoryError::Tombstoned(_))), "{state:?}");
    let last = fixture.directory.last(did.as_str()).await.expect("an operation");
    assert_eq!(json!(last), tombstone.to_json());
}

#[tokio::test]
async fn strangers_and_other_names_are_told_apart() {
    let fixture = Fixture::open(Rates::Kept).await;
    let unknown = "did:plc:44ybard66vv44zksje25o7dz";
    let answer = fixture.directory.document(unknown).await;
    assert!(matches!(answer, Err(DirectoryError::NotRegistered(_))), "{answer:?}");
    let answer = fixture.directory.audit_log(unknown).await;
    assert!(matches!(answer, Err(DirectoryError::NotRegistered(_))), "{answer:?}");
    for name in ["did:web:example.com", "did:plc:short", "did:plc:44YBARD66VV44ZKSJE25O7DZ", ""] {
        let answer = fixture.directory.document(name).await;
        assert!(matches!(answer, Err(DirectoryError::NotADid(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let fixture = Fixture::open(Rates::Kept).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let forged = signed_by(9, "mallory.test", Some(genesis.cid()));
    let answer = fixture.submit(&did, &forged).await;
    assert!(matches!(answer, Err(DirectoryError::Refused(Refused::Signature))), "{answer:?}");
    let answer = fixture.directory.submit(did.as_str(), json!({ "type": "create" })).await;
    assert!(matches!(answer, Err(DirectoryError::Invalid(_))), "{answer:?}");
    let audit = fixture.directory.audit_log(did.as_str()).await.expect("a log");
    assert_eq!(audit.len(), 1);
}

#[tokio::test]
async fn of_operations_for_one_place_one_is_taken() {
    let fixture = Fixture::open(Rates::Free).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let rivals: Vec<Operation> = (0..8)
        .map(|number| operation(&format!("alice{number}.test"), Some(genesis.cid())))
        .collect();
    let outcomes = rivals.iter().map(|rival| fixture.submit(&did, rival));
    let outcomes = futures_util::future::join_all(outcomes).await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(taken, 1, "{outcomes:?}");
    assert_eq!(fixture.directory.audit_log(did.as_str()).await.expect("a log").len(), 2);
}

#[tokio::test]
async fn an_identity_has_ten_operations_an_hour() {
    let fixture = Fixture::open(Rates::Kept).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let mut last = genesis.cid();
    for number in 1..10 {
        let next = operation(&format!("alice{number}.test"), Some(last));
        last = fixture.submit(&did, &next).await.expect("within the rate");
    }
    let next = operation("eleventh.test", Some(last));
    let answer = fixture.submit(&did, &next).await;
    assert!(
        matches!(answer, Err(DirectoryError::TooMany { max: 10, window: "hour" })),
        "{answer:?}"
    );
    // A recovery is free of the count.
    let recovery = signed_by(1, "alice.test", Some(genesis.cid()));
    fixture.submit(&did, &recovery).await.expect("a recovery");
    fixture.clock.advance(Duration::from_hours(1));
    let next = operation("later.test", Some(recovery.cid()));
    fixture.submit(&did, &next).await.expect("an hour later");
}

#[tokio::test]
async fn a_developer_is_not_counted() {
    let fixture = Fixture::open(Rates::Free).await;
    let (did, genesis) = fixture.register("alice.test").await;
    let mut last = genesis.cid();
    for number in 1..20 {
        let next = operation(&format!("alice{number}.test"), Some(last));
        last = fixture.submit(&did, &next).await.expect("no rate");
    }
}

#[tokio::test]
async fn the_export_goes_on_where_it_stopped() {
    let fixture = Fixture::open(Rates::Kept).await;
    let mut dids = Vec::new();
    for name in ["alice.test", "bob.test", "carol.test"] {
        fixture.clock.advance(Duration::from_secs(1));
        dids.push(fixture.register(name).await.0);
    }
    let first = fixture.directory.export(0, 2).await.expect("a page");
    assert_eq!(first.iter().map(|line| &line.did).collect::<Vec<_>>(), [&dids[0], &dids[1]]);
    let rest = fixture.directory.export(first[1].seq, 1000).await.expect("a page");
    assert_eq!(rest.iter().map(|line| &line.did).collect::<Vec<_>>(), [&dids[2]]);
    assert_eq!(json!(rest[0])["type"], "sequenced_op");
    let epoch = Moment::from_unix_ms(0);
    let older = fixture.directory.export_since(epoch, 2).await.expect("a page");
    let rest = fixture.directory.export_since(older[1].created_at, 2).await.expect("a page");
    assert_eq!(rest.iter().map(|line| &line.did).collect::<Vec<_>>(), [&dids[2]]);
    assert_eq!(json!(rest[0])["nullified"], false);
}
