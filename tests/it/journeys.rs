//! Whole stories through several groups of methods.

use serde_json::json;

on_both_engines! {
    /// What is written is read, told to relays with proof, and gone when deleted.
    async fn a_post_travels_from_its_author_to_a_relay_and_back_out(town) {
        let alice = town.owner("alice").await;
        let mut relay = town.relay(Some(0)).await;
        let post = alice.post("hello").await;
        let read = town.visitor().get_record(&post).await.ok();
        assert_eq!(read["value"]["text"], "hello");
        relay.catch_up(town).await;
        let path = format!("app.bsky.feed.post/{}", post.rkey());
        let records = relay.copy(&alice.did).records.clone().expect("all of it was told");
        assert_eq!(records[&path].to_string(), post.cid);
        alice.delete(&post).await;
        relay.catch_up(town).await;
        assert!(relay.copy(&alice.did).records.as_ref().is_some_and(|left| left.is_empty()));
        town.visitor().get_record(&post).await.refused(400, "RecordNotFound");
    }

    /// Nothing that was acknowledged is lost by a restart, and a relay goes on
    /// where it was.
    async fn a_restart_loses_nothing(town) {
        let alice = town.owner("alice").await;
        let mut relay = town.relay(Some(0)).await;
        let before = alice.post("before").await;
        relay.catch_up(town).await;
        town.restart().await;
        let alice = alice.on(town);
        let after = alice.post("after").await;
        let mut relay = relay.reconnect(town).await;
        relay.catch_up(town).await;
        assert_eq!(relay.copy(&alice.did).records.as_ref().map(|records| records.len()), Some(2));
        for post in [before, after] {
            town.visitor().get_record(&post).await.ok();
        }
    }

    /// Somebody without a good token is refused, and it changes nothing.
    async fn a_stranger_cannot_write(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        let record = json!({ "$type": "app.bsky.feed.post", "text": "x", "createdAt": "2026-01-02T03:04:05.678Z" });
        let input = json!({ "repo": alice.did, "collection": "app.bsky.feed.post", "record": record });
        let method = "com.atproto.repo.createRecord";
        town.visitor().procedure(method, &input).await.refused(401, "AuthMissing");
        bob.client.procedure(method, &input).await.refused(401, "AuthenticationRequired");
        let forged = town.visitor().with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJkaWQ6cGxjOngifQ.");
        forged.procedure(method, &input).await.refused(400, "InvalidToken");
        let list = [("repo", alice.did.as_str()), ("collection", "app.bsky.feed.post")];
        let listed = town.visitor().query("com.atproto.repo.listRecords", &list).await.ok();
        assert_eq!(listed["records"], json!([]));
    }
}
