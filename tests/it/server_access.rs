//! The access matrix over the wire: every method against every credential.

use std::collections::BTreeSet;

use freehold::atproto::syntax::Did;
use freehold::http::row::Kind;
use freehold::http::table::TABLE;
use freehold::service::grants::{Access, Grant};
use freehold::service::sessions::tokens::{ACCESS, AccessToken, Tokens};
use freehold::store::{Batch, accounts};
use serde_json::json;

use crate::harness::{Answer, Body, Client, Town};

/// Which sessions open a method: of the owner's password (`O`), of a privileged
/// app password (`P`), of an app password (`A`), of somebody taken down (`T`),
/// of somebody in the queue (`Q`). Then, in which states of the account beside
/// active the owner's is served: deactivated (`D`), suspended (`S`), taken down
/// (`T`).
const MATRIX: [(&str, &str, &str); 39] = [
    ("app.bsky.actor.getPreferences", "OPA", "D"),
    ("app.bsky.actor.putPreferences", "OPA", "D"),
    ("com.atproto.identity.getRecommendedDidCredentials", "OPA", "DST"),
    ("com.atproto.identity.requestPlcOperationSignature", "O", "D"),
    ("com.atproto.identity.signPlcOperation", "O", "D"),
    ("com.atproto.identity.submitPlcOperation", "OPA", "D"),
    ("com.atproto.identity.updateHandle", "OPA", "D"),
    ("com.atproto.repo.applyWrites", "OPA", ""),
    ("com.atproto.repo.createRecord", "OPA", ""),
    ("com.atproto.repo.deleteRecord", "OPA", ""),
    ("com.atproto.repo.importRepo", "O", "D"),
    ("com.atproto.repo.listMissingBlobs", "OPA", "DST"),
    ("com.atproto.repo.putRecord", "OPA", ""),
    ("com.atproto.repo.uploadBlob", "OPA", "D"),
    ("com.atproto.server.activateAccount", "O", "D"),
    ("com.atproto.server.checkAccountStatus", "OPA", "DST"),
    ("com.atproto.server.confirmEmail", "OPA", "D"),
    ("com.atproto.server.createAppPassword", "O", "D"),
    ("com.atproto.server.deactivateAccount", "O", "D"),
    ("com.atproto.server.getAccountInviteCodes", "O", "D"),
    ("com.atproto.server.getServiceAuth", "OPAT", "DST"),
    ("com.atproto.server.getSession", "OPAQ", "DST"),
    ("com.atproto.server.listAppPasswords", "OPA", "D"),
    ("com.atproto.server.requestAccountDelete", "O", "D"),
    ("com.atproto.server.requestEmailConfirmation", "OPA", "D"),
    ("com.atproto.server.requestEmailUpdate", "O", "D"),
    ("com.atproto.server.revokeAppPassword", "OPA", "D"),
    ("com.atproto.server.updateEmail", "O", "D"),
    ("com.atproto.sync.getBlob", "OPATQ", "DST"),
    ("com.atproto.sync.getBlocks", "OPATQ", "DST"),
    ("com.atproto.sync.getCheckout", "OPATQ", "DST"),
    ("com.atproto.sync.getHead", "OPATQ", "DST"),
    ("com.atproto.sync.getLatestCommit", "OPATQ", "DST"),
    ("com.atproto.sync.getRecord", "OPATQ", "DST"),
    ("com.atproto.sync.getRepo", "OPATQ", "DST"),
    ("com.atproto.sync.listBlobs", "OPATQ", "DST"),
    ("com.atproto.temp.checkSignupQueue", "OPAQ", "DST"),
    // Only a service token or nobody signs up, only a refresh token goes on.
    ("com.atproto.server.createAccount", "", ""),
    ("com.atproto.server.refreshSession", "", ""),
];

/// The sessions of the matrix.
const SESSIONS: [(char, Grant); 5] = [
    ('O', Grant::Full),
    ('P', Grant::PrivilegedAppPassword),
    ('A', Grant::AppPassword),
    ('T', Grant::Takendown),
    ('Q', Grant::SignupQueued),
];

/// Parameters that the methods of the matrix cannot do without.
const PARAMS: [(&str, &str); 7] = [
    ("aud", "did:web:api.test"),
    ("lxm", "com.atproto.server.createAccount"),
    ("did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"),
    ("cid", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
    ("cids", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
    ("collection", "app.bsky.feed.post"),
    ("rkey", "self"),
];

async fn call(client: &Client, nsid: &str) -> Answer {
    let typed = nsid.parse().expect("an NSID");
    let row = TABLE.find(&typed).expect("a method of the table");
    match (row.kind, row.input) {
        (Kind::Procedure, Some(_)) => client.procedure(nsid, &json!({})).await,
        (Kind::Procedure, None) => client.call(nsid, Body::None).await,
        (Kind::Query | Kind::Subscription, _) => client.query(nsid, &PARAMS).await,
    }
}

/// Whether the credential itself was refused, whatever else was wrong.
fn opened(answer: &Answer) -> bool {
    let refusals = ["AuthMissing", "InvalidToken", "BadJwt", "BadJwtType"];
    answer.status.is_success()
        || !refusals.contains(&answer.json()["error"].as_str().unwrap_or_default())
}

fn token(town: &Town, did: &str, grant: Grant) -> Client {
    let secret = std::fs::read_to_string(town.folder().join("secrets/jwt_secret"));
    let secret = secret.expect("the server keeps its secret there");
    let audience = Did::new("did:web:pds.test".to_owned()).expect("a DID");
    let tokens = Tokens::new(secret.trim_end().as_bytes(), audience);
    let token = AccessToken { did: Did::new(did.to_owned()).expect("a DID"), grant };
    let now = town.world.clock.now();
    town.visitor().with_token(&tokens.access(&token, (now, now.plus(ACCESS))).expect("signs"))
}

/// Puts an account into a state.
async fn stand(town: &Town, did: &str, state: char) {
    let store = &town.server().services().store;
    let did = Did::new(did.to_owned()).expect("a DID");
    let id = accounts::find_by_did(&store.db, &did).await.expect("reads").expect("is there").id;
    let now = town.world.clock.now();
    let mut batch = Batch::new();
    accounts::activate(&mut batch, id);
    match state {
        'D' => accounts::deactivate(&mut batch, id, now, None),
        'S' => accounts::set_suspended(&mut batch, id, Some(now)),
        'T' => accounts::take_down(&mut batch, id, now, "case 1"),
        _ => {}
    }
    store.db.run(batch).await.expect("the batch runs");
}

on_both_engines! {
    /// Each method is opened by the sessions that the matrix names, and by no other.
    async fn the_matrix_holds_for_every_method(town) {
        for (letter, grant) in SESSIONS {
            let person = town.owner(&format!("person-{}", letter.to_ascii_lowercase())).await;
            let client = token(town, &person.did, grant);
            for (nsid, letters, _) in MATRIX {
                let answer = call(&client, nsid).await;
                assert_eq!(opened(&answer), letters.contains(letter), "{letter} {nsid}: {answer:?}");
            }
        }
    }

    /// In each state of the account, with each credential, a method is served as
    /// the matrix says; where it is the state that is in the way, the answer
    /// says which.
    async fn the_matrix_holds_in_every_state(town) {
        for (state, name) in [('D', "AccountDeactivated"), ('S', "AccountSuspended"), ('T', "AccountTakedown")] {
            let person = town.owner(&format!("person-{}", state.to_ascii_lowercase())).await;
            for (letter, grant) in SESSIONS {
                let client = token(town, &person.did, grant);
                for (nsid, letters, states) in MATRIX.iter().filter(|(_, letters, _)| letters.contains(letter)) {
                    // Some of them change the state.
                    stand(town, &person.did, state).await;
                    let answer = call(&client, nsid).await;
                    let refused = !answer.status.is_success() && answer.json()["error"] == name;
                    assert_eq!(!refused, states.contains(state), "{state} {letter} {nsid}: {answer:?}");
                    assert!(opened(&answer), "{state} {letter} {nsid}: {letters}");
                    if refused {
                        assert_eq!(answer.status.as_u16(), 401, "{nsid}");
                    }
                }
            }
        }
    }

    /// A method that asks who calls says so to nobody; a public one answers.
    async fn nobody_is_told_to_log_in(town) {
        for row in TABLE.rows().filter(|row| row.kind != Kind::Subscription) {
            let answer = call(&town.visitor(), row.nsid.as_str()).await;
            let asks = !matches!(row.access, Access::Anyone | Access::AnyoneOrOwner | Access::SignUp);
            let missing = !answer.status.is_success() && answer.json()["error"] == "AuthMissing";
            assert_eq!(missing, asks, "{}: {answer:?}", row.nsid.as_str());
            if asks {
                assert_eq!(answer.status.as_u16(), 401);
            }
        }
    }

    /// Whatever depends on who asks is kept out of shared caches.
    async fn answers_to_somebody_are_private(town) {
        for row in TABLE.rows().filter(|row| row.kind != Kind::Subscription) {
            let answer = call(&town.visitor(), row.nsid.as_str()).await;
            let private = answer.header("cache-control").contains("private");
            let depends = row.access != Access::Anyone;
            assert_eq!(private, depends, "{}", row.nsid.as_str());
            assert_eq!(answer.header("vary").contains("Authorization"), depends, "{}", row.nsid.as_str());
        }
    }

    /// How the account stands decides too: resting, it does what moving needs;
    /// taken down, almost nothing.
    async fn the_standing_of_an_account_closes_methods(town) {
        let alice = town.owner("alice").await;
        let error = async |nsid: &str| {
            let answer = call(&alice.client, nsid).await;
            let error = if answer.status.is_success() { json!(null) } else { answer.json()["error"].clone() };
            error.as_str().unwrap_or("none").to_owned()
        };
        alice.client.procedure("com.atproto.server.deactivateAccount", &json!({})).await.ok();
        assert_eq!(error("com.atproto.repo.createRecord").await, "AccountDeactivated");
        for nsid in [
            "app.bsky.actor.getPreferences",
            "com.atproto.repo.listMissingBlobs",
            "com.atproto.repo.uploadBlob",
            "com.atproto.server.checkAccountStatus",
            "com.atproto.server.getServiceAuth",
            "com.atproto.server.getSession",
        ] {
            assert_ne!(error(nsid).await, "AccountDeactivated", "{nsid}");
        }
        let store = &town.server().services().store.db;
        let did = Did::new(alice.did.clone()).expect("a DID");
        let id = accounts::find_by_did(store, &did).await.expect("reads").expect("is there").id;
        let mut batch = Batch::new();
        accounts::take_down(&mut batch, id, town.world.clock.now(), "case 1");
        store.run(batch).await.expect("the batch runs");
        for nsid in [
            "app.bsky.actor.getPreferences",
            "com.atproto.repo.createRecord",
            "com.atproto.repo.uploadBlob",
            "com.atproto.server.activateAccount",
            "com.atproto.server.createAppPassword",
        ] {
            assert_eq!(error(nsid).await, "AccountTakedown", "{nsid}");
        }
        assert_eq!(error("com.atproto.server.getServiceAuth").await, "none");
    }
}

#[test]
fn the_matrix_names_every_method_that_asks_for_a_session() {
    let asks = TABLE.rows().filter(|row| row.access.rule().is_some());
    let asks: BTreeSet<&str> = asks.map(|row| row.nsid.as_str()).collect();
    let named =
        MATRIX.iter().filter(|(_, letters, _)| !letters.is_empty()).map(|(nsid, _, _)| *nsid);
    assert_eq!(asks, named.collect());
}
