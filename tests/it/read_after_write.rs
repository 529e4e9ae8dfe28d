//! An account sees at once what it has written, however late the AppView is.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::service::{Service, verified};
use crate::harness::{Answer, Owner, Town, Written};

const APPVIEW: &str = "did:web:appview.test";
const TIMELINE: &str = "app.bsky.feed.getTimeline";
const AUTHOR_FEED: &str = "app.bsky.feed.getAuthorFeed";
const THREAD: &str = "app.bsky.feed.getPostThread";
const PROFILE: &str = "app.bsky.actor.getProfile";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A town whose AppView knows alice's first post, and alice.
async fn late(town: &mut Town) -> (Service, Owner, Written) {
    let appview = Service::new(town, "api.appview.test").await;
    town.restart_with(&[
        ("FREEHOLD_SERVICES_APPVIEW_URL", "https://api.appview.test"),
        ("FREEHOLD_SERVICES_APPVIEW_DID", APPVIEW),
    ])
    .await;
    let alice = town.owner("alice").await;
    let first = alice.post("the first").await;
    (appview, alice, first)
}

/// Has the AppView know what there is now, and returns the revision.
async fn indexed(appview: &Service, town: &Town, alice: &Owner) -> String {
    let latest = "com.atproto.sync.getLatestCommit";
    let latest = town.visitor().query(latest, &[("did", &alice.did)]).await.ok();
    let rev = latest["rev"].as_str().expect("a revision");
    appview.adds("atproto-repo-rev", rev);
    // What is written later is written later.
    town.world.clock.advance(Duration::from_secs(5));
    rev.to_owned()
}

/// The DID of somebody elsewhere.
const BOB: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";

/// A view of a post as the AppView makes it; whose it is does not matter here.
fn view(uri: &str, at: &str) -> Value {
    json!({
        "uri": uri,
        "cid": "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm",
        "author": { "did": BOB, "handle": "bob.test" },
        "record": { "$type": "app.bsky.feed.post", "text": "", "createdAt": at },
        "indexedAt": at,
    })
}

fn item(uri: &str, at: &str) -> Value {
    json!({ "post": view(uri, at) })
}

fn uris(answer: &Value) -> Vec<&str> {
    let feed = answer["feed"].as_array().expect("a feed");
    feed.iter().map(|item| item["post"]["uri"].as_str().expect("an address")).collect()
}

async fn profile(alice: &Owner, name: &str) {
    let record =
        json!({ "$type": "app.bsky.actor.profile", "displayName": name, "description": "new" });
    let input = json!({
        "repo": alice.did, "collection": "app.bsky.actor.profile", "rkey": "self", "record": record,
    });
    alice.client.procedure("com.atproto.repo.putRecord", &input).await.ok();
}

async fn reply(alice: &Owner, parent: &Written, text: &str) -> Written {
    let parent = json!({ "uri": parent.uri, "cid": parent.cid });
    let record = json!({
        "$type": "app.bsky.feed.post",
        "text": text,
        "createdAt": "2026-01-02T03:04:05.678Z",
        "reply": { "root": parent, "parent": parent },
    });
    Written::of(&alice.create("app.bsky.feed.post", &record).await.ok())
}

fn lag(answer: &Answer) -> u64 {
    answer.header("atproto-upstream-lag").parse().expect("milliseconds")
}

on_both_engines! {
    /// A new post stands in the timeline, in its place by time, with its author's
    /// new name; posts of others stay as they are.
    async fn a_new_post_is_in_the_timeline(town) {
        let (appview, alice, first) = late(town).await;
        let future = format!("at://{BOB}/app.bsky.feed.post/future");
        let feed = json!({ "feed": [
            item(&future, "2030-01-01T00:00:00.000Z"),
            item(&first.uri, "2026-01-02T03:04:05.678Z"),
        ], "cursor": "next" });
        appview.answers(200, &[JSON], &feed.to_string());
        indexed(&appview, town, &alice).await;
        let second = alice.post("the second").await;
        profile(&alice, "Alice").await;
        town.world.clock.advance(Duration::from_secs(2));
        let answer = alice.client.query(TIMELINE, &[]).await;
        let shown = answer.ok();
        let expected = [future.as_str(), &second.uri, &first.uri];
        assert_eq!(uris(&shown), expected);
        let post = &shown["feed"][1]["post"];
        assert_eq!((&post["record"]["text"], &post["cid"]), (&json!("the second"), &json!(second.cid)));
        assert_eq!(post["author"]["displayName"], "Alice");
        assert_eq!((&shown["feed"][0], &shown["cursor"]), (&feed["feed"][0], &json!("next")));
        assert_eq!(lag(&answer), 2_000);
        let later = alice.client.query(TIMELINE, &[("cursor", "next")]).await;
        assert_eq!(uris(&later.ok()).len(), 2);
    }

    /// Nothing is touched where the AppView is up to date, says no revision, or
    /// answers what cannot be read.
    async fn what_needs_no_patch_is_passed_on(town) {
        let (appview, alice, first) = late(town).await;
        // Odd spaces stay, since nobody reads it.
        let odd = format!(r#"{{ "feed":[],  "x" : "{}" }}"#, first.cid);
        appview.answers(200, &[JSON], &odd);
        let known = indexed(&appview, town, &alice).await;
        let check = async |expected: &str| {
            let request = alice.client.request(Method::GET, &format!("/xrpc/{TIMELINE}"));
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.headers().get("atproto-upstream-lag"), None);
            assert_eq!(answer.text().await.expect("a text"), expected);
        };
        check(&odd).await;
        alice.post("the second").await;
        // Without a revision, then with one, and nothing that can be read.
        appview.answers(200, &[JSON], &odd);
        check(&odd).await;
        appview.answers(200, &[JSON], "no JSON");
        appview.adds("atproto-repo-rev", &known);
        check("no JSON").await;
    }

    /// What one account has written is not put into another one's answers.
    async fn another_accounts_answers_stay(town) {
        let (appview, alice, _) = late(town).await;
        appview.answers(200, &[JSON], r#"{"feed":[]}"#);
        indexed(&appview, town, &alice).await;
        alice.post("the second").await;
        let bob = town.owner("bob").await;
        assert_eq!(uris(&bob.client.query(TIMELINE, &[]).await.ok()), Vec::<&str>::new());
    }

    /// An author's own feed has the new posts that its filter lets through;
    /// somebody else's feed has none.
    async fn a_new_post_is_in_its_authors_feed(town) {
        let (appview, alice, first) = late(town).await;
        let feed = json!({ "feed": [item(&first.uri, "2026-01-02T03:04:05.678Z")] });
        appview.answers(200, &[JSON], &feed.to_string());
        indexed(&appview, town, &alice).await;
        let second = alice.post("the second").await;
        town.world.clock.advance(Duration::from_secs(1));
        let answer = reply(&alice, &first, "an answer").await;
        let check = async |params: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(uris(&alice.client.query(AUTHOR_FEED, params).await.ok()), expected);
        };
        let all = [answer.uri.as_str(), &second.uri, &first.uri];
        check(&[("actor", &alice.did)], &all).await;
        check(&[("actor", &alice.handle)], &all).await;
        check(&[("actor", &alice.did), ("filter", "posts_no_replies")], &all[1..]).await;
        check(&[("actor", &alice.did), ("filter", "posts_with_media")], &all[2..]).await;
        check(&[("actor", BOB)], &all[2..]).await;
    }

    /// An answer of one's own stands in the thread that it is in.
    async fn a_new_answer_is_in_its_thread(town) {
        let (appview, alice, first) = late(town).await;
        let thread = json!({ "thread": {
            "$type": "app.bsky.feed.defs#threadViewPost",
            "post": view(&first.uri, "2026-01-02T03:04:05.678Z"),
            "replies": [],
        } });
        appview.answers(200, &[JSON], &thread.to_string());
        indexed(&appview, town, &alice).await;
        let answer = reply(&alice, &first, "an answer").await;
        let shown = alice.client.query(THREAD, &[("uri", &first.uri)]).await.ok();
        assert_eq!(shown["thread"]["replies"][0]["post"]["uri"], json!(answer.uri));
        assert_eq!(shown["thread"]["replies"].as_array().map(Vec::len), Some(1));
    }

    /// A post that the AppView does not know has a thread, for its author only;
    /// one that is nowhere is still not found.
    async fn a_new_post_has_a_thread(town) {
        let (appview, alice, _) = late(town).await;
        let error = r#"{"error":"NotFound","message":"Post not found"}"#;
        appview.answers(400, &[JSON], error);
        indexed(&appview, town, &alice).await;
        let second = alice.post("the second").await;
        let shown = alice.client.query(THREAD, &[("uri", &second.uri)]).await.ok();
        assert_eq!(shown["thread"]["post"]["record"]["text"], "the second");
        let nowhere = format!("at://{}/app.bsky.feed.post/nowhere", alice.did);
        alice.client.query(THREAD, &[("uri", &nowhere)]).await.refused(400, "NotFound");
        let bob = town.owner("bob").await;
        bob.client.query(THREAD, &[("uri", &second.uri)]).await.refused(400, "NotFound");
    }

    /// A new profile is seen by its owner.
    async fn a_new_profile_is_shown(town) {
        let (appview, alice, _) = late(town).await;
        let view = json!({ "did": alice.did, "handle": alice.handle, "displayName": "Old", "postsCount": 1 });
        appview.answers(200, &[JSON], &view.to_string());
        indexed(&appview, town, &alice).await;
        profile(&alice, "Alice").await;
        let shown = alice.client.query(PROFILE, &[("actor", &alice.did)]).await.ok();
        assert_eq!((&shown["displayName"], &shown["description"]), (&json!("Alice"), &json!("new")));
        assert_eq!(shown["postsCount"], 1);
        appview.answers(200, &[JSON], &json!({ "profiles": [view] }).to_string());
        appview.adds("atproto-repo-rev", "2222222222222");
        let several = "app.bsky.actor.getProfiles";
        let shown = alice.client.query(several, &[("actors", &alice.did)]).await.ok();
        // No record here is as old as that: another repository.
        assert_eq!(shown["profiles"][0]["displayName"], "Old");
    }

    /// A call for a feed carries a token for the feed's generator, since the
    /// AppView asks it in the account's name.
    async fn a_feeds_token_is_for_its_generator(town) {
        let (appview, alice, _) = late(town).await;
        appview.answers(200, &[JSON], r#"{"uri":"at://x","value":{"did":"did:web:feed.test"},"feed":[]}"#);
        let feed = &format!("at://{BOB}/app.bsky.feed.generator/cats");
        alice.client.query("app.bsky.feed.getFeed", &[("feed", feed)]).await.ok();
        assert_eq!(appview.asked().len(), 2);
        let claims = verified(town, &alice, &appview.heard()).await;
        assert_eq!(claims.aud, "did:web:feed.test");
        assert_eq!(claims.lxm.as_deref(), Some("app.bsky.feed.getFeedSkeleton"));
        appview.answers(404, &[JSON], r#"{"error":"RecordNotFound","message":"no"}"#);
        alice.client.query("app.bsky.feed.getFeed", &[("feed", feed)]).await.refused(404, "RecordNotFound");
        assert_eq!(verified(town, &alice, &appview.heard()).await.aud, APPVIEW);
    }
}
