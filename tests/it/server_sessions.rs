//! Sessions and app passwords: who gets in, for how long, and how they leave.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use freehold::atproto::Moment;
use freehold::atproto::syntax::Did;
use freehold::store::app_passwords::{AppPassword, Power};
use freehold::store::{Batch, accounts, app_passwords};
use serde_json::{Value, json};

use crate::harness::{Answer, Body, Client, Owner, Town};

const CREATE: &str = "com.atproto.server.createSession";
const GET: &str = "com.atproto.server.getSession";
const REFRESH: &str = "com.atproto.server.refreshSession";
const DELETE: &str = "com.atproto.server.deleteSession";
const CREATE_APP: &str = "com.atproto.server.createAppPassword";
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn log_in(client: &Client, identifier: &str, password: &str) -> Answer {
    client.procedure(CREATE, &json!({ "identifier": identifier, "password": password })).await
}

async fn refresh(town: &Town, token: &str) -> Answer {
    town.visitor().with_token(token).call(REFRESH, Body::None).await
}

fn text(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_default().to_owned()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Runs a batch of the store as an operator's tool would.
async fn run(town: &Town, batch: Batch) {
    town.server().services().store.db.run(batch).await.expect("the batch runs");
}

async fn account(town: &Town, owner: &Owner) -> accounts::Account {
    let did = Did::new(owner.did.clone()).expect("a DID");
    let found = accounts::find_by_did(&town.server().services().store.db, &did).await;
    found.expect("the store reads").expect("the account is there")
}

async fn take_down(town: &Town, owner: &Owner) {
    let mut batch = Batch::new();
    let id = account(town, owner).await.id;
    accounts::take_down(&mut batch, id, town.world.clock.now(), "case 1");
    run(town, batch).await;
}

on_both_engines! {
    /// A handle in any case, a DID and an e-mail address name the same account.
    async fn each_name_of_an_account_logs_in(town) {
        let alice = town.owner("alice").await;
        let visitor = town.visitor();
        for name in ["alice.pds.test", "ALICE.pds.test", &alice.did, "alice@mail.test", "Alice@Mail.Test"] {
            let session = log_in(&visitor, name, &alice.password).await.ok();
            assert_eq!(session["did"], json!(alice.did), "{name}");
            assert_eq!(session["active"], json!(true));
            let whose = visitor.with_token(&text(&session, "accessJwt")).query(GET, &[]).await.ok();
            assert_eq!(whose["handle"], "alice.pds.test");
            assert_eq!(whose["email"], "alice@mail.test");
            assert_eq!(whose["emailConfirmed"], json!(false));
            assert_eq!(whose["didDoc"]["id"], json!(alice.did));
        }
    }

    /// Nobody learns from a log-in whether an account exists.
    async fn a_wrong_password_and_nobody_are_one_answer(town) {
        let alice = town.owner("alice").await;
        let visitor = town.visitor();
        let wrong = log_in(&visitor, &alice.handle, "not it").await;
        let nobody = log_in(&visitor, "nobody.pds.test", "not it").await;
        let no_name = log_in(&visitor, "no name at all", "not it").await;
        let said = wrong.refused(401, "AuthenticationRequired");
        assert_eq!(nobody.refused(401, "AuthenticationRequired"), said);
        assert_eq!(no_name.refused(401, "AuthenticationRequired"), said);
        log_in(&visitor, &alice.handle, &"a".repeat(513)).await.refused(401, "AuthenticationRequired");
    }

    /// Every log-in takes the same least time, by the world's clock.
    async fn a_log_in_waits_for_its_least_time(town) {
        let alice = town.owner("alice").await;
        town.restart_with(&[("FREEHOLD_ACCOUNTS_LOGIN_TIME_MIN_MS", "350")]).await;
        let clock = town.world.clock.clone();
        for password in [alice.password.as_str(), "not it"] {
            let visitor = town.visitor();
            let login = log_in(&visitor, &alice.handle, password);
            tokio::pin!(login);
            // Far longer than the check takes; the world's clock stands still.
            let early = tokio::time::timeout(Duration::from_millis(500), &mut login).await;
            assert!(early.is_err(), "{early:?}");
            clock.advance(Duration::from_millis(350));
            login.await;
        }
    }

    /// A client whose connection broke may renew again, and gets the same next
    /// token; after the grace the old one is good for nothing.
    async fn a_refresh_token_is_idempotent_within_its_grace(town) {
        let alice = town.owner("alice").await;
        let first = refresh(town, &alice.refresh_jwt).await.ok();
        town.world.clock.advance(HOUR);
        let again = refresh(town, &alice.refresh_jwt).await.ok();
        let jti = |session: &Value| claims(&text(session, "refreshJwt"))["jti"].clone();
        assert_eq!(jti(&first), jti(&again));
        assert_ne!(jti(&first), claims(&alice.refresh_jwt)["jti"]);
        town.world.clock.advance(HOUR);
        refresh(town, &alice.refresh_jwt).await.refused(400, "ExpiredToken");
        let next = refresh(town, &text(&first, "refreshJwt")).await.ok();
        let whose = town.visitor().with_token(&text(&next, "accessJwt")).query(GET, &[]).await.ok();
        assert_eq!(whose["did"], json!(alice.did));
    }

    /// Two at once is one renewal.
    async fn renewals_at_the_same_moment_agree(town) {
        let alice = town.owner("alice").await;
        let (one, two) = tokio::join!(refresh(town, &alice.refresh_jwt), refresh(town, &alice.refresh_jwt));
        let jti = |answer: Answer| claims(&text(&answer.ok(), "refreshJwt"))["jti"].clone();
        assert_eq!(jti(one), jti(two));
    }

    /// The names and statuses by which clients decide to renew or to log out.
    async fn tokens_end_with_the_names_that_clients_know(town) {
        let alice = town.owner("alice").await;
        town.world.clock.advance(2 * HOUR);
        alice.client.query(GET, &[]).await.refused(400, "ExpiredToken");
        town.visitor().query(GET, &[]).await.refused(401, "AuthMissing");
        let refresh_token = town.visitor().with_token(&alice.refresh_jwt);
        refresh_token.query(GET, &[]).await.refused(400, "InvalidToken");
        alice.client.call(REFRESH, Body::None).await.refused(400, "InvalidToken");
        alice.client.call(DELETE, Body::None).await.refused(400, "InvalidToken");
        let check = async |header: &str| {
            let client = town.visitor().with_header("authorization", header);
            client.query(GET, &[]).await.refused(400, "InvalidToken");
        };
        check("Bearer").await;
        check("Bearer  x").await;
        check("Bearer not-a-token").await;
        check("Digest x").await;
        check("Basic YWRtaW46eA==").await;
        let none = BASE64URL_NOPAD.encode(br#"{"typ":"at+jwt","alg":"none"}"#);
        check(&format!("Bearer {none}.{}.", "e30")).await;
    }

    /// Logging out ends the session, also with a token past its time.
    async fn a_closed_session_is_not_renewed(town) {
        let alice = town.owner("alice").await;
        let next = text(&refresh(town, &alice.refresh_jwt).await.ok(), "refreshJwt");
        let close = town.visitor().with_token(&next).call(DELETE, Body::None).await;
        assert!(close.ok().is_null());
        refresh(town, &next).await.refused(400, "ExpiredToken");
        refresh(town, &alice.refresh_jwt).await.refused(400, "ExpiredToken");
        let session = log_in(&town.visitor(), &alice.handle, &alice.password).await.ok();
        town.world.clock.advance(91 * 24 * HOUR);
        let late = town.visitor().with_token(&text(&session, "refreshJwt"));
        late.call(REFRESH, Body::None).await.refused(400, "ExpiredToken");
        late.call(DELETE, Body::None).await.ok();
    }

    /// The password hashes of an official installation stay good, and become
    /// our kind at the first log-in.
    async fn an_official_password_hash_is_renewed_by_a_log_in(town) {
        let alice = town.owner("alice").await;
        let mut batch = Batch::new();
        // scryptSync("hunter2", "000102…0f", 64) of Node, as the official server stores it.
        let stored = "000102030405060708090a0b0c0d0e0f:ea9df5abd6826beb5d198aee803e767419b2a56139c50\
            a128286e6b619b3c8bb1a0c5c5a2f436f860ba0670d7d02a4318d05626cc059606fc165577a35bdaddc";
        accounts::update_password(&mut batch, account(town, &alice).await.id, stored);
        run(town, batch).await;
        log_in(&town.visitor(), &alice.handle, &alice.password).await.refused(401, "AuthenticationRequired");
        log_in(&town.visitor(), &alice.handle, "hunter2").await.ok();
        let hash = account(town, &alice).await.password_hash;
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        log_in(&town.visitor(), &alice.handle, "hunter2").await.ok();
    }

    /// An app password logs in with less power; its end is the end of its sessions.
    async fn an_app_password_opens_sessions_until_it_is_revoked(town) {
        let alice = town.owner("alice").await;
        let made = alice.client.procedure(CREATE_APP, &json!({ "name": "bot" })).await.ok();
        let password = text(&made, "password");
        assert_eq!(password.len(), 19);
        assert!(password.split('-').all(|group| group.len() == 4), "{password}");
        let session = log_in(&town.visitor(), &alice.handle, &password).await.ok();
        let bot = town.visitor().with_token(&text(&session, "accessJwt"));
        assert_eq!(claims(&text(&session, "accessJwt"))["scope"], "com.atproto.appPass");
        bot.procedure(CREATE_APP, &json!({ "name": "more" })).await.refused(400, "InvalidToken");
        let list = bot.query("com.atproto.server.listAppPasswords", &[]).await.ok();
        assert_eq!(list["passwords"][0]["name"], "bot");
        assert_eq!(list["passwords"][0]["privileged"], json!(false));
        let renewed = refresh(town, &text(&session, "refreshJwt")).await.ok();
        assert_eq!(claims(&text(&renewed, "accessJwt"))["scope"], "com.atproto.appPass");
        let named = json!({ "name": "bot" });
        alice.client.procedure("com.atproto.server.revokeAppPassword", &named).await.ok();
        refresh(town, &text(&renewed, "refreshJwt")).await.refused(400, "ExpiredToken");
        log_in(&town.visitor(), &alice.handle, &password).await.refused(401, "AuthenticationRequired");
    }

    /// An app password that has scopes does what they allow and nothing else,
    /// also after its session was renewed.
    async fn an_app_password_is_held_to_its_scopes(town) {
        let alice = town.owner("alice").await;
        let wanted = json!({ "name": "bot", "scope": "repo:app.bsky.feed.post?action=create blob:image/*" });
        let made = alice.client.procedure(CREATE_APP, &wanted).await.ok();
        let held = "atproto repo:app.bsky.feed.post?action=create blob:image/*";
        assert_eq!(made["scope"], held);
        let session = log_in(&town.visitor(), &alice.handle, &text(&made, "password")).await.ok();
        assert_eq!(session.get("email"), None);
        for session in [&session, &refresh(town, &text(&session, "refreshJwt")).await.ok()] {
            assert_eq!(claims(&text(session, "accessJwt"))["scope"], held);
            let bot = town.visitor().with_token(&text(session, "accessJwt"));
            let record = |collection: &str| json!({
                "repo": alice.did,
                "collection": collection,
                "record": { "$type": collection, "text": "beep", "createdAt": "2026-01-01T00:00:00Z" },
            });
            let create = "com.atproto.repo.createRecord";
            bot.procedure(create, &record("app.bsky.feed.post")).await.ok();
            let refused = bot.procedure(create, &record("app.bsky.feed.like")).await;
            refused.refused(403, "ScopeMissingError");
            bot.procedure(CREATE_APP, &json!({ "name": "more" })).await.refused(403, "Forbidden");
            assert_eq!(bot.query(GET, &[]).await.ok().get("email"), None);
        }
        let list = alice.client.query("com.atproto.server.listAppPasswords", &[]).await.ok();
        assert_eq!(list["passwords"][0]["scope"], held);
    }

    /// What cannot be is refused before anything is made.
    async fn an_app_password_needs_scopes_and_an_end_that_can_be(town) {
        let alice = town.owner("alice").await;
        let both = json!({ "name": "a", "privileged": true, "scope": "blob:*/*" });
        for wanted in [
            both,
            json!({ "name": "a", "scope": "" }),
            json!({ "name": "a", "scope": "repo:app.bsky.feed.post nonsense" }),
            json!({ "name": "a", "scope": format!("rpc:*?aud=did:web:{}", "a".repeat(4_096)) }),
            json!({ "name": "a", "scope": "include:nobody.example.permissions" }),
            json!({ "name": "a", "expiresAt": "2000-01-01T00:00:00Z" }),
            json!({ "name": "a", "expiresAt": "tomorrow" }),
        ] {
            alice.client.procedure(CREATE_APP, &wanted).await.refused(400, "InvalidRequest");
        }
        let list = alice.client.query("com.atproto.server.listAppPasswords", &[]).await.ok();
        assert_eq!(list["passwords"], json!([]));
    }

    /// Nothing that an app password opened outlives it.
    async fn an_app_password_ends_when_it_should(town) {
        let alice = town.owner("alice").await;
        let end = town.world.clock.now().plus(Duration::from_secs(60 * 60));
        let wanted = json!({ "name": "guest", "expiresAt": end.to_string() });
        let made = alice.client.procedure(CREATE_APP, &wanted).await.ok();
        assert_eq!(made["expiresAt"], end.to_string());
        let password = text(&made, "password");
        let session = log_in(&town.visitor(), &alice.handle, &password).await.ok();
        let guest = town.visitor().with_token(&text(&session, "accessJwt"));
        guest.query(GET, &[]).await.ok();
        town.world.clock.advance(Duration::from_secs(60 * 60));
        guest.query(GET, &[]).await.refused(400, "ExpiredToken");
        refresh(town, &text(&session, "refreshJwt")).await.refused(400, "ExpiredToken");
        log_in(&town.visitor(), &alice.handle, &password).await.refused(401, "AuthenticationRequired");
    }

    /// Names are unique and not empty.
    async fn an_app_password_needs_a_name_of_its_own(town) {
        let alice = town.owner("alice").await;
        let make = async |name: &str| alice.client.procedure(CREATE_APP, &json!({ "name": name })).await;
        make("bot").await.ok();
        make("bot").await.refused(400, "InvalidRequest");
        make(" ").await.refused(400, "InvalidRequest");
    }

    /// App passwords of an official installation stay good: their salt is the
    /// account's.
    async fn an_official_app_password_logs_in(town) {
        let alice = town.owner("alice").await;
        let alice_account = account(town, &alice).await;
        let salt = freehold::service::app_passwords::official_salt(&alice_account.did);
        let passwords = freehold::service::passwords::Passwords::new(town.world.entropy.clone());
        let password_hash = passwords.scrypt("aaaa-bbbb-cccc-dddd", &salt).await.expect("hashes");
        let mut batch = Batch::new();
        app_passwords::insert(&mut batch, &AppPassword {
            account: alice_account.id,
            name: "old".to_owned(),
            password_hash,
            power: Power::Privileged,
            created_at: Moment::from_unix_ms(0),
            expires_at: None,
        });
        run(town, batch).await;
        let session = log_in(&town.visitor(), &alice.handle, "aaaa-bbbb-cccc-dddd").await.ok();
        assert_eq!(claims(&text(&session, "accessJwt"))["scope"], "com.atproto.appPassPrivileged");
    }

    /// Somebody who was taken down may still leave, and nothing else.
    async fn a_taken_down_account_logs_in_only_to_leave(town) {
        let alice = town.owner("alice").await;
        take_down(town, &alice).await;
        let visitor = town.visitor();
        log_in(&visitor, &alice.handle, &alice.password).await.refused(401, "AccountTakedown");
        log_in(&visitor, &alice.handle, "not it").await.refused(401, "AuthenticationRequired");
        alice.client.query(GET, &[]).await.refused(400, "InvalidRequest");
        refresh(town, &alice.refresh_jwt).await.refused(401, "AccountTakedown");
        let wanted = json!({ "identifier": alice.handle, "password": alice.password, "allowTakendown": true });
        let session = visitor.procedure(CREATE, &wanted).await.ok();
        assert_eq!(session["active"], json!(false));
        assert_eq!(session["status"], "takendown");
        refresh(town, &text(&session, "refreshJwt")).await.refused(400, "ExpiredToken");
        let leaving = visitor.with_token(&text(&session, "accessJwt"));
        leaving.query(GET, &[]).await.refused(400, "InvalidToken");
        let ask = async |lxm: &str| {
            let params = [("aud", "did:web:elsewhere.test"), ("lxm", lxm)];
            leaving.query("com.atproto.server.getServiceAuth", &params).await
        };
        ask("com.atproto.server.createAccount").await.ok();
        assert!(!ask("com.atproto.repo.uploadBlob").await.status.is_success());
    }

    /// What the account's key signs says who asks whom for what, and for how long.
    async fn a_service_token_is_made_within_its_limits(town) {
        let alice = town.owner("alice").await;
        let now = town.world.clock.now().unix_secs();
        let ask = async |params: &[(&str, &str)]| {
            alice.client.query("com.atproto.server.getServiceAuth", params).await
        };
        let aud = ("aud", "did:web:api.test#service");
        let lxm = ("lxm", "com.example.method");
        let token = claims(&text(&ask(&[aud, lxm]).await.ok(), "token"));
        assert_eq!(token["iss"], json!(alice.did));
        assert_eq!(token["aud"], json!(aud.1));
        assert_eq!(token["lxm"], json!(lxm.1));
        assert_eq!(token["exp"], json!(now + 60));
        let at = |seconds: i64| (now + seconds).to_string();
        ask(&[aud, lxm, ("exp", &at(3_600))]).await.ok();
        ask(&[aud, lxm, ("exp", &at(3_601))]).await.refused(400, "BadExpiration");
        ask(&[aud, lxm, ("exp", &at(-1))]).await.refused(400, "BadExpiration");
        ask(&[aud, ("exp", &at(60))]).await.ok();
        ask(&[aud, ("exp", &at(61))]).await.refused(400, "BadExpiration");
        ask(&[aud, ("lxm", "com.atproto.SERVER.updateEmail")]).await.refused(400, "InvalidRequest");
        ask(&[("aud", "api.test"), lxm]).await.refused(400, "InvalidRequest");
    }
}
