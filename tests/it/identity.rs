//! Who is who: handles, DIDs, documents, and changing a handle.

use std::time::Duration;

use freehold::atproto::crypto::{Curve, SigningKey};
use freehold::atproto::event::Message;
use freehold::atproto::plc::{Operation, Unsigned};
use freehold::store::events;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Owner, Town};

const RESOLVE_HANDLE: &str = "com.atproto.identity.resolveHandle";
const RESOLVE_DID: &str = "com.atproto.identity.resolveDid";
const RESOLVE_IDENTITY: &str = "com.atproto.identity.resolveIdentity";
const REFRESH_IDENTITY: &str = "com.atproto.identity.refreshIdentity";
const UPDATE_HANDLE: &str = "com.atproto.identity.updateHandle";
/// A DID that nobody has.
const NOBODY: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

on_both_engines! {
    /// A handle of this server leads to its account, in any case of letters.
    async fn a_hosted_handle_leads_to_its_account(town) {
        let alice = town.owner("alice").await;
        let visitor = town.visitor();
        for handle in ["alice.pds.test", "Alice.PDS.test"] {
            assert_eq!(did_of(&visitor, handle).await.ok()["did"], alice.did);
        }
        // Under our own domain nobody else is asked.
        let record = format!("did={}", alice.did);
        town.world.dns.set_txt("_atproto.bob.pds.test", &[&record]);
        did_of(&visitor, "bob.pds.test").await.refused(400, "HandleNotFound");
        visitor.query(RESOLVE_HANDLE, &[("handle", "no handle")]).await.refused(400, "InvalidRequest");
        visitor.query(RESOLVE_HANDLE, &[]).await.refused(400, "InvalidRequest");
    }

    /// A handle elsewhere is asked for by record and by file.
    async fn a_handle_elsewhere_is_asked_for(town) {
        let visitor = town.visitor();
        let record = format!("did={NOBODY}");
        town.world.dns.set_txt("_atproto.bob.example.com", &[&record]);
        assert_eq!(did_of(&visitor, "bob.example.com").await.ok()["did"], NOBODY);
        let file = "https://carol.example.com/.well-known/atproto-did";
        town.world.http.answer(file, 200, "text/plain", NOBODY);
        assert_eq!(did_of(&visitor, "carol.example.com").await.ok()["did"], NOBODY);
        did_of(&visitor, "dave.example.com").await.refused(400, "HandleNotFound");
    }

    /// An identity shows its document, and its handle when both sides agree.
    async fn an_identity_is_shown_with_both_of_its_names(town) {
        let alice = town.owner("alice").await;
        let visitor = town.visitor();
        let document = visitor.query(RESOLVE_DID, &[("did", &alice.did)]).await.ok();
        assert_eq!(document["didDoc"]["id"], alice.did);
        for identifier in [&alice.did, &alice.handle] {
            let identity = visitor.query(RESOLVE_IDENTITY, &[("identifier", identifier)]).await.ok();
            assert_eq!(identity["did"], alice.did);
            assert_eq!(identity["handle"], alice.handle);
            assert_eq!(identity["didDoc"], document["didDoc"]);
        }
        // A name that its document does not confirm is shown as nobody's.
        let record = format!("did={}", alice.did);
        town.world.dns.set_txt("_atproto.imposter.example.com", &[&record]);
        let bob = "did:web:bob.example.com";
        let claims = json!({ "id": bob, "alsoKnownAs": ["at://alice.pds.test"] });
        let at = "https://bob.example.com/.well-known/did.json";
        town.world.http.answer(at, 200, "application/json", claims.to_string());
        let identity = visitor.query(RESOLVE_IDENTITY, &[("identifier", bob)]).await.ok();
        assert_eq!(identity["handle"], "handle.invalid");
        let input = json!({ "identifier": bob });
        let refreshed = visitor.procedure(REFRESH_IDENTITY, &input).await.ok();
        assert_eq!(refreshed, identity);
        // This server is somebody too.
        let own = visitor.query(RESOLVE_DID, &[("did", "did:web:pds.test")]).await.ok();
        assert_eq!(own["didDoc"]["service"][0]["type"], "AtprotoPersonalDataServer");
    }

    /// What does not exist, and what has ended, have names of their own.
    async fn missing_identities_are_named_as_such(town) {
        let visitor = town.visitor();
        let did = async |did: &str| visitor.query(RESOLVE_DID, &[("did", did)]).await;
        did(NOBODY).await.refused(400, "DidNotFound");
        did("did:plc:short").await.refused(400, "DidNotFound");
        did("did:example:alice").await.refused(400, "DidNotFound");
        let ended = "did:web:ended.example.com";
        town.world.http.answer("https://ended.example.com/.well-known/did.json", 410, "text/plain", "");
        did(ended).await.refused(400, "DidDeactivated");
        did("did:web:gone.example.com").await.refused(502, "UpstreamFailure");
        let identity = visitor.query(RESOLVE_IDENTITY, &[("identifier", "x.example.com")]).await;
        identity.refused(400, "HandleNotFound");
    }

    /// A new handle is written into the directory, the account and the stream.
    async fn a_handle_is_changed_everywhere(town) {
        let alice = town.owner("alice").await;
        update(&alice, "Renamed.pds.test").await.ok();
        let visitor = town.visitor();
        assert_eq!(did_of(&visitor, "renamed.pds.test").await.ok()["did"], alice.did);
        did_of(&visitor, "alice.pds.test").await.refused(400, "HandleNotFound");
        assert_eq!(aliases(town, &alice).await, json!(["at://renamed.pds.test"]));
        let identity = visitor.query(RESOLVE_IDENTITY, &[("identifier", &alice.did)]).await.ok();
        assert_eq!(identity["handle"], "renamed.pds.test");
        let session = alice.client.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["handle"], "renamed.pds.test");
        assert_eq!(well_known(&visitor, "renamed.pds.test").await.ok_bytes(), alice.did.as_bytes());
        assert_eq!(last_handle_event(town).await, (alice.did.clone(), "renamed.pds.test".to_owned()));
        // The old name is free for somebody else.
        let bob = town.owner("bob").await;
        update(&bob, "alice.pds.test").await.ok();
        assert_eq!(did_of(&visitor, "alice.pds.test").await.ok()["did"], bob.did);
    }

    /// Names that are not given out are refused, each for its reason.
    async fn a_handle_that_is_not_given_out_is_refused(town) {
        let alice = town.owner("alice").await;
        town.owner("bob").await;
        for (handle, error) in [
            ("no_handle.pds.test", "InvalidRequest"),
            ("ab.pds.test", "InvalidHandle"),
            ("a.b.pds.test", "InvalidHandle"),
            ("nineteencharacters1.pds.test", "InvalidHandle"),
            ("alice.local", "InvalidHandle"),
            ("admin.pds.test", "HandleNotAvailable"),
            ("bob.pds.test", "InvalidRequest"),
            ("alice.example.com", "InvalidRequest"),
        ] {
            let answer = update(&alice, handle).await;
            assert_eq!(answer.status, 400, "{handle}");
            assert_eq!(answer.json()["error"], error, "{handle}");
        }
        assert_eq!(aliases(town, &alice).await, json!(["at://alice.pds.test"]));
        let input = json!({ "handle": "new.pds.test" });
        town.visitor().procedure(UPDATE_HANDLE, &input).await.refused(401, "AuthMissing");
    }

    /// A name of one's own is taken when it leads to the account.
    async fn a_handle_of_ones_own_must_lead_to_the_account(town) {
        let alice = town.owner("alice").await;
        let other = format!("did={NOBODY}");
        town.world.dns.set_txt("_atproto.alice.example.com", &[&other]);
        let message = update(&alice, "alice.example.com").await.refused(400, "InvalidRequest");
        assert_eq!(message, "External handle did not resolve to DID");
        let record = format!("did={}", alice.did);
        town.world.dns.set_txt("_atproto.alice.example.com", &[&record]);
        update(&alice, "alice.example.com").await.ok();
        assert_eq!(aliases(town, &alice).await, json!(["at://alice.example.com"]));
        assert_eq!(did_of(&town.visitor(), "alice.example.com").await.ok()["did"], alice.did);
    }

    /// Whoever took the server's key out of the DID changes the directory first.
    async fn a_self_held_did_is_changed_by_its_owner(town) {
        let own = SigningKey::from_secret(Curve::K256, &[9; 32]).expect("a secret");
        let alice = newcomer(town, "alice", &own).await;
        take_over(town, &alice, &own, "mine.pds.test").await;
        let message = update(&alice, "other.pds.test").await.refused(400, "InvalidRequest");
        assert!(message.contains("rotation key"), "{message}");
        update(&alice, "mine.pds.test").await.ok();
        let session = alice.client.query("com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["handle"], "mine.pds.test");
    }

    /// A client is not told a handle that the DID document does not have.
    async fn a_handle_that_the_document_denies_is_invalid(town) {
        let own = SigningKey::from_secret(Curve::K256, &[9; 32]).expect("a secret");
        let alice = newcomer(town, "alice", &own).await;
        let handle = async || {
            alice.client.query("com.atproto.server.getSession", &[]).await.ok()["handle"].clone()
        };
        assert_eq!(handle().await, "alice.pds.test");
        take_over(town, &alice, &own, "mine.pds.test").await;
        // What was read just now is not asked for again at once.
        town.world.clock.advance(Duration::from_secs(60 * 60));
        let refresh = json!({ "identifier": alice.did });
        town.visitor().procedure("com.atproto.identity.refreshIdentity", &refresh).await;
        assert_eq!(handle().await, "handle.invalid");
        update(&alice, "mine.pds.test").await.ok();
        assert_eq!(handle().await, "mine.pds.test");
    }

    /// Whoever signs up can ask whether a handle is free, and is offered others;
    /// what the operator reserves is not given out.
    async fn a_handle_is_looked_up_before_it_is_wanted(town) {
        town.owner("alice").await;
        let check = "com.atproto.temp.checkHandleAvailability";
        let ask = async |handle: &str| {
            let params = [("handle", handle), ("email", "Ann.Smith@mail.test")];
            town.visitor().query(check, &params).await.ok()["result"].clone()
        };
        let kind = |result: &Value| result["$type"].as_str().unwrap_or_default().to_owned();
        assert!(kind(&ask("bob.pds.test").await).ends_with("#resultAvailable"));
        for taken in ["alice.pds.test", "admin.pds.test"] {
            let result = ask(taken).await;
            assert!(kind(&result).ends_with("#resultUnavailable"), "{result}");
            let suggestions = result["suggestions"].as_array().expect("a list");
            assert_eq!(suggestions.len(), 4);
            assert_eq!(suggestions[0]["handle"], "annsmith.pds.test");
            for one in suggestions {
                let handle = one["handle"].as_str().expect("a handle");
                assert!(kind(&ask(handle).await).ends_with("#resultAvailable"), "{handle}");
            }
        }
        let reserve = "com.atproto.temp.addReservedHandle";
        let bob = json!({ "handle": "bob.pds.test" });
        town.visitor().procedure(reserve, &bob).await.refused(401, "AuthMissing");
        town.admin().procedure(reserve, &bob).await.ok();
        town.admin().procedure(reserve, &bob).await.ok();
        assert!(kind(&ask("bob.pds.test").await).ends_with("#resultUnavailable"));
        let sign_up = json!({ "handle": "bob.pds.test", "email": "bob@mail.test", "password": "bob's" });
        let create = "com.atproto.server.createAccount";
        town.visitor().procedure(create, &sign_up).await.refused(400, "HandleNotAvailable");
        for (params, error) in [
            ([("handle", "bob.example.com"), ("email", "a@mail.test")], "InvalidRequest"),
            ([("handle", "ab.pds.test"), ("email", "a@mail.test")], "InvalidRequest"),
            ([("handle", "carol.pds.test"), ("email", "nobody")], "InvalidEmail"),
        ] {
            town.visitor().query(check, &params).await.refused(400, error);
        }
    }

    /// Handles are given under each of the server's domains.
    async fn a_server_has_several_domains(town) {
        let domains = ".pds.test,.other.test";
        town.restart_with(&[("FREEHOLD_IDENTITY_HANDLE_DOMAINS", domains)]).await;
        let described = town.visitor().query("com.atproto.server.describeServer", &[]).await.ok();
        assert_eq!(described["availableUserDomains"], json!([".pds.test", ".other.test"]));
        let alice = town.owner("alice").await;
        update(&alice, "alice.other.test").await.ok();
        assert_eq!(did_of(&town.visitor(), "alice.other.test").await.ok()["did"], alice.did);
        assert_eq!(well_known(&town.visitor(), "alice.other.test").await.ok_bytes(), alice.did.as_bytes());
        update(&alice, "alice.example.com").await.refused(400, "InvalidRequest");
    }

    /// The domain itself, without a name before it, is the operator's to give.
    async fn the_bare_domain_is_the_operators_to_give(town) {
        let alice = town.owner("alice").await;
        update(&alice, "pds.test").await.refused(400, "InvalidHandle");
        let input = json!({ "did": alice.did, "handle": "pds.test" });
        let admin = town.admin();
        admin.procedure("com.atproto.admin.updateAccountHandle", &input).await.ok_bytes();
        assert_eq!(aliases(town, &alice).await, json!(["at://pds.test"]));
        assert_eq!(did_of(&town.visitor(), "pds.test").await.ok()["did"], alice.did);
        assert_eq!(well_known(&town.visitor(), "pds.test").await.ok_bytes(), alice.did.as_bytes());
    }

    /// Names under the server's domain answer for their accounts.
    async fn hosted_names_answer_at_their_well_known_place(town) {
        let alice = town.owner("alice").await;
        let visitor = town.visitor();
        let answer = well_known(&visitor, "ALICE.pds.test:443").await;
        assert_eq!(answer.ok_bytes(), alice.did.as_bytes());
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        for stranger in ["bob.pds.test", "pds.test", "alice.example.com", "127.0.0.1"] {
            let answer = well_known(&visitor, stranger).await;
            assert_eq!((answer.status.as_u16(), &answer.bytes[..]), (404, &b"User not found"[..]));
        }
        let input = json!({});
        alice.client.procedure("com.atproto.server.deactivateAccount", &input).await.ok();
        assert_eq!(well_known(&visitor, "alice.pds.test").await.status, 404);
        did_of(&visitor, "alice.pds.test").await.refused(400, "HandleNotFound");
    }

    /// A reverse proxy learns for which names certificates are wanted.
    async fn certificates_are_wanted_for_hosted_names(town) {
        town.owner("alice").await;
        let visitor = town.visitor();
        for (query, status) in [
            ("?domain=pds.test", 200),
            ("?domain=alice.pds.test", 200),
            ("?domain=Alice.PDS.test", 200),
            ("?domain=bob.pds.test", 404),
            ("?domain=example.com", 400),
            ("?domain=", 400),
            ("", 400),
        ] {
            let answer = visitor.get(&format!("/tls-check{query}")).await;
            assert_eq!(answer.status.as_u16(), status, "{query}");
        }
    }

    /// The server introduces itself to people and to programs.
    async fn the_server_introduces_itself(town) {
        let visitor = town.visitor();
        let home = visitor.get("/").await;
        assert!(home.header("content-type").starts_with("text/html"));
        assert!(home.header("content-security-policy").starts_with("default-src 'none'"));
        let page = String::from_utf8_lossy(home.ok_bytes()).into_owned();
        assert!(page.contains("<h1>pds.test</h1>"), "{page}");
        let robots = visitor.get("/robots.txt").await;
        assert!(robots.ok_bytes().ends_with(b"User-agent: *\nAllow: /\n"));
        let health = visitor.get("/xrpc/_health").await.ok();
        assert!(health["version"].is_string());
        let request = visitor.request(Method::GET, "/.well-known/did.json");
        let document = visitor.send("did.json", request.header("host", "pds.test")).await.ok();
        assert_eq!(document["id"], "did:web:pds.test");
        assert_eq!(document["service"][0]["serviceEndpoint"], "https://pds.test");
        assert_eq!(visitor.get("/.well-known/did.json").await.status, 404);
    }
}

async fn did_of(client: &Client, handle: &str) -> Answer {
    client.query(RESOLVE_HANDLE, &[("handle", handle)]).await
}

async fn update(owner: &Owner, handle: &str) -> Answer {
    owner.client.procedure(UPDATE_HANDLE, &json!({ "handle": handle })).await
}

async fn well_known(client: &Client, host: &str) -> Answer {
    let path = "/.well-known/atproto-did";
    client.send(path, client.request(Method::GET, path).header("host", host)).await
}

/// Asks the directory for what it says of somebody.
async fn in_directory(town: &Town, path: &str) -> Value {
    Client::new(town.directory().address()).get(path).await.ok()
}

async fn aliases(town: &Town, owner: &Owner) -> Value {
    in_directory(town, &format!("/{}/data", owner.did)).await["alsoKnownAs"].clone()
}

/// Signs somebody up who adds a rotation key of their own.
async fn newcomer(town: &Town, name: &str, own: &SigningKey) -> Owner {
    let input = json!({
        "handle": format!("{name}.pds.test"),
        "email": format!("{name}@mail.test"),
        "password": "a password",
        "recoveryKey": own.public().did_key().as_str(),
    });
    let session = town.visitor().procedure("com.atproto.server.createAccount", &input).await.ok();
    let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
    Owner {
        did: text("did"),
        handle: text("handle"),
        password: "a password".to_owned(),
        client: town.visitor().with_token(&text("accessJwt")),
        refresh_jwt: text("refreshJwt"),
    }
}

/// Makes `own` the only rotation key, and changes the handle in the directory.
async fn take_over(town: &Town, owner: &Owner, own: &SigningKey, handle: &str) {
    let last = in_directory(town, &format!("/{}/log/last", owner.did)).await;
    let last = Operation::from_json(last).expect("an operation");
    let mut state = last.state().expect("no tombstone").clone();
    state.rotation_keys = vec![own.public().did_key()];
    let state = state.with_handle(&handle.parse().expect("a handle"));
    let next = Unsigned::Operation { state, prev: Some(last.cid()) };
    let next = next.sign(own).expect("within the limits").to_json();
    let book = Client::new(town.directory().address());
    let path = format!("/{}", owner.did);
    let request = book.request(Method::POST, &path).header("content-type", "application/json");
    book.send(&path, request.body(next.to_string())).await.ok_bytes();
}

/// Returns the DID and handle of the last identity event.
async fn last_handle_event(town: &Town) -> (String, String) {
    let db = &town.server().services().store.db;
    let events = events::range(db, 0, 1_000).await.expect("a log");
    let told = events.iter().rev().find_map(|event| match Message::decode(&event.bytes) {
        Ok(Message::Identity(_, event)) => Some(event),
        _ => None,
    });
    let told = told.expect("an identity event");
    let handle = told.handle.expect("a handle");
    (told.did.as_str().to_owned(), handle.as_str().to_owned())
}
