//! Scopes over the wire: every method against every kind of scope.

use std::collections::BTreeSet;

use freehold::http::row::Kind;
use freehold::http::table::TABLE;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::app::App;
use crate::harness::{Answer, Granted, Town};

/// What opens a method: the scopes beside `atproto`, one letter each.
///
/// `*` any token; `g` transition:generic; `c` it with transition:chat.bsky; `e`
/// transition:email; `w` repo:\*; `r` rpc for the AppView; `b` blob:\*/\*; `m`
/// account:email?action=manage; `p` account:repo?action=manage; `h`
/// identity:handle; `i` identity:\*. Without a letter it is not for apps.
const MATRIX: [(&str, &str); 36] = [
    ("app.bsky.actor.getPreferences", "gcr"),
    ("app.bsky.actor.putPreferences", "gcr"),
    ("com.atproto.identity.getRecommendedDidCredentials", "*"),
    ("com.atproto.identity.requestPlcOperationSignature", "i"),
    ("com.atproto.identity.signPlcOperation", "i"),
    ("com.atproto.identity.submitPlcOperation", "i"),
    ("com.atproto.identity.updateHandle", "hi"),
    ("com.atproto.repo.applyWrites", "gcw"),
    ("com.atproto.repo.createRecord", "gcw"),
    ("com.atproto.repo.deleteRecord", "gcw"),
    ("com.atproto.repo.importRepo", "p"),
    ("com.atproto.repo.listMissingBlobs", "*"),
    ("com.atproto.repo.putRecord", "gcw"),
    ("com.atproto.repo.uploadBlob", "gcb"),
    ("com.atproto.server.activateAccount", ""),
    ("com.atproto.server.checkAccountStatus", "*"),
    ("com.atproto.server.confirmEmail", "m"),
    ("com.atproto.server.createAppPassword", ""),
    ("com.atproto.server.deactivateAccount", ""),
    ("com.atproto.server.getAccountInviteCodes", ""),
    ("com.atproto.server.getServiceAuth", "gcr"),
    ("com.atproto.server.getSession", "*"),
    ("com.atproto.server.listAppPasswords", ""),
    ("com.atproto.server.requestAccountDelete", ""),
    ("com.atproto.server.requestEmailConfirmation", "m"),
    ("com.atproto.server.requestEmailUpdate", "m"),
    ("com.atproto.server.revokeAppPassword", ""),
    ("com.atproto.server.updateEmail", "m"),
    ("com.atproto.sync.getBlob", "*"),
    ("com.atproto.sync.getBlocks", "*"),
    ("com.atproto.sync.getHead", "*"),
    ("com.atproto.sync.getCheckout", "*"),
    ("com.atproto.sync.getLatestCommit", "*"),
    ("com.atproto.sync.getRecord", "*"),
    ("com.atproto.sync.getRepo", "*"),
    ("com.atproto.sync.listBlobs", "*"),
];

/// Methods whose access is a session's own business.
const ALSO_ANY: [&str; 1] = ["com.atproto.temp.checkSignupQueue"];

const SCOPES: [(char, &str); 11] = [
    ('-', ""),
    ('g', "transition:generic"),
    ('c', "transition:generic transition:chat.bsky"),
    ('e', "transition:email"),
    ('w', "repo:*"),
    ('r', "rpc:*?aud=did:web:view.test%23bsky_appview"),
    ('b', "blob:*/*"),
    ('m', "account:email?action=manage"),
    ('p', "account:repo?action=manage"),
    ('h', "identity:handle"),
    ('i', "identity:*"),
];

async fn call(app: &App, granted: &Granted, nsid: &str) -> Answer {
    let typed = nsid.parse().expect("an NSID");
    let row = TABLE.find(&typed).expect("a method of the table");
    let record = json!({ "$type": "com.example.thing" });
    let place = json!({ "repo": granted.did, "collection": "com.example.thing", "rkey": "self" });
    let with_record = |mut input: Value| {
        input["record"] = record.clone();
        input
    };
    let input = match nsid {
        "com.atproto.repo.createRecord" | "com.atproto.repo.putRecord" => with_record(place),
        "com.atproto.repo.deleteRecord" => place,
        "com.atproto.repo.applyWrites" => json!({ "repo": granted.did, "writes": [{
            "$type": "com.atproto.repo.applyWrites#create", "collection": "com.example.thing", "value": record,
        }] }),
        "app.bsky.actor.putPreferences" => json!({ "preferences": [] }),
        _ => json!({}),
    };
    match (row.kind, row.input) {
        (Kind::Procedure, Some(body)) if &*body.encoding != "application/json" => {
            let bytes = |request: reqwest::RequestBuilder| {
                request.header("content-type", "application/vnd.ipld.car").body("bytes")
            };
            app.call(&granted.access, nsid, bytes, Method::POST).await
        }
        (Kind::Procedure, Some(_)) => app.procedure(&granted.access, nsid, &input).await,
        (Kind::Procedure, None) => {
            app.call(&granted.access, nsid, |request| request, Method::POST).await
        }
        (Kind::Query | Kind::Subscription, _) => {
            let params = [
                ("aud", "did:web:view.test#bsky_appview"),
                ("lxm", "app.bsky.feed.getTimeline"),
                ("did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"),
                ("cid", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
                ("cids", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
                ("collection", "app.bsky.feed.post"),
                ("rkey", "self"),
            ];
            app.query(&granted.access, nsid, &params).await
        }
    }
}

/// Whether the scopes were in the way.
fn opened(answer: &Answer) -> bool {
    let refusals = ["ScopeMissingError", "Forbidden", "InvalidToken", "invalid_token"];
    let error = || answer.json()["error"].as_str().unwrap_or_default().to_owned();
    answer.status.is_success() || !refusals.contains(&&*error())
}

async fn with_appview(town: &mut Town) {
    let settings = [
        ("FREEHOLD_SERVICES_APPVIEW_URL", "https://view.test"),
        ("FREEHOLD_SERVICES_APPVIEW_DID", "did:web:view.test"),
    ];
    town.restart_with(&settings).await;
}

on_both_engines! {
    /// Each method is opened by the scopes that the matrix names, and by no other.
    async fn the_matrix_holds_for_every_method(town) {
        with_appview(town).await;
        let all: Vec<&str> = SCOPES.iter().flat_map(|(_, scopes)| scopes.split(' ')).collect();
        let all: BTreeSet<&str> = all.into_iter().filter(|scope| !scope.is_empty()).collect();
        let declared = format!("atproto {}", all.into_iter().collect::<Vec<_>>().join(" "));
        let app = town.public_app("app.example.com", &declared);
        for (letter, scopes) in SCOPES {
            let letter_name = if letter == '-' { '0' } else { letter };
            let name = format!("person-{letter_name}");
            let person = town.owner(&name).await;
            let scope = format!("atproto {scopes}");
            let granted = town.browser().grant(&app, &person, scope.trim_end()).await;
            for (nsid, letters) in MATRIX {
                let answer = call(&app, &granted, nsid).await;
                let expected = letters.contains(['*', letter]);
                assert_eq!(opened(&answer), expected, "{letter} {nsid}: {answer:?}");
                if !expected {
                    let error = if letters.is_empty() { "Forbidden" } else { "ScopeMissingError" };
                    answer.refused(403, error);
                }
            }
        }
    }

    /// A record, a blob, a service: what exactly is allowed is asked for each.
    async fn what_exactly_is_allowed_is_asked(town) {
        let alice = town.owner("alice").await;
        let scope = "atproto repo:com.example.a?action=create repo:com.example.b blob:image/png \
                     rpc:com.example.get?aud=did:web:api.test%23svc account:email";
        let app = town.public_app("app.example.com", scope);
        let granted = town.browser().grant(&app, &alice, scope).await;
        let write = async |method: &str, collection: &str, rkey: &str| {
            let input = json!({
                "repo": alice.did, "collection": collection, "rkey": rkey,
                "record": { "$type": collection },
            });
            app.procedure(&granted.access, &format!("com.atproto.repo.{method}"), &input).await
        };
        write("createRecord", "com.example.a", "one").await.ok();
        write("createRecord", "com.example.b", "one").await.ok();
        write("createRecord", "com.example.c", "one").await.refused(403, "ScopeMissingError");
        // Who puts may make or change: both must be allowed.
        write("putRecord", "com.example.a", "two").await.refused(403, "ScopeMissingError");
        write("putRecord", "com.example.b", "two").await.ok();
        let delete = async |collection: &str| {
            let input = json!({ "repo": alice.did, "collection": collection, "rkey": "one" });
            app.procedure(&granted.access, "com.atproto.repo.deleteRecord", &input).await
        };
        delete("com.example.a").await.refused(403, "ScopeMissingError");
        delete("com.example.b").await.ok();
        let upload = async |bytes: &'static [u8], kind: &'static str| {
            let send = |request: reqwest::RequestBuilder| request.header("content-type", kind).body(bytes);
            app.call(&granted.access, "com.atproto.repo.uploadBlob", send, Method::POST).await
        };
        upload(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png").await.ok();
        upload(b"plain", "text/plain").await.refused(403, "ScopeMissingError");
        // What the bytes are counts, not what is said of them.
        upload(b"\xff\xd8\xff\xe0\0\x10JFIF", "image/png").await.refused(403, "ScopeMissingError");
        let token = async |method: &str, audience: &str| {
            let params = [("lxm", method), ("aud", audience)];
            app.query(&granted.access, "com.atproto.server.getServiceAuth", &params).await
        };
        token("com.example.get", "did:web:api.test#svc").await.ok();
        token("com.example.put", "did:web:api.test#svc").await.refused(403, "ScopeMissingError");
        token("com.example.get", "did:web:api.test#other").await.refused(403, "ScopeMissingError");
        let session = app.query(&granted.access, "com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["email"], "alice@mail.test");
        let bare = town.browser().grant(&app, &alice, "atproto").await;
        let session = app.query(&bare.access, "com.atproto.server.getSession", &[]).await.ok();
        assert_eq!((&session["handle"], &session["email"]), (&json!("alice.pds.test"), &Value::Null));
    }

    /// A call that is passed on needs the scope for its service.
    async fn a_call_that_is_passed_on_needs_its_scope(town) {
        let service = crate::harness::service::Service::new(town, "view.test").await;
        service.answers(404, &[("content-type", "application/json")], r#"{"error":"NotFound","message":"x"}"#);
        with_appview(town).await;
        let alice = town.owner("alice").await;
        let timeline = "rpc:app.bsky.feed.getTimeline?aud=did:web:view.test%23bsky_appview";
        let scope = format!("atproto {timeline} transition:generic transition:chat.bsky");
        let app = town.public_app("app.example.com", &scope);
        let narrow = town.browser().grant(&app, &alice, &format!("atproto {timeline}")).await;
        app.query(&narrow.access, "app.bsky.feed.getTimeline", &[]).await;
        assert_eq!(service.asked().len(), 1);
        let other = app.query(&narrow.access, "app.bsky.graph.getFollows", &[("actor", "x")]).await;
        other.refused(403, "ScopeMissingError");
        let wide = town.browser().grant(&app, &alice, "atproto transition:generic").await;
        app.query(&wide.access, "app.bsky.graph.getMutes", &[]).await;
        app.query(&wide.access, "chat.bsky.convo.getLog", &[]).await.refused(403, "ScopeMissingError");
        let chat = town.browser().grant(&app, &alice, "atproto transition:generic transition:chat.bsky").await;
        app.query(&chat.access, "chat.bsky.convo.getLog", &[]).await;
        assert_eq!(service.asked().len(), 3);
    }
}

#[test]
fn the_matrix_names_every_method_that_asks_for_a_session() {
    let asks = TABLE.rows().filter(|row| row.access.rule().is_some());
    let asks: BTreeSet<&str> = asks.map(|row| row.nsid.as_str()).collect();
    assert_eq!(asks, MATRIX.iter().map(|(nsid, _)| *nsid).chain(ALSO_ANY).collect());
}
