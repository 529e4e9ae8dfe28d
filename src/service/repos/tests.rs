//! Repositories over a real SQLite store, on a world that stands still.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    atproto::{
        data::{self, Value},
        event::{CommitEvent, Message, OpChange},
        lexicon::Validation,
        syntax::{Did, Handle, RecordKey},
    },
    repo::{BlockMap, Blocks, car, proof},
    service::keys::AccountKeys,
    store::{
        Batch, BlobBytes, Commit, Db, DbSettings, Location, Needs, RecordPut, RepoChange,
        accounts::{self, NewAccount},
        blobs::{self, NewBlob},
        events, heads,
        vault::Vault,
    },
};

const POST: &str = "app.bsky.feed.post";

/// A server's repositories, and one account.
struct House {
    repos: Arc<Repos>,
    store: Store,
    world: World,
    owner: Owner,
    _folder: TempDir,
}

impl House {
    async fn build() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = World::fake(7);
        let clock = world.clock.clone();
        let location = Location::Sqlite(folder.path().join("test.sqlite"));
        let now_us = Arc::new(move || clock.now_us());
        let db = Db::open(DbSettings::new(location), now_us).await.expect("opens");
        let store = Store { db, blobs: BlobBytes::memory() };
        let repos = Arc::new(open(&store, &world));
        let did: Did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().expect("a DID");
        let account = accounts::allocate_id(&store.db).await.expect("an id");
        let owner = Owner { account, did };
        let house = Self { repos, store, world, owner, _folder: folder };
        house.settle().await;
        house
    }

    /// Makes the account and its repository.
    async fn settle(&self) {
        let Owner { account, did } = self.owner.clone();
        let key = self.repos.keys.generate();
        let mut batch = Batch::new();
        let now = self.world.clock.now();
        let new = NewAccount {
            id: account,
            did: did.clone(),
            handle: Handle::new("alice.test".to_owned()).expect("a handle"),
            email: "alice@mail.test".to_owned(),
            password_hash: String::new(),
            created_at: now,
            deactivated_at: None,
        };
        accounts::insert(&mut batch, &new);
        self.repos.keys.put(&mut batch, account, &did, &key);
        let genesis = self.repos.genesis(&did, &key).expect("an empty repository");
        let repo = Some(genesis.repo);
        let commit = Commit { account, batch, repo, frames: vec![genesis.frame] };
        self.store.db.commit(commit).await.expect("commits");
    }

    async fn create(&self, rkey: &str, record: serde_json::Value) -> Result<Written, RepoError> {
        self.repos.create_record(&self.owner, draft(rkey, record), None).await
    }

    async fn put(&self, rkey: &str, record: serde_json::Value) -> Result<Written, RepoError> {
        let swap = SwapRecord::Anything;
        self.repos.put_record(&self.owner, draft(rkey, record), swap, None).await
    }

    async fn delete(&self, rkey: &str) -> Result<Option<CommitMeta>, RepoError> {
        let deletion = Deletion { path: path(rkey), swap_record: None, swap_commit: None };
        self.repos.delete_record(&self.owner, deletion).await
    }

    async fn head(&self) -> heads::Head {
        let head = heads::find(&self.store.db, self.owner.account).await.expect("reads");
        head.expect("there is one")
    }

    /// The commits that the world was told of, oldest first.
    async fn told(&self) -> Vec<CommitEvent> {
        let events = events::range(&self.store.db, 0, 1_000).await.expect("reads");
        let commits = events.iter().filter_map(|event| match Message::decode(&event.bytes) {
            Ok(Message::Commit(_, commit)) => Some(*commit),
            _ => None,
        });
        commits.collect()
    }

    /// Plays the strict relay: each commit follows from the one before it, and
    /// its operations undo to that one's tree with its own blocks. The last is
    /// the head, and a cold load agrees with it.
    async fn check(&self) {
        let told = self.told().await;
        for (before, after) in told.iter().zip(&told[1..]) {
            assert_eq!(after.since.as_ref(), Some(&before.rev));
            assert!(after.rev.as_str() > before.rev.as_str());
            let (roots, blocks) = BlockMap::read_car(&after.blocks, LIMITS).expect("an archive");
            assert_eq!(roots, [after.commit]);
            let commit = blocks.block(&after.commit).expect("memory").expect("the commit");
            let commit = crate::repo::Commit::decode(&commit).expect("a commit");
            assert_eq!((commit.did(), commit.rev()), (&after.did, &after.rev));
            let key = self.repos.public_key(&self.owner).await.expect("a key");
            commit.verify(&key).expect("signed by the account");
            let root = proof::invert(&blocks, &commit.data(), &after.ops).expect("undoes");
            assert_eq!(Some(root), after.prev_data);
        }
        let head = self.head().await;
        assert_eq!(told.last().map(|commit| commit.commit), Some(head.commit_cid));
        let cold = open(&self.store, &self.world);
        let loaded = cold.at_head(&self.owner).await.expect("the records make the signed root");
        assert_eq!(loaded.head, head);
    }
}

const LIMITS: car::Limits =
    car::Limits { block_bytes_max: 1_000_000, total_bytes_max: 2_000_000, blocks_max: 10_000 };

fn open(store: &Store, world: &World) -> Repos {
    let keys = AccountKeys::new(store.db.clone(), Vault::new(&[9; 32]), world.clone());
    Repos::new(store.clone(), keys, world.clone(), RepoLimits::default())
}

fn path(rkey: &str) -> RecordPath {
    format!("{POST}/{rkey}").parse().expect("a path")
}

fn draft(rkey: &str, record: serde_json::Value) -> Draft {
    Draft {
        collection: Nsid::new(POST.to_owned()).expect("an NSID"),
        rkey: (!rkey.is_empty()).then(|| RecordKey::new(rkey.to_owned()).expect("a key")),
        value: data::from_json_value(&record).expect("the data model"),
        validate: Validate::IfKnown,
    }
}

fn post(text: &str) -> serde_json::Value {
    json!({ "$type": POST, "text": text, "createdAt": "2026-01-02T03:04:05.678Z" })
}

const A: &str = "3l4qf2k5xlk2a";
const B: &str = "3l4qf2k5xlk2b";
const C: &str = "3l4qf2k5xlk2c";

#[tokio::test]
async fn records_come_change_and_go() {
    let house = House::build().await;
    let created = house.create("", post("one")).await.expect("creates");
    assert_eq!(created.validation, Some(Validation::Valid));
    assert_eq!(
        created.commit.as_ref().map(|commit| commit.cid),
        Some(house.head().await.commit_cid)
    );
    house.create(A, post("two")).await.expect("creates");
    let updated = house.put(A, post("three")).await.expect("updates");
    house.put(B, post("four")).await.expect("creates");
    house.delete(B).await.expect("deletes").expect("was there");
    let found = house.repos.get_record(&house.owner, &path(A), None).await.expect("reads");
    let found = found.expect("there");
    assert_eq!((found.cid, found.path), (updated.cid, path(A)));
    assert_eq!(Some(&found.rev), updated.commit.as_ref().map(|commit| &commit.rev));
    let told = house.told().await;
    let kinds: Vec<Vec<&str>> = told.iter().map(kinds).collect();
    assert_eq!(
        kinds,
        [vec![], vec!["create"], vec!["create"], vec!["update"], vec!["create"], vec!["delete"]]
    );
    house.check().await;
}

fn kinds(commit: &CommitEvent) -> Vec<&'static str> {
    let kind = |change: &OpChange| match change {
        OpChange::Create { .. } => "create",
        OpChange::Update { .. } => "update",
        OpChange::Delete { .. } => "delete",
    };
    commit.ops.iter().map(|op| kind(&op.change)).collect()
}

#[tokio::test]
async fn what_changes_nothing_says_nothing() {
    let house = House::build().await;
    let first = house.put(A, post("one")).await.expect("creates");
    let head = house.head().await;
    let wrong = Some(Cid::of_dag_cbor(b"another"));
    let swap = SwapRecord::Nothing;
    let again = house.repos.put_record(&house.owner, draft(A, post("one")), swap, wrong).await;
    let again = again.expect("swaps are not asked");
    assert_eq!((again.cid, again.commit), (first.cid, None));
    let deletion = Deletion { path: path(B), swap_record: wrong, swap_commit: wrong };
    let deleted = house.repos.delete_record(&house.owner, deletion).await;
    assert_eq!(deleted.expect("swaps are not asked"), None);
    let (commit, results) =
        house.repos.apply_writes(&house.owner, Vec::new(), None).await.expect("nothing");
    assert_eq!((commit, results), (None, Vec::new()));
    let same = vec![BatchWrite::Update(draft(A, post("one")))];
    let (commit, results) =
        house.repos.apply_writes(&house.owner, same, None).await.expect("nothing");
    assert_eq!((commit, results.len()), (None, 1));
    assert_eq!(house.head().await, head);
    house.check().await;
}

#[tokio::test]
async fn swaps_hold_the_client_to_what_it_has_seen() {
    let house = House::build().await;
    let first = house.put(A, post("one")).await.expect("creates");
    let head = house.head().await.commit_cid;
    let other = Cid::of_dag_cbor(b"another");
    let swap_commit = house.repos.create_record(&house.owner, draft(B, post("two")), Some(other));
    assert!(matches!(
        swap_commit.await,
        Err(RepoError::CommitSwap { expected, found }) if expected == other && found == head
    ));
    for (rkey, swap, found) in [
        (A, SwapRecord::Nothing, Some(first.cid)),
        (A, SwapRecord::Record(other), Some(first.cid)),
        (B, SwapRecord::Record(other), None),
    ] {
        let put = house.repos.put_record(&house.owner, draft(rkey, post("two")), swap, None).await;
        assert!(matches!(put, Err(RepoError::RecordSwap { found: f, .. }) if f == found));
    }
    for swap in [SwapRecord::Record(first.cid), SwapRecord::Anything] {
        let text = format!("{swap:?}");
        let put = house.repos.put_record(&house.owner, draft(A, post(&text)), swap, None).await;
        put.expect("the record is the one that was seen");
    }
    let deletion = Deletion { path: path(A), swap_record: Some(other), swap_commit: None };
    let deleted = house.repos.delete_record(&house.owner, deletion).await;
    assert!(matches!(deleted, Err(RepoError::RecordSwap { .. })));
    let head = house.head().await.commit_cid;
    let swapped = house.repos.create_record(&house.owner, draft(B, post("two")), Some(head)).await;
    swapped.expect("the head is the one that was seen");
    house.check().await;
}

#[tokio::test]
async fn a_batch_is_made_whole_or_not_at_all() {
    let house = House::build().await;
    house.put(A, post("one")).await.expect("creates");
    let head = house.head().await;
    let create = |rkey: &str| BatchWrite::Create(draft(rkey, post("new")));
    for (bad, exists) in [
        (create(A), true),
        (BatchWrite::Update(draft(C, post("new"))), false),
        (BatchWrite::Delete(path(C)), false),
    ] {
        let writes = vec![create(B), bad];
        let refused = house.repos.apply_writes(&house.owner, writes, None).await.err();
        let refused = refused.map(|error| match error {
            RepoError::Write(WriteError::RecordExists { .. }) => true,
            RepoError::Write(WriteError::NoSuchRecord { .. }) => false,
            other => panic!("{other}"),
        });
        assert_eq!(refused, Some(exists));
    }
    let repeated = vec![create(B), BatchWrite::Delete(path(B))];
    let refused = house.repos.apply_writes(&house.owner, repeated, None).await;
    assert!(matches!(refused, Err(RepoError::Write(WriteError::RepeatedPath { .. }))));
    assert_eq!(house.head().await, head);
    let writes = vec![create(B), BatchWrite::Delete(path(A)), create("")];
    let (commit, results) =
        house.repos.apply_writes(&house.owner, writes, None).await.expect("made");
    assert_eq!(commit.map(|commit| commit.cid), Some(house.head().await.commit_cid));
    let written: Vec<bool> = results.iter().map(Option::is_some).collect();
    assert_eq!(written, [true, false, true]);
    house.check().await;
}

/// Two hundred records take the way through a blocking thread.
#[tokio::test]
async fn a_full_batch_is_one_commit() {
    let house = House::build().await;
    let writes = (0..200).map(|n| BatchWrite::Create(draft("", post(&n.to_string()))));
    let (commit, results) =
        house.repos.apply_writes(&house.owner, writes.collect(), None).await.expect("made");
    assert!(commit.is_some());
    let uris: std::collections::HashSet<_> =
        results.iter().flatten().map(|written| &written.uri).collect();
    assert_eq!(uris.len(), 200);
    let writes = (0..201).map(|n| BatchWrite::Create(draft("", post(&n.to_string()))));
    let refused = house.repos.apply_writes(&house.owner, writes.collect(), None).await;
    assert!(matches!(refused, Err(RepoError::Write(WriteError::TooManyWrites(201)))));
    assert_eq!(house.told().await.len(), 2);
    house.check().await;
}

#[tokio::test]
async fn records_are_held_to_what_is_asked() {
    let house = House::build().await;
    let create = |record, validate| {
        let draft = Draft { validate, ..draft(A, record) };
        house.repos.create_record(&house.owner, draft, None)
    };
    let invalid = || json!({ "$type": POST, "text": 7 });
    let refused = create(invalid(), Validate::IfKnown).await;
    assert!(matches!(refused, Err(RepoError::Invalid { .. })));
    let wrong_type = create(json!({ "$type": "app.bsky.feed.like" }), Validate::Skip).await;
    assert!(matches!(wrong_type, Err(RepoError::WrongType { .. })));
    let legacy = json!({ "deep": [{ "cid": "bafkreiaaaa", "mimeType": "image/png" }] });
    let refused = create(legacy, Validate::Skip).await;
    assert!(matches!(refused, Err(RepoError::LegacyBlob)));
    let skipped = create(invalid(), Validate::Skip).await.expect("not asked");
    assert_eq!(skipped.validation, None);
    let unknown = |validate| {
        let collection = Nsid::new("com.example.thing".to_owned()).expect("an NSID");
        let draft = Draft { collection, validate, ..draft("", json!({})) };
        house.repos.create_record(&house.owner, draft, None)
    };
    let refused = unknown(Validate::Required).await;
    assert!(matches!(refused, Err(RepoError::UnknownLexicon(_))));
    let written = unknown(Validate::IfKnown).await.expect("no schema, no rule");
    assert_eq!(written.validation, Some(Validation::Unknown));
    let path: RecordPath = written
        .uri
        .split_once("iz/")
        .map(|(_, path)| path.parse().expect("a path"))
        .expect("a URI");
    let record = house.repos.get_record(&house.owner, &path, None).await.expect("reads");
    let value = Value::decode(&record.expect("there").value).expect("canonical");
    assert_eq!(value.type_name(), Some("com.example.thing"));
    house.check().await;
}

impl House {
    /// Uploads a blob of text and returns how a record refers to it.
    async fn upload(&self, text: &str) -> serde_json::Value {
        let cid = Cid::of_raw(text.as_bytes());
        let new = NewBlob {
            account: self.owner.account,
            did: self.owner.did.clone(),
            cid,
            mime_type: "text/plain".to_owned(),
            size_bytes: text.len() as i64,
            at: self.world.clock.now(),
        };
        let mut batch = Batch::new();
        blobs::put(&mut batch, &new);
        self.store.db.run(batch).await.expect("runs");
        json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": "text/plain", "size": text.len() })
    }

    /// Says whether a blob is there, and whether it is permanent.
    async fn blob(&self, text: &str) -> Option<bool> {
        let cid = Cid::of_raw(text.as_bytes());
        let blob = blobs::find(&self.store.db, self.owner.account, cid).await.expect("reads");
        blob.map(|blob| blob.temporary_at.is_none())
    }

    async fn refer(&self, rkey: &str, blobs: &[&serde_json::Value]) -> Result<Written, RepoError> {
        let draft = Draft { validate: Validate::Skip, ..draft(rkey, json!({ "blobs": blobs })) };
        self.repos.put_record(&self.owner, draft, SwapRecord::Anything, None).await
    }
}

#[tokio::test]
async fn a_blob_lives_as_long_as_a_record_refers_to_it() {
    let house = House::build().await;
    let (one, two) = (house.upload("one").await, house.upload("two").await);
    assert_eq!(house.blob("one").await, Some(false));
    house.refer(A, &[&one, &two]).await.expect("refers");
    assert_eq!(house.blob("one").await, Some(true));
    house.refer(B, &[&one]).await.expect("refers");
    house.refer(A, &[&one]).await.expect("keeps the first, lets the second go");
    assert_eq!((house.blob("one").await, house.blob("two").await), (Some(true), None));
    house.delete(A).await.expect("deletes");
    assert_eq!(house.blob("one").await, Some(true));
    let moved = vec![
        BatchWrite::Delete(path(B)),
        BatchWrite::Create(Draft { validate: Validate::Skip, ..draft(C, json!({ "b": one })) }),
    ];
    house.repos.apply_writes(&house.owner, moved, None).await.expect("moves the reference");
    assert_eq!(house.blob("one").await, Some(true));
    house.delete(C).await.expect("deletes");
    assert_eq!(house.blob("one").await, None);
    house.check().await;
}

#[tokio::test]
async fn a_record_repeats_what_the_upload_was() {
    let house = House::build().await;
    let blob = house.upload("one").await;
    let with = |field: &str, value: serde_json::Value| {
        let mut blob = blob.clone();
        blob[field] = value;
        blob
    };
    let refused = house.refer(A, &[&with("mimeType", json!("image/png"))]).await;
    assert!(matches!(refused, Err(RepoError::BlobMimeType { .. })));
    let refused = house.refer(A, &[&with("size", json!(4))]).await;
    assert!(matches!(refused, Err(RepoError::BlobSize { stored: 3, given: 4 })));
    let unknown = json!({ "$link": Cid::of_raw(b"nobody has this") });
    let refused = house.refer(A, &[&with("ref", unknown)]).await;
    assert!(matches!(refused, Err(RepoError::BlobNotFound { .. })));
    house.refer(A, &[&blob]).await.expect("refers");
    // Once permanent, a second record may say something else.
    house.refer(B, &[&with("mimeType", json!("image/png"))]).await.expect("refers");
    house.check().await;
}

#[tokio::test]
async fn many_writers_of_one_repository_take_turns() {
    let house = House::build().await;
    let writers = (0..32).map(|n| {
        let (repos, owner) = (house.repos.clone(), house.owner.clone());
        async move { repos.create_record(&owner, draft("", post(&n.to_string())), None).await }
    });
    let written = futures_util::future::join_all(writers).await;
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(house.told().await.len(), 33);
    house.check().await;
}

/// Two servers on one database: each remembers what the other one changes.
#[tokio::test]
async fn two_servers_race_and_both_arrive() {
    let house = House::build().await;
    let other = open(&house.store, &house.world);
    for n in 0..5 {
        house.create("", post(&n.to_string())).await.expect("creates");
        let text = format!("other {n}");
        other.create_record(&house.owner, draft("", post(&text)), None).await.expect("creates");
    }
    house.put(A, post("here")).await.expect("creates");
    // A refusal does not rest on what is remembered either.
    let deletion = Deletion { path: path(A), swap_record: None, swap_commit: None };
    other.delete_record(&house.owner, deletion).await.expect("deletes").expect("was there");
    let create = house.create(A, post("again")).await;
    create.expect("the other server has deleted it");
    let put = other.put_record(&house.owner, draft(A, post("again")), SwapRecord::Anything, None);
    assert_eq!(put.await.expect("nothing to do").commit, None);
    house.check().await;
}

#[tokio::test]
async fn a_tree_that_is_not_the_signed_one_is_corrupt() {
    let house = House::build().await;
    house.create(A, post("one")).await.expect("creates");
    let head = house.head().await;
    let value = data::from_json_value(&post("meddled")).expect("the data model").encode();
    let meddled = RecordPut { path: path(C), cid: Cid::of_dag_cbor(&value), value: value.into() };
    let repo = RepoChange {
        old: Some(head.commit_cid),
        needs: Needs::Nothing,
        head,
        puts: vec![meddled],
        deletes: Vec::new(),
    };
    let account = house.owner.account;
    let commit = Commit { account, batch: Batch::new(), repo: Some(repo), frames: Vec::new() };
    house.store.db.commit(commit).await.expect("commits");
    let repos = open(&house.store, &house.world);
    let refused = repos.create_record(&house.owner, draft(B, post("two")), None).await;
    assert!(matches!(refused, Err(RepoError::Store(StoreError::Corrupt { .. }))));
}

#[tokio::test]
async fn a_write_that_was_let_in_before_its_account_rested_is_refused() {
    let house = House::build().await;
    house.create(A, post("one")).await.expect("creates");
    let (head, now) = (house.head().await, house.world.clock.now());
    let mut batch = Batch::new();
    accounts::deactivate(&mut batch, house.owner.account, now, None);
    house.store.db.run(batch).await.expect("deactivates");
    let late = house.create(B, post("two")).await;
    assert!(matches!(late, Err(RepoError::Standing(Status::Deactivated))), "{late:?}");
    assert_eq!(house.head().await, head);
}

#[tokio::test]
async fn activation_signs_anew_and_says_who_is_here() {
    let house = House::build().await;
    house.create(A, post("one")).await.expect("creates");
    let before = house.head().await;
    let seen = events::last_seq(&house.store.db).await.expect("reads");
    let handle = Handle::new("alice.test".to_owned()).expect("a handle");
    let commit = house.repos.activate(&house.owner, &handle, Batch::new).await.expect("activates");
    let head = house.head().await;
    assert_eq!((head.commit_cid, head.data), (commit.cid, before.data));
    assert!(head.rev.as_str() > before.rev.as_str());
    let said = events::range(&house.store.db, seen, 10).await.expect("reads");
    let names: Vec<&str> = said.iter().map(|event| event.kind.name()).collect();
    assert_eq!(names, ["account", "identity", "sync"]);
    // The next commit follows from the one of the activation.
    house.create(B, post("two")).await.expect("creates");
    let told = house.told().await;
    assert_eq!(told.last().and_then(|commit| commit.since.clone()), Some(head.rev));
    house.repos.touch(&house.owner, Batch::new).await.expect("touches");
    assert_eq!(house.told().await.last().map(kinds), Some(Vec::new()));
}
