//! `com.atproto.repo`: what is wrong gets a clear answer and changes nothing.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Body, Owner};

const POST: &str = "app.bsky.feed.post";
const CREATE: &str = "com.atproto.repo.createRecord";

impl Owner {
    /// Sends a body as it is.
    async fn raw(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.client.call(CREATE, Body::Bytes(content_type, body.into())).await
    }

    /// Creates a record whose JSON is given as text.
    async fn create_text(&self, record: &str) -> Answer {
        let body = format!(
            r#"{{"repo":"{}","collection":"com.example.thing","record":{record}}}"#,
            self.did
        );
        self.raw("application/json", body).await
    }

    /// How many records there are.
    async fn count(&self) -> usize {
        let params = [("repo", self.did.as_str()), ("collection", "com.example.thing")];
        let list = self.client.query("com.atproto.repo.listRecords", &params).await.ok();
        list["records"].as_array().map_or(0, Vec::len)
    }
}

on_both_engines! {
    /// JSON that is none, or not of the data model, is a request's own fault.
    async fn what_is_no_record_is_refused(town) {
        let alice = town.owner("alice").await;
        let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        let deep_list = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for record in [
            "",
            "{",
            "{\"a\": 1.5}",
            "{\"a\": 1e400}",
            "{\"a\": 9007199254740993000}",
            "[]",
            "\"text\"",
            "null",
            "7",
            "{\"$type\": 7}",
            "{\"$type\": \"\"}",
            "{\"$type\": \"com.example.other\"}",
            "{\"a\": {\"$link\": \"nonsense\"}}",
            "{\"a\": {\"$link\": 1}}",
            "{\"a\": {\"$link\": \"bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm\", \"b\": 1}}",
            "{\"a\": {\"$bytes\": \"_-_\"}}",
            "{\"a\": {\"$type\": \"blob\", \"ref\": {}, \"mimeType\": \"a/b\", \"size\": 1}}",
            "{\"a\": {\"cid\": \"bafkreiaaaa\", \"mimeType\": \"image/png\"}}",
            &deep,
            &deep_list,
        ] {
            let answer = alice.create_text(record).await;
            answer.refused(400, "InvalidRequest");
        }
        assert_eq!(alice.count().await, 0);
        // Of equal keys the last one counts, as everywhere in JSON.
        alice.create_text("{\"a\": 1, \"a\": 2}").await.ok();
        assert_eq!(alice.count().await, 1);
    }

    /// Fields that are missing or of another kind are named.
    async fn what_is_no_request_is_refused(town) {
        let alice = town.owner("alice").await;
        let good = json!({ "repo": alice.did, "collection": POST, "record": {} });
        let with = |field: &str, value: Value| {
            let mut input = good.clone();
            input[field] = value;
            input
        };
        let mut bad = vec![
            json!([]),
            json!({}),
            with("repo", json!("not a repo")),
            with("repo", json!(7)),
            with("collection", json!("nonsense")),
            with("rkey", json!("a/b")),
            with("rkey", json!("..")),
            with("rkey", json!("x".repeat(513))),
            with("validate", json!("yes")),
            with("swapCommit", json!("nonsense")),
        ];
        for field in ["repo", "collection", "record"] {
            let mut input = good.clone();
            input.as_object_mut().expect("an object").remove(field);
            bad.push(input);
        }
        for input in bad {
            alice.client.procedure(CREATE, &input).await.refused(400, "InvalidRequest");
        }
    }

    /// Bodies of another type or size are refused for that, not for their content.
    async fn what_is_no_body_is_refused(town) {
        let alice = town.owner("alice").await;
        let good = json!({ "repo": alice.did, "collection": "com.example.thing", "record": {} });
        let good = good.to_string();
        for content_type in ["text/plain", "application/cbor", "nonsense"] {
            alice.raw(content_type, good.clone()).await.refused(400, "InvalidRequest");
        }
        alice.raw("application/json", [0xff, 0xfe]).await.refused(400, "InvalidRequest");
        alice.client.call(CREATE, Body::None).await.refused(400, "InvalidRequest");
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
        alice.create_text(&large).await.refused(413, "PayloadTooLarge");
        // A body that only claims to be large is refused before it comes.
        let path = format!("/xrpc/{CREATE}");
        let request = alice.client.request(Method::POST, &path);
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "nonsense")
            .body(good.clone());
        let answer = alice.client.send(CREATE, request).await;
        answer.refused(415, "UnsupportedMediaType");
        assert_eq!(alice.count().await, 0);
        alice.raw("application/json; charset=utf-8", good).await.ok();
    }

    /// Queries with parameters that say nothing are refused.
    async fn what_is_no_query_is_refused(town) {
        let alice = town.owner("alice").await;
        let repo = ("repo", alice.did.as_str());
        let list = |more: &[(&'static str, &'static str)]| {
            let mut params = vec![repo, ("collection", POST)];
            params.extend_from_slice(more);
            let client = town.visitor();
            async move { client.query("com.atproto.repo.listRecords", &params).await }
        };
        for bad in [("limit", "0"), ("limit", "101"), ("limit", "x"), ("cursor", "a/b"), ("reverse", "maybe")] {
            list(&[bad]).await.refused(400, "InvalidRequest");
        }
        let nobody = [("repo", "nobody.test"), ("collection", POST)];
        town.visitor().query("com.atproto.repo.listRecords", &nobody).await.refused(400, "RepoNotFound");
        let params = [repo, ("collection", POST), ("rkey", "x"), ("cid", "nonsense")];
        town.visitor().query("com.atproto.repo.getRecord", &params).await.refused(400, "RecordNotFound");
        let params = [("repo", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), ("collection", POST), ("rkey", "x")];
        let unknown = town.visitor().query("com.atproto.repo.getRecord", &params).await;
        unknown.refused(400, "RecordNotFound");
    }
}
