//! The embedded did:plc directory over the wire, as its clients see it.

use freehold::atproto::crypto::{Curve, SigningKey};
use freehold::atproto::plc::{Operation, State, Unsigned};
use freehold::atproto::syntax::{Did, Handle};
use freehold::dev::DirectoryServer;
use freehold::service::directory::Rates;
use freehold::world::World;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client};

/// A directory on a free port, and somebody who asks it.
struct Book {
    server: DirectoryServer,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Book {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let world = World::fake(1);
        let server = DirectoryServer::start(listen, folder.path(), &world, Rates::Free).await;
        let server = server.expect("a directory");
        let client = Client::new(server.address());
        Self { server, client, _folder: folder }
    }

    async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await
    }

    async fn post(&self, did: &Did, body: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/{}", did.as_str());
        let request = self.client.request(Method::POST, &path);
        let request = request.header("content-type", "application/json").body(body.into());
        self.client.send(&path, request).await
    }

    async fn submit(&self, did: &Did, operation: &Operation) -> Answer {
        self.post(did, operation.to_json().to_string()).await
    }

    /// Registers an identity.
    async fn register(&self) -> (Did, Operation) {
        let genesis = operation("alice.test", None, 2);
        let did = genesis.did().expect("a genesis");
        assert_eq!(self.submit(&did, &genesis).await.ok_bytes(), b"OK");
        (did, genesis)
    }

    async fn close(self) {
        self.server.stop().await;
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_secret(Curve::K256, &[number; 32]).expect("a secret")
}

fn operation(handle: &str, prev: Option<freehold::atproto::Cid>, signer: u8) -> Operation {
    let rotation_keys = vec![key(1).public().did_key(), key(2).public().did_key()];
    let handle = Handle::new(handle.to_owned()).expect("a handle");
    let signing_key = key(3).public().did_key();
    let state = State::of_account(rotation_keys, signing_key, &handle, "http://localhost:2583");
    Unsigned::Operation { state, prev }.sign(&key(signer)).expect("within the limits")
}

fn message(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    let json = answer.json();
    json["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn an_identity_is_read_in_every_form() {
    let book = Book::open().await;
    let (did, genesis) = book.register().await;
    let path = format!("/{}", did.as_str());
    let document = book.get(&path).await;
    assert_eq!(document.header("content-type"), "application/did+ld+json");
    assert_eq!(document.header("access-control-allow-origin"), "*");
    assert_eq!(document.ok()["alsoKnownAs"], json!(["at://alice.test"]));
    // Clients percent-encode the colons.
    let encoded = path.replace(':', "%3A");
    assert_eq!(book.get(&encoded).await.ok(), document.ok());
    assert_eq!(book.get(&format!("{path}/data")).await.ok()["did"], json!(did));
    assert_eq!(book.get(&format!("{path}/log")).await.ok(), json!([genesis.to_json()]));
    assert_eq!(book.get(&format!("{path}/log/last")).await.ok(), genesis.to_json());
    let audit = book.get(&format!("{path}/log/audit")).await.ok();
    let entry = json!({
        "did": did, "operation": genesis.to_json(), "cid": genesis.cid(), "nullified": false,
        "createdAt": audit[0]["createdAt"],
    });
    assert_eq!(audit, json!([entry]));
    book.close().await;
}

#[tokio::test]
async fn refusals_say_what_was_wrong() {
    let book = Book::open().await;
    let (did, genesis) = book.register().await;
    let unknown = Did::new("did:plc:44ybard66vv44zksje25o7dz".to_owned()).expect("a DID");
    for path in ["", "/data", "/log", "/log/audit", "/log/last"] {
        let answer = book.get(&format!("/{}{path}", unknown.as_str())).await;
        assert!(message(&answer, 404).contains("not registered"), "{path}");
    }
    assert!(message(&book.get("/did:web:example.com").await, 400).contains("did:plc"));
    assert!(message(&book.get("/x/y/z").await, 404).contains("nothing here"));
    let path = format!("/{}/log", did.as_str());
    let posted = book.client.send(&path, book.client.request(Method::POST, &path)).await;
    assert!(message(&posted, 405).contains("method"));
    assert!(message(&book.post(&did, "{").await, 400).contains("not JSON"));
    assert!(message(&book.post(&did, "{}").await, 400).contains("type"));
    message(&book.post(&did, "[".repeat(30_000)).await, 400);
    message(&book.post(&did, " ".repeat(40_000)).await, 413);
    let forged = operation("mallory.test", Some(genesis.cid()), 9);
    assert!(message(&book.submit(&did, &forged).await, 400).contains("signature"));
    let other = book.submit(&unknown, &genesis).await;
    assert!(message(&other, 400).contains(did.as_str()));
    book.close().await;
}

#[tokio::test]
async fn a_tombstoned_identity_is_gone() {
    let book = Book::open().await;
    let (did, genesis) = book.register().await;
    let tombstone = Unsigned::Tombstone { prev: genesis.cid() }.sign(&key(2)).expect("signed");
    book.submit(&did, &tombstone).await.ok_bytes();
    message(&book.get(&format!("/{}", did.as_str())).await, 410);
    message(&book.get(&format!("/{}/data", did.as_str())).await, 410);
    let last = book.get(&format!("/{}/log/last", did.as_str())).await;
    assert_eq!(last.ok()["type"], "plc_tombstone");
    let recovery = operation("alice.test", Some(genesis.cid()), 1);
    book.submit(&did, &recovery).await.ok_bytes();
    book.get(&format!("/{}", did.as_str())).await.ok();
    book.close().await;
}

#[tokio::test]
async fn the_export_has_lines_of_two_kinds() {
    let book = Book::open().await;
    assert_eq!(book.get("/export").await.ok_bytes(), b"");
    let (did, genesis) = book.register().await;
    let second = operation("new.test", Some(genesis.cid()), 2);
    book.submit(&did, &second).await.ok_bytes();
    let lines = async |query: &str| -> Vec<Value> {
        let answer = book.get(&format!("/export{query}")).await;
        assert_eq!(answer.header("content-type"), "application/jsonlines");
        let text = String::from_utf8(answer.ok_bytes().to_vec()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    };
    let older = lines("").await;
    assert_eq!(older.len(), 2);
    assert_eq!(older[1]["operation"], second.to_json());
    assert_eq!(older[1]["nullified"], false);
    let after = older[0]["createdAt"].as_str().expect("a text");
    assert_eq!(lines(&format!("?after={after}")).await, older[1..]);
    let newer = lines("?after=0&count=1").await;
    assert_eq!(newer.len(), 1);
    assert_eq!(newer[0]["type"], "sequenced_op");
    let rest = lines(&format!("?after={}", newer[0]["seq"])).await;
    assert_eq!(rest[0]["cid"], json!(second.cid()));
    for query in ["?count=0", "?count=x", "?after=x", "?after=-1"] {
        assert!(message(&book.get(&format!("/export{query}")).await, 400).contains("parameter"));
    }
    book.close().await;
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_new_start() {
    let book = Book::open().await;
    let (did, _) = book.register().await;
    let Book { server, _folder: folder, .. } = book;
    server.stop().await;
    let listen = "127.0.0.1:0".parse().expect("an address");
    let again = DirectoryServer::start(listen, folder.path(), &World::fake(1), Rates::Free).await;
    let again = again.expect("a directory");
    Client::new(again.address()).get(&format!("/{}", did.as_str())).await.ok();
    assert_eq!(Client::new(again.address()).get("/_health").await.ok()["version"], "0.1.0");
    again.stop().await;
}
