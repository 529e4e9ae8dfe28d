//! Accounts: how they begin, move in, rest and come back.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use freehold::atproto::crypto::{Curve, SigningKey};
use freehold::atproto::event::{HostingStatus, Message};
use freehold::atproto::jws::{self, Claims};
use freehold::atproto::plc::{State, Unsigned};
use freehold::atproto::syntax::{Did, Handle};
use freehold::store::{events, intents};
use serde_json::{Value, json};

use crate::harness::{Answer, Body, Client, Town};

const CREATE: &str = "com.atproto.server.createAccount";
const STATUS: &str = "com.atproto.server.checkAccountStatus";
const ACTIVATE: &str = "com.atproto.server.activateAccount";
const DEACTIVATE: &str = "com.atproto.server.deactivateAccount";

fn sign_up(name: &str) -> Value {
    json!({
        "handle": format!("{name}.pds.test"),
        "email": format!("{name}@mail.test"),
        "password": "a password",
    })
}

/// The same with one field changed, or left out with `null`.
fn but(mut input: Value, field: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(input.as_object_mut().expect("an object").remove(field)),
        value => input[field] = value,
    }
    input
}

async fn create(client: &Client, input: &Value) -> Answer {
    client.procedure(CREATE, input).await
}

fn text(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_default().to_owned()
}

/// What was said to the network, each as its kind and what matters of it.
async fn said(town: &Town) -> Vec<String> {
    let db = &town.server().services().store.db;
    let events = events::range(db, 0, 1_000).await.expect("the log reads");
    let messages = events.iter().map(|event| Message::decode(&event.bytes).expect("a frame"));
    messages.map(|message| short(&message)).collect()
}

fn short(message: &Message) -> String {
    match message {
        Message::Commit(_, event) => {
            format!("commit ops={} since={:?}", event.ops.len(), event.since.is_some())
        }
        Message::Sync(..) => "sync".to_owned(),
        Message::Identity(_, event) => {
            format!("identity {}", event.handle.as_ref().map_or("", |handle| handle.as_str()))
        }
        Message::Account(_, event) => {
            let status = if event.status == HostingStatus::Active { "active" } else { "inactive" };
            format!("account {status}")
        }
        _ => "other".to_owned(),
    }
}

async fn unfinished(town: &Town) -> usize {
    let db = &town.server().services().store.db;
    intents::list(db, 10).await.expect("the journal reads").len()
}

async fn state(town: &Town, did: &str) -> Value {
    Client::new(town.directory().address()).get(&format!("/{did}/data")).await.json()
}

/// A port at which nobody answers.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_secret(Curve::K256, &[number; 32]).expect("a secret")
}

/// Somebody who lives elsewhere: their DID, with a key that we hold.
async fn settler(town: &Town, name: &str) -> (Did, State) {
    let handle = Handle::new(format!("{name}.elsewhere.test")).expect("a handle");
    let keys = vec![key(1).public().did_key()];
    let state =
        State::of_account(keys, key(2).public().did_key(), &handle, "https://elsewhere.test");
    let genesis = Unsigned::Operation { state: state.clone(), prev: None };
    let genesis = genesis.sign(&key(1)).expect("within the limits");
    let did = genesis.did().expect("a genesis");
    let plc = town.server().services().identity.plc();
    plc.submit(&did, &genesis).await.expect("the directory takes it");
    (did, state)
}

/// What the settler's present server gives them.
fn service_token(town: &Town, did: &Did, change: impl Fn(&mut Claims)) -> String {
    let now = town.world.clock.now().unix_secs();
    let mut claims = Claims {
        iss: did.as_str().to_owned(),
        aud: "did:web:pds.test".to_owned(),
        exp: now + 60,
        iat: Some(now),
        lxm: Some(CREATE.to_owned()),
        jti: Some("one".to_owned()),
    };
    change(&mut claims);
    jws::sign(&key(2), &claims)
}

on_both_engines! {
    /// A new account has a DID in the directory, a repository, a session, and
    /// the network was told in the order that relays need.
    async fn a_new_account_is_there_for_everybody(town) {
        let created = create(&town.visitor(), &sign_up("alice")).await.ok();
        let did = text(&created, "did");
        assert!(did.starts_with("did:plc:"), "{did}");
        assert_eq!(created["didDoc"]["alsoKnownAs"], json!(["at://alice.pds.test"]));
        let state = state(town, &did).await;
        assert_eq!(state["services"]["atproto_pds"]["endpoint"], "https://pds.test");
        assert_eq!(said(town).await, ["identity alice.pds.test", "account active", "commit ops=0 since=false"]);
        assert_eq!(unfinished(town).await, 0);
        let alice = town.visitor().with_token(&text(&created, "accessJwt"));
        let status = alice.query(STATUS, &[]).await.ok();
        assert_eq!(status["activated"], json!(true));
        assert_eq!(status["validDid"], json!(true));
        assert_eq!(status["repoBlocks"], json!(2));
        assert_eq!(status["indexedRecords"], json!(0));
    }

    /// Each fault of a sign-up has its name; none leaves anything behind.
    async fn a_bad_sign_up_leaves_nothing(town) {
        town.owner("taken").await;
        let check = async |field: &str, value: Value, error: &str| {
            let input = but(sign_up("alice"), field, value);
            create(&town.visitor(), &input).await.refused(400, error);
        };
        check("email", Value::Null, "InvalidRequest").await;
        check("email", json!("nobody"), "InvalidRequest").await;
        check("password", Value::Null, "InvalidPassword").await;
        check("password", json!("a".repeat(257)), "InvalidPassword").await;
        check("handle", json!("taken.pds.test"), "HandleNotAvailable").await;
        check("handle", json!("TAKEN.pds.test"), "HandleNotAvailable").await;
        check("handle", json!("admin.pds.test"), "HandleNotAvailable").await;
        check("handle", json!("a.b.pds.test"), "InvalidHandle").await;
        check("handle", json!("x.pds.test"), "InvalidHandle").await;
        check("handle", json!("not a handle"), "InvalidRequest").await;
        check("handle", json!("alice.example.com"), "UnsupportedDomain").await;
        check("recoveryKey", json!("did:key:zzz"), "InvalidRequest").await;
        check("plcOp", json!({}), "InvalidRequest").await;
        assert_eq!(unfinished(town).await, 0);
        create(&town.visitor(), &sign_up("alice")).await.ok();
    }

    /// Of two people who want one handle at one moment, one gets it, and the
    /// other's DID does not stay.
    async fn two_sign_ups_for_one_handle_are_one_account(town) {
        let other = but(sign_up("alice"), "email", json!("other@mail.test"));
        let (one, two) = (town.visitor(), town.visitor());
        let first = sign_up("alice");
        let (one, two) = tokio::join!(create(&one, &first), create(&two, &other));
        let good = [&one, &two].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(good, 1, "{one:?} {two:?}");
        let lost = if one.status.is_success() { two } else { one };
        lost.refused(400, "HandleNotAvailable");
        assert_eq!(unfinished(town).await, 0);
        assert_eq!(said(town).await.len(), 3);
    }

    /// The owner's own key outranks the server's.
    async fn a_recovery_key_ranks_first(town) {
        let recovery = key(7).public().did_key();
        let input = but(sign_up("alice"), "recoveryKey", json!(recovery.as_str()));
        let created = create(&town.visitor(), &input).await.ok();
        let keys = state(town, &text(&created, "did")).await["rotationKeys"].clone();
        assert_eq!(keys.as_array().map(Vec::len), Some(2));
        assert_eq!(keys[0], json!(recovery.as_str()));
    }

    /// A code lets in as many as it says, where codes are asked for.
    async fn an_invite_code_is_used_up(town) {
        town.restart_with(&[("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "true")]).await;
        let description = town.visitor().query("com.atproto.server.describeServer", &[]).await.ok();
        assert_eq!(description["inviteCodeRequired"], json!(true));
        let made = town.admin().procedure("com.atproto.server.createInviteCode", &json!({ "useCount": 1 })).await.ok();
        let code = text(&made, "code");
        assert!(code.starts_with("pds-test-") && code.len() == "pds-test-".len() + 11, "{code}");
        create(&town.visitor(), &sign_up("alice")).await.refused(400, "InvalidInviteCode");
        let with = |name: &str, code: &str| but(sign_up(name), "inviteCode", json!(code));
        create(&town.visitor(), &with("alice", "pds-test-aaaaa-aaaaa")).await.refused(400, "InvalidInviteCode");
        create(&town.visitor(), &with("alice", &code)).await.ok();
        create(&town.visitor(), &with("bob", &code)).await.refused(400, "InvalidInviteCode");
    }

    /// Codes are the administrator's to make, some for each account.
    async fn only_the_administrator_makes_codes(town) {
        const CODES: &str = "com.atproto.server.createInviteCodes";
        let alice = town.owner("alice").await;
        let input = json!({ "codeCount": 2, "useCount": 3, "forAccounts": [alice.did, "did:plc:other"] });
        town.visitor().procedure(CODES, &input).await.refused(401, "AuthMissing");
        alice.client.procedure(CODES, &input).await.refused(400, "InvalidToken");
        let wrong = town.visitor().with_header("authorization", "Basic YWRtaW46d3Jvbmc=");
        wrong.procedure(CODES, &input).await.refused(401, "AuthenticationRequired");
        let made = town.admin().procedure(CODES, &input).await.ok();
        assert_eq!(made["codes"].as_array().map(Vec::len), Some(2));
        assert_eq!(made["codes"][0]["account"], json!(alice.did));
        assert_eq!(made["codes"][0]["codes"].as_array().map(Vec::len), Some(2));
        let none = json!({ "codeCount": 0, "useCount": 1 });
        town.admin().procedure(CODES, &none).await.refused(400, "InvalidRequest");
    }

    /// A directory that cannot be reached costs nothing but another try, and
    /// the journal is empty after the next start.
    async fn a_sign_up_that_was_cut_off_is_undone(town) {
        town.world.http.route("plc.test", nowhere());
        create(&town.visitor(), &sign_up("alice")).await.refused(502, "UpstreamFailure");
        assert_eq!(unfinished(town).await, 1);
        town.world.http.route("plc.test", town.directory().address());
        town.world.clock.advance(Duration::from_secs(20 * 60));
        while unfinished(town).await > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(said(town).await, Vec::<String>::new());
        create(&town.visitor(), &sign_up("alice")).await.ok();
    }

    /// An account that rests is not served as active, and comes back as it was.
    async fn an_account_rests_and_comes_back(town) {
        let alice = town.owner("alice").await;
        alice.client.procedure(DEACTIVATE, &json!({ "deleteAfter": "2027-01-01T00:00:00Z" })).await.ok();
        alice.client.procedure(DEACTIVATE, &json!({})).await.ok();
        let whose = alice.client.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!((&whose["active"], &whose["status"]), (&json!(false), &json!("deactivated")));
        alice.create("app.bsky.feed.post", &json!({})).await.refused(401, "AccountDeactivated");
        let status = alice.client.query(STATUS, &[]).await.ok();
        assert_eq!(status["activated"], json!(false));
        alice.client.call(ACTIVATE, Body::None).await.ok();
        alice.client.call(ACTIVATE, Body::None).await.ok();
        assert_eq!(said(town).await[3..], ["account inactive", "account active", "identity alice.pds.test", "sync"]);
        alice.post("back again").await;
    }

    /// A did:web moves in too: its owner keeps the document, and puts our key and
    /// our address there.
    async fn a_did_web_moves_in(town) {
        let did: Did = "did:web:carol.example.com".parse().expect("a DID");
        let publish = |key: &str, endpoint: &str, handle: &str| {
            let document = json!({
                "id": did.as_str(),
                "alsoKnownAs": [format!("at://{handle}")],
                "verificationMethod": [{
                    "id": format!("{}#atproto", did.as_str()),
                    "type": "Multikey",
                    "controller": did.as_str(),
                    "publicKeyMultibase": key.trim_start_matches("did:key:"),
                }],
                "service": [{
                    "id": "#atproto_pds",
                    "type": "AtprotoPersonalDataServer",
                    "serviceEndpoint": endpoint,
                }],
            });
            let url = "https://carol.example.com/.well-known/did.json";
            town.world.http.answer(url, 200, "application/json", document.to_string());
        };
        publish(key(2).public().did_key().as_str(), "https://elsewhere.test", "carol.example.com");
        town.world.dns.set_txt("_atproto.carol.example.com", &["did=did:web:carol.example.com"]);
        let token = service_token(town, &did, |_| {});
        let input = but(sign_up("carol"), "did", json!(did.as_str()));
        let input = but(input, "handle", json!("carol.example.com"));
        let created = create(&town.visitor().with_token(&token), &input).await.ok();
        assert_eq!((text(&created, "did"), text(&created, "handle")), (did.as_str().to_owned(), "carol.example.com".to_owned()));
        let carol = town.visitor().with_token(&text(&created, "accessJwt"));
        assert_eq!(carol.query(STATUS, &[]).await.ok()["validDid"], false);
        carol.call(ACTIVATE, Body::None).await.refused(400, "InvalidRequest");
        let nsid = "com.atproto.identity.getRecommendedDidCredentials";
        let wanted = carol.query(nsid, &[]).await.ok();
        let key = text(&wanted["verificationMethods"], "atproto");
        publish(&key, "https://pds.test", "carol.example.com");
        carol.call(ACTIVATE, Body::None).await.ok_bytes();
        assert_eq!(carol.query(STATUS, &[]).await.ok()["validDid"], true);
        let session = carol.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!((&session["handle"], &session["active"]), (&json!("carol.example.com"), &json!(true)));
        let described = town.visitor().query("com.atproto.repo.describeRepo", &[("repo", did.as_str())]).await;
        assert_eq!(described.ok()["handleIsCorrect"], true);
    }

    /// A reserved key is the same for the same DID, is the one of the account
    /// that moves in, and is forgotten when nobody comes.
    async fn a_reserved_key_is_honoured(town) {
        let (did, _) = settler(town, "bob").await;
        let reserve = |input: Value| {
            let visitor = town.visitor();
            async move {
                let reserved = visitor.procedure("com.atproto.server.reserveSigningKey", &input).await;
                text(&reserved.ok(), "signingKey")
            }
        };
        let reserved = reserve(json!({ "did": did.as_str() })).await;
        assert_eq!(reserve(json!({ "did": did.as_str() })).await, reserved);
        assert_ne!(reserve(json!({})).await, reserve(json!({})).await);
        town.world.clock.advance(Duration::from_secs(6 * 24 * 3600));
        town.server().services().keys.delete_unused().await.expect("runs");
        assert_eq!(reserve(json!({ "did": did.as_str() })).await, reserved);
        let token = service_token(town, &did, |_| {});
        let input = but(sign_up("bob"), "did", json!(did.as_str()));
        let created = create(&town.visitor().with_token(&token), &input).await.ok();
        let bob = town.visitor().with_token(&text(&created, "accessJwt"));
        let nsid = "com.atproto.identity.getRecommendedDidCredentials";
        let wanted = bob.query(nsid, &[]).await.ok();
        assert_eq!(wanted["verificationMethods"]["atproto"], json!(reserved));
        let other = reserve(json!({ "did": "did:web:nobody.test" })).await;
        town.world.clock.advance(Duration::from_secs(8 * 24 * 3600));
        town.server().services().keys.delete_unused().await.expect("runs");
        assert_ne!(reserve(json!({ "did": "did:web:nobody.test" })).await, other);
    }

    /// Somebody who lives elsewhere gets an account that says nothing until
    /// their DID leads here.
    async fn an_account_moves_in_quietly(town) {
        let (did, state) = settler(town, "bob").await;
        let token = service_token(town, &did, |_| {});
        let input = but(sign_up("bob"), "did", json!(did.as_str()));
        create(&town.visitor(), &input).await.refused(401, "AuthenticationRequired");
        let created = create(&town.visitor().with_token(&token), &input).await.ok();
        assert_eq!(text(&created, "did"), did.as_str());
        assert_eq!(said(town).await, Vec::<String>::new());
        // Clients follow a DID document, and this one still names the old server.
        assert_eq!(created["didDoc"], Value::Null);
        let bob = town.visitor().with_token(&text(&created, "accessJwt"));
        let status = bob.query(STATUS, &[]).await.ok();
        assert_eq!((&status["activated"], &status["validDid"]), (&json!(false), &json!(false)));
        bob.call(ACTIVATE, Body::None).await.refused(400, "InvalidRequest");

        let services = town.server().services();
        let store = &services.store.db;
        let account = freehold::store::accounts::find_by_did(store, &did).await.expect("reads").expect("is there");
        let signing = services.keys.signing_key(account.id, &did).await.expect("a key");
        let plc = services.identity.plc();
        let prev = plc.last_operation(&did).await.expect("the log reads").cid();
        let moved = state.with_pds("https://pds.test", signing.public().did_key());
        let moved = Unsigned::Operation { state: moved, prev: Some(prev) }.sign(&key(1)).expect("signs");
        plc.submit(&did, &moved).await.expect("the directory takes it");
        bob.call(ACTIVATE, Body::None).await.ok();
        assert_eq!(said(town).await, ["account active", "identity bob.pds.test", "sync"]);
        let session = bob.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["didDoc"]["id"], did.as_str());

        let again = service_token(town, &did, |claims| claims.jti = Some("two".to_owned()));
        create(&town.visitor().with_token(&again), &input).await.refused(401, "BadJwtSignature");
    }

    /// A token of another server is good for one act, here, now, by its account.
    async fn a_service_token_must_fit(town) {
        let (did, _) = settler(town, "bob").await;
        let input = but(sign_up("bob"), "did", json!(did.as_str()));
        let check = async |error: &str, change: &dyn Fn(&mut Claims)| {
            let token = service_token(town, &did, change);
            create(&town.visitor().with_token(&token), &input).await.refused(401, error);
        };
        let now = town.world.clock.now().unix_secs();
        check("JwtExpired", &|claims| claims.exp = now).await;
        check("BadJwt", &|claims| claims.exp = now + 2 * 60 * 60).await;
        check("BadJwt", &|claims| claims.iat = Some(now + 60)).await;
        check("BadJwtAudience", &|claims| claims.aud = "did:web:other.test".to_owned()).await;
        check("BadJwtAudience", &|claims| claims.aud = "did:web:pds.test#other".to_owned()).await;
        check("BadJwtLexiconMethod", &|claims| claims.lxm = None).await;
        check("BadJwtLexiconMethod", &|claims| claims.lxm = Some("com.atproto.repo.uploadBlob".to_owned())).await;
        check("BadJwtIss", &|claims| claims.iss = "bob".to_owned()).await;
        let good = service_token(town, &did, |_| {});
        let stranger = &but(input.clone(), "did", json!("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"));
        create(&town.visitor().with_token(&good), stranger).await.refused(401, "AuthenticationRequired");
        // What failed did not use the token up.
        create(&town.visitor().with_token(&good), &but(input.clone(), "email", Value::Null)).await.refused(400, "InvalidRequest");
        create(&town.visitor().with_token(&good), &input).await.ok();
        create(&town.visitor().with_token(&good), &input).await.refused(400, "AlreadyExists");
    }
}
