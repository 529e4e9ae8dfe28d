//! Repositories and blobs, as mirrors and relays read them.

use std::collections::HashSet;

use freehold::atproto::Cid;
use freehold::repo::{BlockMap, Blocks, Commit, car, proof};
use freehold::store::{Batch, accounts};
use serde_json::{Value, json};

use crate::harness::{Body, Client, Owner, Town};

const LIMITS: car::Limits =
    car::Limits { total_bytes_max: 100_000_000, block_bytes_max: 2_000_000, blocks_max: 1_000_000 };

/// An archive, in the order in which it came.
struct Archive {
    roots: Vec<Cid>,
    cids: Vec<Cid>,
    blocks: BlockMap,
}

impl Archive {
    fn read(bytes: &[u8]) -> Self {
        let mut reader = car::Reader::new(LIMITS);
        reader.push(bytes).expect("a CAR");
        let mut cids = Vec::new();
        while let Some(block) = reader.next_block().expect("a block of its CID") {
            cids.push(block.cid);
        }
        let roots = reader.finish().expect("a whole CAR");
        let (_, blocks) = BlockMap::read_car(bytes, LIMITS).expect("a CAR");
        Self { roots, cids, blocks }
    }

    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        let block = self.blocks.block(cid).expect("memory is readable");
        block.map(|block| block.to_vec())
    }

    fn commit(&self) -> Commit {
        let block = self.block(&self.roots[0]).expect("the commit is there");
        Commit::decode(&block).expect("a commit")
    }

    fn record_at(&self, path: &str) -> Option<Cid> {
        proof::record_in(&self.blocks, &self.commit().data(), path).expect("a whole proof")
    }
}

async fn repo(client: &Client, did: &str) -> Archive {
    let answer = client.query("com.atproto.sync.getRepo", &[("did", did)]).await;
    let archive = Archive::read(answer.ok_bytes());
    assert_eq!(answer.header("content-type"), car::MEDIA_TYPE);
    archive
}

async fn latest(client: &Client, did: &str) -> Value {
    client.query("com.atproto.sync.getLatestCommit", &[("did", did)]).await.ok()
}

async fn posts(owner: &Owner, count: usize) -> Vec<crate::harness::Written> {
    let mut posts = Vec::new();
    for index in 0..count {
        posts.push(owner.post(&format!("post {index}")).await);
    }
    posts
}

fn path(uri: &str) -> &str {
    uri.splitn(4, '/').nth(3).expect("a record's URI")
}

async fn deactivate(owner: &Owner) {
    let input = json!({});
    owner.client.procedure("com.atproto.server.deactivateAccount", &input).await.ok();
}

async fn take_down(town: &Town, owner: &Owner) {
    let db = &town.server().services().store.db;
    let did = owner.did.parse().expect("a DID");
    let account = accounts::find_by_did(db, &did).await.expect("readable").expect("there");
    let mut batch = Batch::new();
    accounts::take_down(&mut batch, account.id, town.world.clock.now(), "a reason");
    db.run(batch).await.expect("takes down");
}

on_both_engines! {
    /// The archive begins with the commit and then walks the tree, each block once.
    async fn a_repository_comes_whole_and_in_streamable_order(town) {
        let alice = town.owner("alice").await;
        let written = posts(&alice, 40).await;
        let archive = repo(&town.visitor(), &alice.did).await;
        assert_eq!(archive.roots, [archive.cids[0]]);
        assert_eq!(archive.cids[1], archive.commit().data());
        let distinct: HashSet<_> = archive.cids.iter().collect();
        assert_eq!(distinct.len(), archive.cids.len(), "each block once");
        for post in &written {
            let cid = archive.record_at(path(&post.uri)).expect("the record is there");
            assert_eq!(cid.to_string(), post.cid);
            assert!(archive.block(&cid).is_some());
        }
        let latest = latest(&town.visitor(), &alice.did).await;
        assert_eq!(latest["cid"], archive.roots[0].to_string());
        assert_eq!(latest["rev"], archive.commit().rev().as_str());
        let params = [("did", &*alice.did)];
        let checkout = town.visitor().query("com.atproto.sync.getCheckout", &params).await;
        assert_eq!(Archive::read(checkout.ok_bytes()).cids, archive.cids);
    }

    /// Two records of the same content are one block.
    async fn equal_records_are_sent_once(town) {
        let alice = town.owner("alice").await;
        let (first, second) = (alice.post("the same").await, alice.post("the same").await);
        assert_eq!(first.cid, second.cid);
        assert_ne!(first.uri, second.uri);
        let archive = repo(&town.visitor(), &alice.did).await;
        let times = archive.cids.iter().filter(|cid| cid.to_string() == first.cid).count();
        assert_eq!(times, 1);
    }

    /// With a revision, only newer records come, and the tree is complete.
    async fn since_a_revision_only_newer_records_come(town) {
        let alice = town.owner("alice").await;
        let old = posts(&alice, 10).await;
        let rev = latest(&town.visitor(), &alice.did).await["rev"].as_str().map(str::to_owned);
        let rev = rev.expect("a revision");
        let new = [alice.post("first news").await, alice.post("second news").await];
        alice.delete(&old[0]).await;
        let params = [("did", &*alice.did), ("since", &*rev)];
        let answer = town.visitor().query("com.atproto.sync.getRepo", &params).await;
        let archive = Archive::read(answer.ok_bytes());
        for post in &new {
            let cid = archive.record_at(path(&post.uri)).expect("in the tree");
            assert!(archive.block(&cid).is_some(), "{} is new", post.uri);
        }
        for post in &old[1..] {
            let cid = archive.record_at(path(&post.uri)).expect("in the tree");
            assert!(archive.block(&cid).is_none(), "{} is old", post.uri);
        }
        assert_eq!(archive.record_at(path(&old[0].uri)), None);

        let now = latest(&town.visitor(), &alice.did).await["rev"].as_str().map(str::to_owned);
        let params = [("did", &*alice.did), ("since", now.as_deref().expect("a revision"))];
        let answer = town.visitor().query("com.atproto.sync.getRepo", &params).await;
        assert_eq!(Archive::read(answer.ok_bytes()).cids.len(), 1, "nothing but the commit");
    }

    /// A record is proven to be there, or not to be.
    async fn a_record_is_proven_and_so_is_its_absence(town) {
        let alice = town.owner("alice").await;
        let written = posts(&alice, 30).await;
        let get = async |rkey: &str| {
            let collection = ("collection", "app.bsky.feed.post");
            let params = [("did", &*alice.did), collection, ("rkey", rkey)];
            let answer = town.visitor().query("com.atproto.sync.getRecord", &params).await;
            Archive::read(answer.ok_bytes())
        };
        let there = get(written[7].rkey()).await;
        let cid = there.record_at(path(&written[7].uri)).expect("proven to be there");
        assert_eq!(cid.to_string(), written[7].cid);
        assert!(there.block(&cid).is_some());
        assert!(there.cids.len() < 12, "a proof is small: {}", there.cids.len());

        let absent = get("nothing-here").await;
        assert_eq!(absent.record_at("app.bsky.feed.post/nothing-here"), None);
        alice.delete(&written[7]).await;
        assert_eq!(get(written[7].rkey()).await.record_at(path(&written[7].uri)), None);
    }

    /// Blocks come by name, and only those of this repository.
    async fn blocks_come_by_name(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        let post = alice.post("hello").await;
        let archive = repo(&town.visitor(), &alice.did).await;
        let names: Vec<String> = archive.cids.iter().map(Cid::to_string).collect();
        let ask = async |did: &str, cids: &[&str]| {
            let params = cids.iter().map(|cid| ("cids", *cid));
            let params: Vec<_> = [("did", did)].into_iter().chain(params).collect();
            town.visitor().query("com.atproto.sync.getBlocks", &params).await
        };
        let all: Vec<&str> = names.iter().map(|name| &**name).collect();
        let answer = ask(&alice.did, &all).await;
        let blocks = Archive::read(answer.ok_bytes());
        assert_eq!((blocks.roots, blocks.cids), (vec![], archive.cids));
        ask(&bob.did, &[&post.cid]).await.refused(400, "BlockNotFound");
        let unknown = Cid::of_dag_cbor(b"unknown").to_string();
        ask(&alice.did, &[&post.cid, &unknown]).await.refused(400, "BlockNotFound");
    }

    /// The public sees what is active; the owner and the administrator more.
    async fn what_is_not_active_is_shown_to_its_owner_only(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        let post = alice.post("hello").await;
        deactivate(&alice).await;
        let did = ("did", &*alice.did);
        let record = [did, ("collection", post.collection()), ("rkey", post.rkey())];
        let asked: [(&str, &[_]); 6] = [
            ("com.atproto.sync.getRepo", &[did]),
            ("com.atproto.sync.getLatestCommit", &[did]),
            ("com.atproto.sync.getHead", &[did]),
            ("com.atproto.sync.getRecord", &record),
            ("com.atproto.sync.getBlocks", &[did, ("cids", &post.cid)]),
            ("com.atproto.sync.listBlobs", &[did]),
        ];
        for (nsid, params) in asked {
            town.visitor().query(nsid, params).await.refused(400, "RepoDeactivated");
            bob.client.query(nsid, params).await.refused(400, "RepoDeactivated");
            alice.client.query(nsid, params).await.ok_bytes();
            town.admin().query(nsid, params).await.ok_bytes();
        }
        let status = town.visitor().query("com.atproto.sync.getRepoStatus", &[did]).await.ok();
        let expected = json!({ "did": alice.did, "active": false, "status": "deactivated" });
        assert_eq!(status, expected);

        take_down(town, &bob).await;
        let did = [("did", &*bob.did)];
        let refused = town.visitor().query("com.atproto.sync.getRepo", &did).await;
        refused.refused(400, "RepoTakendown");
        town.admin().query("com.atproto.sync.getRepo", &did).await.ok_bytes();
    }

    /// Who is not here is not found.
    async fn an_unknown_repository_is_not_found(town) {
        let did = [("did", "did:plc:ewvi7nxzyoun6zhxrhs64oiz")];
        for nsid in ["getRepo", "getLatestCommit", "getRepoStatus", "listBlobs", "getCheckout"] {
            let nsid = format!("com.atproto.sync.{nsid}");
            town.visitor().query(&nsid, &did).await.refused(400, "RepoNotFound");
        }
    }

    /// The list of repositories comes in pages and has the inactive ones too.
    async fn repositories_are_listed_in_pages(town) {
        let mut owners = Vec::new();
        for name in ["alice", "bob", "carla"] {
            owners.push(town.owner(name).await);
        }
        deactivate(&owners[1]).await;
        let list = async |params: &[(&str, &str)]| {
            town.visitor().query("com.atproto.sync.listRepos", params).await.ok()
        };
        let first = list(&[("limit", "2")]).await;
        let cursor = first["cursor"].as_str().expect("there is more");
        let second = list(&[("limit", "2"), ("cursor", cursor)]).await;
        assert_eq!(second.get("cursor"), None);
        let listed: Vec<Value> = [&first, &second]
            .iter()
            .flat_map(|page| page["repos"].as_array().expect("a list").clone())
            .collect();
        let dids: Vec<_> = listed.iter().map(|repo| repo["did"].as_str()).collect();
        assert_eq!(dids, owners.iter().map(|owner| Some(&*owner.did)).collect::<Vec<_>>());
        assert_eq!((&listed[1]["active"], &listed[1]["status"]), (&json!(false), &json!("deactivated")));
        let latest = latest(&town.visitor(), &owners[0].did).await;
        assert_eq!((&listed[0]["head"], &listed[0]["rev"]), (&latest["cid"], &latest["rev"]));
        let malformed = [("cursor", "not a cursor")];
        let answer = town.visitor().query("com.atproto.sync.listRepos", &malformed).await;
        answer.refused(400, "InvalidRequest");
    }

    /// A blob is served once a record refers to it, whole or in part, and safely.
    async fn blobs_are_served_safely_and_in_parts(town) {
        let alice = town.owner("alice").await;
        let bytes: Vec<u8> = b"<script>".iter().copied().chain(0..=255).collect();
        let body = Body::Bytes("text/html", bytes.clone());
        let upload = alice.client.call("com.atproto.repo.uploadBlob", body).await.ok();
        let cid = upload["blob"]["ref"]["$link"].as_str().expect("a link").to_owned();
        let params = [("did", &*alice.did), ("cid", &*cid)];
        let nsid = "com.atproto.sync.getBlob";
        town.visitor().query(nsid, &params).await.refused(400, "BlobNotFound");

        let record = json!({ "$type": "com.example.thing", "blob": upload["blob"] });
        alice.create("com.example.thing", &record).await.ok();
        let whole = town.visitor().query(nsid, &params).await;
        assert_eq!(whole.ok_bytes(), bytes);
        assert_eq!(whole.header("content-type"), "text/html");
        assert_eq!(whole.header("x-content-type-options"), "nosniff");
        assert_eq!(whole.header("content-security-policy"), "default-src 'none'; sandbox");
        assert!(whole.header("content-disposition").starts_with("attachment"));
        assert_eq!(whole.header("content-length"), bytes.len().to_string());

        let ranged = town.visitor().with_header("range", "bytes=8-17");
        let part = ranged.query(nsid, &params).await;
        assert_eq!((part.status.as_u16(), part.ok_bytes()), (206, &bytes[8..18]));
        assert_eq!(part.header("content-range"), format!("bytes 8-17/{}", bytes.len()));

        let list = town.visitor().query("com.atproto.sync.listBlobs", &params[..1]).await.ok();
        assert_eq!(list["cids"], json!([cid]));
        let other = Cid::of_raw(b"other").to_string();
        let params = [("did", &*alice.did), ("cid", &*other)];
        town.visitor().query(nsid, &params).await.refused(400, "BlobNotFound");
    }
}
