//! `com.atproto.repo`: blobs, from their upload to their end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Body, Client, Owner};

const UPLOAD: &str = "com.atproto.repo.uploadBlob";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";

impl Owner {
    async fn upload(&self, content_type: &str, bytes: &[u8]) -> Answer {
        self.client.call(UPLOAD, Body::Bytes(content_type, bytes.to_vec())).await
    }

    /// Uploads and returns how a record refers to the blob.
    async fn uploaded(&self, content_type: &str, bytes: &[u8]) -> Value {
        self.upload(content_type, bytes).await.ok()["blob"].clone()
    }

    /// Writes a record with these blobs at a key.
    async fn keep(&self, rkey: &str, blobs: Value) -> Answer {
        let input = json!({
            "repo": self.did, "collection": "com.example.thing", "rkey": rkey,
            "record": { "blobs": blobs },
        });
        self.client.procedure("com.atproto.repo.putRecord", &input).await
    }

    async fn drop_record(&self, rkey: &str) {
        let input = json!({ "repo": self.did, "collection": "com.example.thing", "rkey": rkey });
        self.client.procedure("com.atproto.repo.deleteRecord", &input).await.ok();
    }
}

/// Fetches a blob of `owner` as the public does.
async fn fetch(visitor: &Client, owner: &Owner, blob: &Value) -> Answer {
    let cid = blob["ref"]["$link"].as_str().expect("a CID");
    visitor.query("com.atproto.sync.getBlob", &[("did", &owner.did), ("cid", cid)]).await
}

on_both_engines! {
    /// A blob is shown while a record refers to it, and not before or after.
    async fn a_blob_lives_with_its_records(town) {
        let alice = town.owner("alice").await;
        let blob = alice.uploaded("image/png", PNG).await;
        assert_eq!((&blob["mimeType"], &blob["size"]), (&json!("image/png"), &json!(PNG.len())));
        fetch(&town.visitor(), &alice, &blob).await.refused(400, "BlobNotFound");
        alice.keep("a", json!([blob])).await.ok();
        let shown = fetch(&town.visitor(), &alice, &blob).await;
        assert_eq!(shown.ok_bytes(), PNG);
        alice.keep("b", json!([blob])).await.ok();
        alice.keep("a", json!([])).await.ok();
        fetch(&town.visitor(), &alice, &blob).await.ok_bytes();
        alice.drop_record("b").await;
        fetch(&town.visitor(), &alice, &blob).await.refused(400, "BlobNotFound");
    }

    /// The media type is what the bytes say, then what the client says.
    async fn media_types_are_sniffed(town) {
        let alice = town.owner("alice").await;
        assert_eq!(alice.uploaded("text/plain", PNG).await["mimeType"], "image/png");
        let text = alice.uploaded("text/plain; charset=utf-8", b"hello").await;
        assert_eq!(text["mimeType"], "text/plain");
        alice.upload("text/plain", b"").await.refused(400, "InvalidRequest");
        town.visitor().call(UPLOAD, Body::Bytes("image/png", PNG.to_vec())).await
            .refused(401, "AuthMissing");
    }

    /// A record must describe an upload as it is, and it must be the account's own.
    async fn a_reference_must_fit_its_upload(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        let blob = alice.uploaded("image/png", PNG).await;
        bob.keep("a", json!([blob])).await.refused(400, "BlobNotFound");
        let with = |field: &str, value: Value| {
            let mut blob = blob.clone();
            blob[field] = value;
            json!([blob])
        };
        alice.keep("a", with("mimeType", json!("image/jpeg"))).await.refused(400, "InvalidMimeType");
        alice.keep("a", with("size", json!(1))).await.refused(400, "InvalidSize");
        alice.keep("a", json!([blob])).await.ok();
        alice.keep("b", with("mimeType", json!("image/jpeg"))).await.ok();
    }

    /// An upload over the limit is refused, whole or as it comes.
    async fn uploads_have_a_limit(town) {
        town.restart_with(&[("FREEHOLD_BLOBS_UPLOAD_BYTES_MAX", "1000")]).await;
        let alice = town.owner("alice").await;
        alice.upload("text/plain", &[b'x'; 1_001]).await.refused(413, "PayloadTooLarge");
        alice.upload("text/plain", &[b'x'; 1_000]).await.ok();
    }

    /// What no record refers to within a day is swept, and its bytes with it.
    async fn forgotten_uploads_are_swept(town) {
        let alice = town.owner("alice").await;
        let (kept, forgotten) =
            (alice.uploaded("text/plain", b"kept").await, alice.uploaded("text/plain", b"forgotten").await);
        alice.keep("a", json!([kept])).await.ok();
        town.world.clock.advance(Duration::from_secs(25 * 60 * 60));
        let services = town.server().services().clone();
        services.blobs.sweep().await.expect("sweeps");
        let did = alice.did.parse().expect("a DID");
        let bytes = services.store.blobs.list(&did).await.expect("lists");
        let kept = kept["ref"]["$link"].as_str().expect("a CID");
        assert_eq!(bytes.iter().map(ToString::to_string).collect::<Vec<_>>(), [kept]);
        assert_eq!(forgotten["size"], 9);
    }
}
