//! `com.atproto.repo`: writing and reading records.

use serde_json::{Value, json};

use crate::harness::{Answer, Owner, Town, Written};

const POST: &str = "app.bsky.feed.post";
const CREATE: &str = "com.atproto.repo.createRecord";
const PUT: &str = "com.atproto.repo.putRecord";
const DELETE: &str = "com.atproto.repo.deleteRecord";
const APPLY: &str = "com.atproto.repo.applyWrites";
const LIST: &str = "com.atproto.repo.listRecords";
/// The CID of nothing here.
const OTHER_CID: &str = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

fn post(text: &str) -> Value {
    json!({ "$type": POST, "text": text, "createdAt": "2026-01-02T03:04:05.678Z" })
}

impl Owner {
    /// Calls a procedure on the own repository; `fields` join the body.
    async fn write(&self, nsid: &str, fields: Value) -> Answer {
        let mut input = json!({ "repo": self.did });
        let object = input.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        self.client.procedure(nsid, &input).await
    }

    async fn put(&self, rkey: &str, text: &str) -> Value {
        let fields = json!({ "collection": POST, "rkey": rkey, "record": post(text) });
        self.write(PUT, fields).await.ok()
    }

    async fn latest_commit(&self) -> String {
        let params = [("did", self.did.as_str())];
        let latest = self.client.query("com.atproto.sync.getLatestCommit", &params).await.ok();
        latest["cid"].as_str().expect("a CID").to_owned()
    }
}

/// The keys of a page of posts, and the whole answer.
async fn page(town: &Town, owner: &Owner, params: &[(&str, &str)]) -> (Vec<String>, Value) {
    let mut all = vec![("repo", owner.did.as_str()), ("collection", POST)];
    all.extend_from_slice(params);
    let page = town.visitor().query(LIST, &all).await.ok();
    let rkey = |record: &Value| Written::of(record).rkey().to_owned();
    (page["records"].as_array().expect("a list").iter().map(rkey).collect(), page)
}

on_both_engines! {
    /// A record is written, read, changed and deleted by anyone's client.
    async fn records_come_change_and_go(town) {
        let alice = town.owner("alice").await;
        let fields = json!({ "collection": POST, "record": post("hello") });
        let created = alice.write(CREATE, fields).await.ok();
        assert_eq!(created["validationStatus"], "valid");
        assert_eq!(created["commit"]["cid"], alice.latest_commit().await);
        let written = Written::of(&created);
        assert_eq!(written.repo(), alice.did);
        let read = town.visitor().get_record(&written).await.ok();
        assert_eq!((&read["cid"], &read["value"]), (&created["cid"], &post("hello")));
        let updated = alice.put(written.rkey(), "changed").await;
        assert_ne!(updated["cid"], created["cid"]);
        let read = town.visitor().get_record(&written).await.ok();
        assert_eq!(read["value"], post("changed"));
        let old = [
            ("repo", alice.did.as_str()),
            ("collection", POST),
            ("rkey", written.rkey()),
            ("cid", &written.cid),
        ];
        let old = town.visitor().query("com.atproto.repo.getRecord", &old).await;
        old.refused(400, "RecordNotFound");
        let deleted = alice.delete(&written).await;
        assert_eq!(deleted["commit"]["cid"], alice.latest_commit().await);
        town.visitor().get_record(&written).await.refused(400, "RecordNotFound");
        assert_eq!(alice.delete(&written).await, json!({}));
    }

    /// A put that changes nothing answers without a commit, whatever it swaps.
    async fn a_put_of_the_same_changes_nothing(town) {
        let alice = town.owner("alice").await;
        let first = alice.put("3l4qf2k5xlk2a", "same").await;
        let head = alice.latest_commit().await;
        let fields = json!({
            "collection": POST,
            "rkey": "3l4qf2k5xlk2a",
            "record": post("same"),
            "swapRecord": null,
            "swapCommit": OTHER_CID,
        });
        let again = alice.write(PUT, fields).await.ok();
        assert_eq!((&again["cid"], again.get("commit")), (&first["cid"], None));
        assert_eq!(alice.latest_commit().await, head);
    }

    /// Swaps hold a client to what it has seen; null means that nothing is there.
    async fn a_stale_swap_is_refused(town) {
        let alice = town.owner("alice").await;
        let first = alice.put("3l4qf2k5xlk2a", "one").await;
        let put = |swap: Value| {
            let mut fields = json!({
                "collection": POST, "rkey": "3l4qf2k5xlk2a", "record": post("two"),
            });
            fields.as_object_mut().expect("an object").extend(swap.as_object().expect("one").clone());
            alice.write(PUT, fields)
        };
        put(json!({ "swapRecord": null })).await.refused(400, "InvalidSwap");
        put(json!({ "swapRecord": OTHER_CID })).await.refused(400, "InvalidSwap");
        put(json!({ "swapCommit": OTHER_CID })).await.refused(400, "InvalidSwap");
        let delete = json!({
            "collection": POST, "rkey": "3l4qf2k5xlk2a", "swapRecord": OTHER_CID,
        });
        alice.write(DELETE, delete).await.refused(400, "InvalidSwap");
        let create = json!({ "collection": POST, "record": post("x"), "swapCommit": OTHER_CID });
        alice.write(CREATE, create).await.refused(400, "InvalidSwap");
        put(json!({ "swapRecord": first["cid"], "swapCommit": alice.latest_commit().await }))
            .await
            .ok();
    }

    /// A batch is one commit with results in the order of the writes, or nothing.
    async fn a_batch_is_made_whole_or_not_at_all(town) {
        let alice = town.owner("alice").await;
        alice.put("3l4qf2k5xlk2a", "one").await;
        let create = json!({
            "$type": "com.atproto.repo.applyWrites#create",
            "collection": POST, "rkey": "3l4qf2k5xlk2b", "value": post("two"),
        });
        let update = json!({
            "$type": "com.atproto.repo.applyWrites#update",
            "collection": POST, "rkey": "3l4qf2k5xlk2a", "value": post("three"),
        });
        let delete = json!({
            "$type": "com.atproto.repo.applyWrites#delete",
            "collection": POST, "rkey": "3l4qf2k5xlk2c",
        });
        let head = alice.latest_commit().await;
        for bad in [&delete, &update] {
            let writes = json!({ "writes": [update, create, bad] });
            alice.write(APPLY, writes).await.refused(400, "InvalidRequest");
        }
        assert_eq!(alice.latest_commit().await, head);
        let made = alice.write(APPLY, json!({ "writes": [update, create] })).await.ok();
        assert_eq!(made["commit"]["cid"], alice.latest_commit().await);
        let types: Vec<_> = made["results"].as_array().expect("results").iter()
            .map(|result| result["$type"].as_str().unwrap_or_default().rsplit('#').next())
            .collect();
        assert_eq!(types, [Some("updateResult"), Some("createResult")]);
        let many: Vec<Value> = (0..201).map(|n| {
            let mut create = create.clone();
            create["rkey"] = json!(format!("3l4qf2k5x{n:04}").replace(['0', '1', '8', '9'], "z"));
            create
        }).collect();
        let message = alice.write(APPLY, json!({ "writes": many })).await;
        assert_eq!(message.refused(400, "InvalidRequest"), "Too many writes. Max: 200");
        let nothing = alice.write(APPLY, json!({ "writes": [] })).await.ok();
        assert_eq!(nothing.get("commit"), None);
    }

    /// A repository takes writes of its owner only.
    async fn somebody_elses_repository_is_refused(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        let fields = |repo: &str| json!({ "repo": repo, "collection": POST, "record": post("x") });
        let by_bob = bob.client.procedure(CREATE, &fields(&alice.did)).await;
        by_bob.refused(401, "AuthenticationRequired");
        bob.client.procedure(CREATE, &fields(&alice.handle)).await
            .refused(401, "AuthenticationRequired");
        bob.client.procedure(CREATE, &fields("nobody.pds.test")).await
            .refused(403, "AccountNotFound");
        town.visitor().procedure(CREATE, &fields(&alice.did)).await.refused(401, "AuthMissing");
        let shouted = alice.handle.to_uppercase();
        alice.client.procedure(CREATE, &fields(&shouted)).await.ok();
    }

    /// Records are listed newest first, page by page, in either direction.
    async fn records_are_listed_by_key(town) {
        let alice = town.owner("alice").await;
        let rkeys = ["3l4qf2k5xlk2a", "3l4qf2k5xlk2b", "3l4qf2k5xlk2c"];
        for rkey in rkeys {
            alice.put(rkey, rkey).await;
        }
        let other = json!({ "collection": "app.bsky.feed.postgate-x.y", "rkey": "a", "record": {} });
        alice.write(PUT, other).await.ok();
        let (keys, all) = page(town, &alice, &[]).await;
        assert_eq!(keys, [rkeys[2], rkeys[1], rkeys[0]]);
        assert_eq!(all["records"][2]["value"], post(rkeys[0]));
        let (keys, first) = page(town, &alice, &[("limit", "2")]).await;
        assert_eq!(keys, [rkeys[2], rkeys[1]]);
        let cursor = first["cursor"].as_str().expect("a cursor");
        let (keys, last) = page(town, &alice, &[("limit", "2"), ("cursor", cursor)]).await;
        assert_eq!((keys.as_slice(), last["cursor"].as_str()), (&[rkeys[0].to_owned()][..], Some(rkeys[0])));
        let (keys, end) = page(town, &alice, &[("cursor", rkeys[0])]).await;
        assert_eq!((keys.len(), end.get("cursor")), (0, None));
        let params = [("reverse", "true"), ("cursor", rkeys[0])];
        assert_eq!(page(town, &alice, &params).await.0, [rkeys[1], rkeys[2]]);
    }

    /// A description names the collections that have records.
    async fn a_repository_is_described(town) {
        let alice = town.owner("alice").await;
        let written = alice.post("hello").await;
        for repo in [&alice.did, &alice.handle] {
            let params = [("repo", repo.as_str())];
            let described = town.visitor().query("com.atproto.repo.describeRepo", &params).await.ok();
            assert_eq!(described["did"], alice.did);
            assert_eq!(described["handle"], alice.handle);
            assert_eq!(described["handleIsCorrect"], true);
            assert_eq!(described["didDoc"]["id"], alice.did);
            assert_eq!(described["collections"], json!([POST]));
        }
        alice.delete(&written).await;
        let params = [("repo", alice.did.as_str())];
        let described = town.visitor().query("com.atproto.repo.describeRepo", &params).await.ok();
        assert_eq!(described["collections"], json!([]));
        let nobody = [("repo", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")];
        let unknown = town.visitor().query("com.atproto.repo.describeRepo", &nobody).await;
        unknown.refused(400, "RepoNotFound");
    }

    /// Whatever a server is restarted with, the repository goes on from its head.
    async fn writes_go_on_after_a_restart(town) {
        let alice = town.owner("alice").await;
        let first = alice.post("before").await;
        town.restart().await;
        let visitor = town.visitor();
        let input = json!({ "identifier": alice.handle, "password": alice.password });
        let session = visitor.procedure("com.atproto.server.createSession", &input).await.ok();
        let client = visitor.with_token(session["accessJwt"].as_str().expect("a token"));
        let alice = Owner { client, ..alice };
        alice.post("after").await;
        alice.delete(&first).await;
        assert_eq!(page(town, &alice, &[]).await.0.len(), 1);
    }
}
