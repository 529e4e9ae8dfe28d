//! `com.atproto.repo.importRepo`: whole repositories that come in.

use freehold::atproto::Cid;
use freehold::atproto::crypto::{Curve, SigningKey};
use freehold::atproto::data::cbor::Writer;
use freehold::atproto::syntax::Tid;
use freehold::repo::tree::Step;
use freehold::repo::{BlockMap, Tree, UnsignedCommit, car, proof, verify};
use freehold::store::events;
use serde_json::{Value, json};

use crate::harness::{Answer, Body, Owner, Town};

const IMPORT: &str = "com.atproto.repo.importRepo";
const POST: &str = "app.bsky.feed.post";
const RECORD: &[u8] = b"\xa1\x65$type\x71com.example.thing";
/// A key of the lowest layer.
const LOW: &str = "com.example.thing/a";

impl Owner {
    async fn export(&self) -> Vec<u8> {
        let params = [("did", self.did.as_str())];
        self.client.query("com.atproto.sync.getRepo", &params).await.ok_bytes().to_vec()
    }

    async fn import(&self, archive: Vec<u8>) -> Answer {
        self.client.call(IMPORT, Body::Bytes(car::MEDIA_TYPE, archive)).await
    }

    async fn posts(&self) -> Vec<Value> {
        let params = [("repo", self.did.as_str()), ("collection", POST)];
        let list = self.client.query("com.atproto.repo.listRecords", &params).await.ok();
        list["records"].as_array().expect("a list").clone()
    }

    async fn latest(&self) -> Value {
        let params = [("did", self.did.as_str())];
        self.client.query("com.atproto.sync.getLatestCommit", &params).await.ok()
    }

    async fn deactivate(&self) {
        self.client.procedure("com.atproto.server.deactivateAccount", &json!({})).await.ok();
    }
}

/// What the network was told since the start, by kind.
async fn told(town: &Town) -> Vec<&'static str> {
    let services = town.server().services().clone();
    let events = events::range(&services.store.db, 0, 1_000).await.expect("reads");
    events.iter().map(|event| event.kind.name()).collect()
}

/// Checks an archive as whoever fetches it would.
fn check(archive: &[u8]) -> (Cid, usize) {
    let (roots, blocks) = BlockMap::read_car(archive, LIMITS).expect("an archive");
    let verified = verify::repository(&blocks, &roots[0]).expect("a repository");
    let records: Result<Vec<_>, _> = verified.records(&blocks).collect();
    (verified.tree.root(), records.expect("its records").len())
}

const LIMITS: car::Limits =
    car::Limits { block_bytes_max: 1_000_000, total_bytes_max: 10_000_000, blocks_max: 10_000 };

/// An archive of a commit over `data`, signed by somebody, with these blocks.
fn archive(did: &str, data: Cid, blocks: &[Vec<u8>]) -> Vec<u8> {
    let did = did.parse().expect("a DID");
    let rev = Tid::new("3l4qf2k5xlk22".to_owned()).expect("a TID");
    let key = SigningKey::from_secret(Curve::K256, &[3; 32]).expect("a key");
    let commit = UnsignedCommit::new(did, data, rev).sign(&key);
    let mut out = car::header(Some(&commit.cid()));
    car::push_block(&mut out, &commit.cid(), commit.bytes());
    for block in blocks {
        car::push_block(&mut out, &Cid::of_dag_cbor(block), block);
    }
    out
}

/// A good archive, but for who signed it.
fn forged(did: &str) -> Vec<u8> {
    let tree = Tree::build([(LOW, Cid::of_dag_cbor(RECORD))]).expect("one path");
    let mut blocks = vec![RECORD.to_vec()];
    let mut walk = tree.walk();
    while let Some(step) = walk.advance() {
        if let Step::Node(node) = step {
            blocks.push(node.block().to_vec());
        }
    }
    archive(did, tree.root(), &blocks)
}

/// A node by hand: its left subtree, and keys that share nothing.
fn node(left: Option<Cid>, keys: &[&str]) -> Vec<u8> {
    let mut w = Writer::with_capacity(200);
    w.map(2);
    w.text("e");
    w.list(keys.len());
    for key in keys {
        w.map(4);
        w.text("k");
        w.bytes(key.as_bytes());
        w.text("p");
        w.int(0);
        w.text("t");
        w.null();
        w.text("v");
        w.link(Cid::of_dag_cbor(RECORD).as_bytes());
    }
    w.text("l");
    match left {
        Some(cid) => w.link(cid.as_bytes()),
        None => w.null(),
    }
    w.into_bytes()
}

on_both_engines! {
    /// An account that moves in brings its records; the world hears nothing of
    /// it, and its repository is signed anew by our key.
    async fn a_resting_account_is_filled_in_silence(town) {
        let alice = town.owner("alice").await;
        for text in ["one", "two", "three"] {
            alice.post(text).await;
        }
        let (before, archive) = (alice.posts().await, alice.export().await);
        let (root, _) = check(&archive);
        for post in &before[..2] {
            alice.delete(&crate::harness::Written::of(post)).await;
        }
        alice.post("four").await;
        alice.deactivate().await;
        let (heard, latest) = (told(town).await, alice.latest().await);
        alice.import(archive.clone()).await.ok_bytes();
        assert_eq!(told(town).await, heard);
        let imported = alice.latest().await;
        assert!(imported["rev"].as_str() > latest["rev"].as_str());
        assert_eq!(check(&alice.export().await), (root, 3));
        // Once more changes nothing.
        alice.import(archive).await.ok_bytes();
        assert_eq!(alice.latest().await, imported);
        alice.client.call("com.atproto.server.activateAccount", Body::None).await.ok_bytes();
        assert_eq!(told(town).await[heard.len()..], ["account", "identity", "sync"]);
        assert_eq!(alice.posts().await, before);
        alice.post("five").await;
        assert_eq!(alice.posts().await.len(), 4);
    }

    /// An account that is active says where it stands after an import.
    async fn an_active_account_says_where_it_stands(town) {
        let alice = town.owner("alice").await;
        let post = alice.post("one").await;
        let archive = alice.export().await;
        alice.delete(&post).await;
        let heard = told(town).await.len();
        alice.import(archive).await.ok_bytes();
        assert_eq!(told(town).await[heard..], ["sync"]);
        town.visitor().get_record(&post).await.ok();
    }

    /// Blobs come after the records: until then they are missing.
    async fn blobs_of_an_import_are_missing_until_they_come(town) {
        let alice = town.owner("alice").await;
        let bytes = Body::Bytes("text/plain", b"hello".to_vec());
        let blob = alice.client.call("com.atproto.repo.uploadBlob", bytes).await.ok();
        let record = json!({ "blob": blob["blob"] });
        let written = alice.create("com.example.thing", &record).await.ok();
        let archive = alice.export().await;
        let written = crate::harness::Written::of(&written);
        alice.delete(&written).await;
        alice.import(archive).await.ok_bytes();
        let missing = alice.client.query("com.atproto.repo.listMissingBlobs", &[]).await.ok();
        let cid = blob["blob"]["ref"]["$link"].clone();
        assert_eq!(missing["blobs"], json!([{ "cid": cid, "recordUri": written.uri }]));
        // The upload is permanent at once, whatever it says it is.
        let bytes = Body::Bytes("text/html", b"hello".to_vec());
        alice.client.call("com.atproto.repo.uploadBlob", bytes).await.ok();
        let missing = alice.client.query("com.atproto.repo.listMissingBlobs", &[]).await.ok();
        assert_eq!(missing["blobs"], json!([]));
        let params = [("did", alice.did.as_str()), ("cid", cid.as_str().expect("a CID"))];
        let shown = town.visitor().query("com.atproto.sync.getBlob", &params).await;
        assert_eq!(shown.ok_bytes(), b"hello");
    }

    /// Whatever is not the account's own well-formed repository is refused, and
    /// what was there stays.
    async fn what_is_no_repository_is_refused(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        alice.post("one").await;
        let good = alice.export().await;
        let (posts, latest) = (alice.posts().await, alice.latest().await);
        let mut wrong_hash = good.clone();
        let last = wrong_hash.len() - 1;
        wrong_hash[last] ^= 1;
        let record = RECORD.to_vec();
        let low = node(None, &[LOW]);
        let unsorted = node(None, &["com.example.thing/b", LOW]);
        // Every key stands on one layer, so one level too many is one too deep.
        let deep = node(Some(Cid::of_dag_cbor(&low)), &[LOW]);
        let of = |root: &[u8], more: &[Vec<u8>]| {
            let mut blocks = vec![record.clone(), root.to_vec()];
            blocks.extend_from_slice(more);
            archive(&alice.did, Cid::of_dag_cbor(root), &blocks)
        };
        for (name, bytes) in [
            ("nothing", Vec::new()),
            ("garbage", b"this is no archive".to_vec()),
            ("cut off", good[..good.len() - 5].to_vec()),
            ("wrong hash", wrong_hash),
            ("no root", car::header(None)),
            ("no commit", car::header(Some(&Cid::of_dag_cbor(RECORD)))),
            ("somebody else's", bob.export().await),
            ("forged", forged(&alice.did)),
            ("unsorted", of(&unsorted, &[])),
            ("too deep", of(&deep, std::slice::from_ref(&low))),
            ("an empty node", of(&node(Some(Cid::of_dag_cbor(&low)), &[]), std::slice::from_ref(&low))),
            ("a missing node", archive(&alice.did, Cid::of_dag_cbor(&low), &[])),
            ("a missing record", archive(&alice.did, Cid::of_dag_cbor(&low), std::slice::from_ref(&low))),
            ("no tree", of(RECORD, &[])),
        ] {
            let answer = alice.import(bytes).await;
            assert_eq!(answer.status.as_u16(), 400, "{name}: {answer:?}");
            let message = answer.refused(400, "InvalidRequest");
            assert!(!message.is_empty(), "{name}");
        }
        assert_eq!((alice.posts().await, alice.latest().await), (posts, latest));
        let wrong_type = Body::Bytes("application/json", good.clone());
        alice.client.call(IMPORT, wrong_type).await.refused(400, "InvalidRequest");
        town.visitor().call(IMPORT, Body::Bytes(car::MEDIA_TYPE, good)).await
            .refused(401, "AuthMissing");
    }

    /// What an account brings while it moves in may be signed by a key that its
    /// document names no more; ours signs it anew, after what it was.
    async fn a_resting_account_brings_what_its_old_key_signed(town) {
        let alice = town.owner("alice").await;
        alice.deactivate().await;
        alice.import(forged(&alice.did)).await.ok_bytes();
        assert_eq!(check(&alice.export().await).1, 1);
    }

    /// The operator says how large an import may be, and whether there are any.
    async fn imports_have_a_limit(town) {
        town.restart_with(&[("FREEHOLD_ACCOUNTS_REPO_IMPORT_BYTES_MAX", "600")]).await;
        let alice = town.owner("alice").await;
        alice.import(alice.export().await).await.ok_bytes();
        for text in ["one", "two", "three"] {
            alice.post(text).await;
        }
        alice.import(alice.export().await).await.refused(413, "PayloadTooLarge");
        town.restart_with(&[("FREEHOLD_ACCOUNTS_REPO_IMPORTS", "false")]).await;
        let bob = town.owner("bob").await;
        bob.import(bob.export().await).await.refused(400, "InvalidRequest");
    }
}

/// What the forged archive is refused for can only be its key.
#[test]
fn the_tests_own_archive_is_sound_but_for_its_key() {
    let forged = forged("did:web:example.com");
    let (root, records) = check(&forged);
    assert_eq!(records, 1);
    let (_, blocks) = BlockMap::read_car(&forged, LIMITS).expect("an archive");
    let shown = proof::record_in(&blocks, &root, LOW).expect("proven");
    assert_eq!(shown, Some(Cid::of_dag_cbor(RECORD)));
}
