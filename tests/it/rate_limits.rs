//! Rate limits: who asks too often is told so, and nobody else.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Body, Client, Owner, Town};

const HOUR: Duration = Duration::from_secs(60 * 60);
const LOG_IN: &str = "com.atproto.server.createSession";
const UPLOAD: &str = "com.atproto.repo.uploadBlob";
const APPLY: &str = "com.atproto.repo.applyWrites";

/// Has the server count requests, and returns the owner on it.
async fn counting(town: &mut Town, settings: &[(&str, &str)]) {
    let mut all = vec![("FREEHOLD_LIMITS_ENABLED", "true")];
    all.extend(settings);
    town.restart_with(&all).await;
}

async fn log_in(client: &Client, identifier: &str, password: &str) -> Answer {
    client.procedure(LOG_IN, &json!({ "identifier": identifier, "password": password })).await
}

async fn create_many(owner: &Owner, count: usize) -> Answer {
    let post = json!({
        "$type": "com.atproto.repo.applyWrites#create",
        "collection": "app.bsky.feed.post",
        "value": {
            "$type": "app.bsky.feed.post",
            "text": "again",
            "createdAt": "2026-01-02T03:04:05.678Z",
        },
    });
    let input = json!({ "repo": owner.did, "writes": vec![post; count] });
    owner.client.procedure(APPLY, &input).await
}

on_both_engines! {
    /// Every answer says how many requests are left, and until when.
    async fn answers_tell_what_is_left(town) {
        counting(town, &[]).await;
        let answer = town.visitor().query("com.atproto.server.describeServer", &[]).await;
        answer.ok();
        assert_eq!(answer.header("ratelimit-limit"), "3000");
        assert_eq!(answer.header("ratelimit-remaining"), "2999");
        assert_eq!(answer.header("ratelimit-policy"), "3000;w=300");
        let now = town.world.clock.now_us() / 1_000_000;
        let resets_at: u64 = answer.header("ratelimit-reset").parse().expect("seconds");
        assert!((now + 299..=now + 301).contains(&resets_at), "{resets_at}");
        assert_eq!(answer.header("retry-after"), "");
    }

    /// Guessing a password ends soon, for that account and from that address
    /// only, and a right password does not get in either.
    async fn log_ins_are_counted_by_account_and_address(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        counting(town, &[]).await;
        let guesser = town.visitor().with_header("x-forwarded-for", "203.0.113.7");
        for _ in 0..10 {
            log_in(&guesser, &alice.handle, "wrong").await.refused(401, "AuthenticationRequired");
        }
        // From here on whoever guesses waits, and what they bring is not looked at.
        for _ in 10..30 {
            log_in(&guesser, &alice.handle, "wrong").await.refused(429, "RateLimitExceeded");
        }
        let refused = log_in(&guesser, &alice.handle.to_uppercase(), &alice.password).await;
        refused.refused(429, "RateLimitExceeded");
        assert_eq!(refused.header("ratelimit-remaining"), "0");
        assert_eq!(refused.header("retry-after"), "300");
        log_in(&guesser, &bob.handle, &bob.password).await.ok();
        let home = town.visitor().with_header("x-forwarded-for", "198.51.100.1");
        log_in(&home, &alice.handle, &alice.password).await.ok();
        town.world.clock.advance(Duration::from_secs(300));
        log_in(&guesser, &alice.handle, &alice.password).await.ok();
    }

    /// What a client writes into the header itself is not believed: only what
    /// the operator's proxy added.
    async fn an_address_cannot_be_made_up(town) {
        let alice = town.owner("alice").await;
        counting(town, &[("FREEHOLD_LIMITS_TRUSTED_PROXIES", "1")]).await;
        for made_up in 0..30 {
            let from = format!("10.0.0.{made_up}, 203.0.113.7");
            let guesser = town.visitor().with_header("x-forwarded-for", &from);
            let (status, error) = match made_up {
                0..10 => (401, "AuthenticationRequired"),
                _ => (429, "RateLimitExceeded"),
            };
            log_in(&guesser, &alice.handle, "wrong").await.refused(status, error);
        }
        let guesser = town.visitor().with_header("x-forwarded-for", "10.0.0.99, 203.0.113.7");
        log_in(&guesser, &alice.handle, "wrong").await.refused(429, "RateLimitExceeded");
    }

    /// Writes are counted in points by account: nothing is written beyond, and
    /// an hour later it goes on.
    async fn writes_are_counted_by_account(town) {
        let alice = town.owner("alice").await;
        let bob = town.owner("bob").await;
        counting(town, &[]).await;
        let (alice, bob) = (alice.on(town), bob.on(town));
        for _ in 0..8 {
            create_many(&alice, 200).await.ok();
        }
        let answer = create_many(&alice, 66).await;
        answer.ok();
        assert_eq!(answer.header("ratelimit-limit"), "5000");
        assert_eq!(answer.header("ratelimit-remaining"), "2");
        let last = alice.create("app.bsky.feed.post", &json!({
            "$type": "app.bsky.feed.post",
            "text": "one too many",
            "createdAt": "2026-01-02T03:04:05.678Z",
        })).await;
        last.refused(429, "RateLimitExceeded");
        assert_eq!(last.header("retry-after"), "3600");
        bob.post("mine").await;
        town.world.clock.advance(HOUR);
        let alice = town.log_in(&alice).await;
        alice.post("later").await;
    }

    /// An account that moves in may bring all its blobs; one in use has its
    /// daily number of uploads.
    async fn an_importing_account_may_upload_its_blobs(town) {
        let alice = town.owner("alice").await;
        counting(town, &[]).await;
        let alice = alice.on(town);
        let upload = || alice.client.call(UPLOAD, Body::Bytes("image/png", vec![1]));
        assert_eq!(upload().await.header("ratelimit-limit"), "1000");
        let deactivate = "com.atproto.server.deactivateAccount";
        alice.client.procedure(deactivate, &json!({})).await.ok();
        let answer = upload().await;
        answer.ok();
        assert_eq!(answer.header("ratelimit-limit"), "3000");
    }

    /// Letters that an account asks for are few, whatever its address.
    async fn letters_are_counted_by_account(town) {
        let alice = town.owner("alice").await;
        counting(town, &[]).await;
        let alice = alice.on(town);
        let request = "com.atproto.server.requestAccountDelete";
        for from in 0..5 {
            let from = format!("203.0.113.{from}");
            let client = alice.client.with_header("x-forwarded-for", &from);
            client.call(request, Body::None).await.ok();
        }
        alice.client.call(request, Body::None).await.refused(429, "RateLimitExceeded");
    }

    /// Whoever guesses the administrator's password is stopped, and the
    /// administrator elsewhere is not.
    async fn wrong_administrators_are_counted(town) {
        counting(town, &[]).await;
        let search = "com.atproto.admin.searchAccounts";
        let wrong = town.visitor().with_header("authorization", "Basic YWRtaW46d3Jvbmc=");
        for _ in 0..30 {
            wrong.query(search, &[]).await.refused(401, "AuthenticationRequired");
        }
        wrong.query(search, &[]).await.refused(429, "RateLimitExceeded");
        town.admin().query(search, &[]).await.refused(429, "RateLimitExceeded");
        let elsewhere = town.admin().with_header("x-forwarded-for", "203.0.113.7");
        elsewhere.query(search, &[]).await.ok();
    }

    /// The operator's key and the operator's addresses are not counted.
    async fn the_operator_can_exempt_clients(town) {
        let settings = [
            ("FREEHOLD_LIMITS_BYPASS_KEY", "the key"),
            ("FREEHOLD_LIMITS_BYPASS_ADDRESSES", "203.0.113.7"),
        ];
        counting(town, &settings).await;
        let describe = "com.atproto.server.describeServer";
        let limit = async |client: Client| {
            client.query(describe, &[]).await.header("ratelimit-limit").to_owned()
        };
        assert_eq!(limit(town.visitor().with_header("x-ratelimit-bypass", "the key")).await, "");
        assert_eq!(limit(town.visitor().with_header("x-ratelimit-bypass", "a key")).await, "3000");
        let exempt = town.visitor().with_header("x-forwarded-for", "203.0.113.7");
        assert_eq!(limit(exempt).await, "");
    }
}
