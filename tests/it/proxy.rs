//! Methods that other services answer, and what of a call reaches them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::service::{Service, describe, verified};
use crate::harness::{Body, Client, Owner, Town};

const TIMELINE: &str = "app.bsky.feed.getTimeline";
const CHAT: &str = "chat.bsky.convo.listConvos";
const REPORT: &str = "com.atproto.moderation.createReport";
/// A method that no lexicon of ours defines.
const UNHEARD_OF: &str = "com.example.unheardOf";

const APPVIEW: &str = "did:web:appview.test";
const LABELER: &str = "did:web:labeler.test";

on_both_engines! {
    /// An unknown method goes to the AppView with a token of the account, and
    /// nothing else that the client sent gets through.
    async fn a_call_goes_to_the_appview_and_nothing_leaks(town) {
        let appview = Service::new(town, "api.appview.test").await;
        appview.answers(200, &[("content-type", "application/json"), ("atproto-repo-rev", "3abc"),
            ("atproto-content-labelers", "did:web:l.test"), ("content-language", "en"),
            ("set-cookie", "a=b"), ("x-internal", "secret"), ("server", "Oracle")], r#"{"x":1}"#);
        with_services(town).await;
        let alice = town.owner("alice").await;
        let path = format!("/xrpc/{UNHEARD_OF}?b=2&a=%20x&a=1+1&empty=");
        let request = alice.client.request(Method::GET, &path)
            .header("accept-language", "de, en;q=0.5")
            .header("atproto-accept-labelers", "did:web:l.test;redact")
            .header("x-bsky-topics", "cats")
            .header("accept-encoding", "br;q=0.9")
            .header("cookie", "session=1")
            .header("dpop", "proof")
            .header("x-forwarded-for", "198.51.100.1")
            .header("user-agent", "A client")
            .header("origin", "https://app.example")
            .header("referer", "https://app.example/x")
            .header("if-none-match", "\"1\"")
            .header("range", "bytes=0-1");
        let answer = alice.client.send(UNHEARD_OF, request).await;

        let heard = appview.heard();
        assert_eq!((heard.method.as_str(), heard.target.as_str()), ("GET", path.as_str()));
        assert_eq!(heard.names(), ["accept", "accept-encoding", "accept-language",
            "atproto-accept-labelers", "authorization", "host", "x-bsky-topics"]);
        assert_eq!(heard.header("accept"), "*/*");
        assert_eq!(heard.header("accept-encoding"), "br;q=0.9");
        assert_eq!(heard.header("host"), "api.appview.test");
        let claims = verified(town, &alice, &heard).await;
        let now = town.world.clock.now().unix_secs();
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (alice.did.as_str(), APPVIEW));
        assert_eq!((claims.iat, claims.exp), (Some(now), now + 60));
        assert_eq!(claims.lxm.as_deref(), Some(UNHEARD_OF));
        assert_eq!(claims.jti.map(|jti| jti.len()), Some(32));

        assert_eq!(answer.ok(), json!({ "x": 1 }));
        for (name, value) in [("atproto-repo-rev", "3abc"), ("atproto-content-labelers", "did:web:l.test"),
            ("content-language", "en"), ("content-type", "application/json"),
            ("set-cookie", ""), ("x-internal", ""), ("server", "")] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }

    /// A record that is not of this server the AppView may know; it learns nothing
    /// of who asks.
    async fn a_strangers_record_comes_from_the_appview(town) {
        let appview = Service::new(town, "api.appview.test").await;
        let record = r#"{"uri":"at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/x","value":{}}"#;
        appview.answers(200, &[("content-type", "application/json")], record);
        with_services(town).await;
        let params = [
            ("repo", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"),
            ("collection", "app.bsky.feed.post"),
            ("rkey", "x"),
        ];
        let alice = town.owner("alice").await;
        for client in [town.visitor(), alice.client] {
            let answer = client.query("com.atproto.repo.getRecord", &params).await;
            assert_eq!(answer.ok()["value"], json!({}));
            assert_eq!(appview.heard().header("authorization"), "");
        }
    }

    /// Without encodings of its own, a client gets what it can read.
    async fn a_client_without_encodings_gets_the_identity(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        alice.client.query(UNHEARD_OF, &[]).await.ok();
        let heard = appview.heard();
        assert_eq!(heard.names(), ["accept", "accept-encoding", "authorization", "host"]);
        assert_eq!(heard.header("accept-encoding"), "identity");
    }

    /// A body streams through with the headers that belong to it.
    async fn a_body_is_passed_on_as_it_is(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        let bytes = vec![7; 300_000];
        alice.client.call(UNHEARD_OF, Body::Bytes("image/x-odd", bytes.clone())).await.ok();
        let heard = appview.heard();
        assert_eq!(heard.names(), ["accept", "accept-encoding", "authorization", "content-length",
            "content-type", "host"]);
        assert_eq!(heard.header("content-length"), "300000");
        assert_eq!(heard.header("content-type"), "image/x-odd");
        assert_eq!(heard.body, bytes);
        let pieces = futures_util::stream::iter(["ab", "cd"].map(Ok::<_, std::io::Error>));
        let request = alice.client.request(Method::POST, &format!("/xrpc/{UNHEARD_OF}"))
            .header("content-encoding", "x-own").body(reqwest::Body::wrap_stream(pieces));
        alice.client.send(UNHEARD_OF, request).await.ok();
        let heard = appview.heard();
        assert_eq!(heard.names(), ["accept", "accept-encoding", "authorization", "content-encoding",
            "host", "transfer-encoding"]);
        assert_eq!(heard.body, "abcd");
    }

    /// HEAD is passed on as HEAD; other verbs are not.
    async fn only_get_head_and_post_are_passed_on(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        let path = format!("/xrpc/{UNHEARD_OF}");
        let head = alice.client.send("head", alice.client.request(Method::HEAD, &path)).await;
        assert_eq!((head.status.as_u16(), head.bytes.len()), (200, 0));
        assert_eq!(appview.heard().method, "HEAD");
        for verb in [Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = alice.client.send("verb", alice.client.request(verb, &path)).await;
            answer.refused(400, "InvalidRequest");
        }
    }

    /// Nobody is passed on who is nobody.
    async fn a_call_needs_an_active_account(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        town.visitor().query(UNHEARD_OF, &[]).await.refused(401, "AuthMissing");
        let alice = town.owner("alice").await;
        alice.client.procedure("com.atproto.server.deactivateAccount", &json!({})).await.ok();
        alice.client.query(UNHEARD_OF, &[]).await.refused(401, "AccountDeactivated");
        assert!(appview.heard_nothing());
    }

    /// Methods about the account itself are not passed on, in any spelling.
    async fn protected_methods_are_not_passed_on(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        for method in ["com.atproto.server.GETSESSION", "com.atproto.server.getsession",
            "com.atproto.identity.updatehandle", "com.atproto.server.Createapppassword"] {
            let answer = alice.client.query(method, &[]).await;
            assert_eq!(answer.refused(400, "InvalidToken"), "Bad token method", "{method}");
        }
        assert!(appview.heard_nothing());
    }

    /// Direct messages are for the account's password and for app passwords
    /// that were given that power.
    async fn chats_need_a_privileged_password(town) {
        let chat = Service::new(town, "chat.test").await;
        chat.describe(town, "did:web:chat.test", "bsky_chat");
        with_services(town).await;
        let alice = town.owner("alice").await;
        let to_chat = |client: &Client| client.with_header("atproto-proxy", "did:web:chat.test#bsky_chat");
        let plain = app_password(&alice, town, json!({ "name": "plain" })).await;
        let privileged = json!({ "name": "chatty", "privileged": true });
        let privileged = app_password(&alice, town, privileged).await;
        for method in [CHAT, "chat.bsky.convo.LISTCONVOS"] {
            to_chat(&plain).query(method, &[]).await.refused(400, "InvalidToken");
        }
        assert!(chat.heard_nothing());
        chat.answers(200, &[("content-type", "application/json")], r#"{"convos":[]}"#);
        to_chat(&privileged).query(CHAT, &[]).await.ok();
        to_chat(&alice.client).query(CHAT, &[]).await.ok();
        assert_eq!(verified(town, &alice, &chat.heard()).await.aud, "did:web:chat.test");
    }

    /// The header names a service, found by its DID document.
    async fn the_header_names_the_service(town) {
        let appview = Service::new(town, "api.appview.test").await;
        let feed = Service::new(town, "feed.test").await;
        feed.describe(town, "did:web:feed.test", "bsky_fg");
        with_services(town).await;
        let alice = town.owner("alice").await;
        let to = async |target: &str| {
            alice.client.with_header("atproto-proxy", target).query(UNHEARD_OF, &[]).await
        };
        to("did:web:feed.test#bsky_fg").await.ok();
        assert_eq!(verified(town, &alice, &feed.heard()).await.aud, "did:web:feed.test");
        // The AppView that the operator named needs no document.
        to("did:web:appview.test#bsky_appview").await.ok();
        assert_eq!(verified(town, &alice, &appview.heard()).await.aud, APPVIEW);
        for (target, message) in [
            ("#bsky_fg", "no did specified in proxy header"),
            ("did:web:feed.test", "no service id specified in proxy header"),
            ("did:web:feed.test#", "no service id specified in proxy header"),
            ("did:web:feed.test#a#b", "invalid proxy header format"),
            ("did:web:feed.test#a b", "proxy header cannot contain spaces"),
            ("nonsense#bsky_fg", "could not resolve proxy did"),
            ("did:web:nowhere.test#bsky_fg", "could not resolve proxy did"),
            ("did:web:feed.test#other", "could not resolve proxy did service url"),
        ] {
            assert_eq!(to(target).await.refused(400, "InvalidRequest"), message, "{target}");
        }
        assert!(feed.heard_nothing() && appview.heard_nothing());
    }

    /// A DID document cannot lead a call into the operator's own network.
    async fn a_call_is_not_led_inside(town) {
        let alice = town.owner("alice").await;
        for (name, endpoint, message) in [
            ("a", "http://feed.test", "Upstream service unreachable"),
            ("b", "https://127.0.0.1:8443", "Upstream service unreachable"),
            ("c", "https://[::1]", "Upstream service unreachable"),
            ("d", "https://user:pass@feed.test", "Upstream service unreachable"),
            ("e", "file:///etc/passwd", "could not resolve proxy did service url"),
            ("f", "feed.test", "could not resolve proxy did service url"),
        ] {
            let did = format!("did:web:{name}.evil.test");
            describe(town, &did, "x", endpoint);
            let target = format!("{did}#x");
            let answer = alice.client.with_header("atproto-proxy", &target).query(UNHEARD_OF, &[]).await;
            assert_eq!(answer.json()["message"], message, "{endpoint}");
            let status = if message.starts_with("Upstream") { 502 } else { 400 };
            assert_eq!(answer.status.as_u16(), status, "{endpoint}");
        }
    }

    /// Moderators' methods and reports have services of their own.
    async fn reports_and_moderation_go_to_their_services(town) {
        let labeler = Service::new(town, "labeler.test").await;
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        alice.client.query("tools.ozone.moderation.getEvent", &[("id", "1")]).await
            .refused(400, "InvalidRequest");
        town.restart_with(&[
            ("FREEHOLD_SERVICES_MODERATION_URL", "https://labeler.test"),
            ("FREEHOLD_SERVICES_MODERATION_DID", LABELER),
        ]).await;
        let client = alice.at(town);
        labeler.answers(400, &[], "");
        client.query("tools.ozone.moderation.getEvent", &[("id", "1")]).await.refused(400, "InvalidRequest");
        assert_eq!(verified(town, &alice, &labeler.heard()).await.aud, LABELER);
        let report = json!({ "reasonType": "spam" });
        client.procedure(REPORT, &report).await.refused(400, "InvalidRequest");
        let heard = labeler.heard();
        assert_eq!(serde_json::from_slice::<Value>(&heard.body).expect("JSON"), report);
        assert_eq!(verified(town, &alice, &heard).await.lxm.as_deref(), Some(REPORT));
        assert!(appview.heard_nothing());
    }

    /// The operator may have tokens name the service too.
    async fn the_audience_may_name_the_service(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        town.restart_with(&[("FREEHOLD_PROXY_AUDIENCE", "service")]).await;
        let alice = town.owner("alice").await;
        alice.client.query(UNHEARD_OF, &[]).await.ok();
        let claims = verified(town, &alice, &appview.heard()).await;
        assert_eq!(claims.aud, "did:web:appview.test#bsky_appview");
    }

    /// Errors of a service are retold; its breakdowns are not its caller's.
    async fn errors_of_a_service_are_retold(town) {
        let appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        let json = ("content-type", "application/json");
        let odd = r#"{"error":"BlockedActor","message":"no","secret":1}"#;
        for (status, body, expected) in [
            (400, odd, (400, "BlockedActor", "no")),
            (404, "<html>", (404, "XRPCNotSupported", "XRPC Not Supported")),
            (500, odd, (502, "UpstreamFailure", "no")),
            (501, "", (501, "MethodNotImplemented", "Method Not Implemented")),
            (302, "", (502, "UpstreamFailure", "Upstream service redirects")),
        ] {
            appview.answers(status, &[json, ("retry-after", "7"), ("x-internal", "1"),
                ("location", "http://127.0.0.1/")], body);
            let answer = alice.client.query(UNHEARD_OF, &[]).await;
            let said = answer.json();
            let found = (answer.status.as_u16(), said["error"].as_str(), said["message"].as_str());
            assert_eq!(found, (expected.0, Some(expected.1), Some(expected.2)), "{status}");
            assert_eq!(said.as_object().map(|said| said.len()), Some(2));
            assert_eq!((answer.header("x-internal"), answer.header("location")), ("", ""));
            let passed_back = if status == 302 { "" } else { "7" };
            assert_eq!(answer.header("retry-after"), passed_back);
        }
    }

    /// A service that is gone, or sends too much, is a failure of the service.
    async fn a_service_that_is_gone_is_unreachable(town) {
        with_services(town).await;
        let alice = town.owner("alice").await;
        let message = alice.client.query(TIMELINE, &[]).await.refused(502, "UpstreamFailure");
        assert_eq!(message, "Upstream service unreachable");
        let appview = Service::new(town, "api.appview.test").await;
        appview.answers(200, &[("content-type", "text/plain")], &"x".repeat(10 * 1024 * 1024 + 1));
        alice.client.query(UNHEARD_OF, &[]).await.refused(502, "UpstreamFailure");
    }

    /// Answers for one account are not kept for another.
    async fn answers_are_not_shared_by_caches(town) {
        let _appview = Service::new(town, "api.appview.test").await;
        with_services(town).await;
        let alice = town.owner("alice").await;
        let answer = alice.client.query(UNHEARD_OF, &[]).await;
        assert_eq!(answer.header("cache-control"), "private");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"authorization")));
    }

    /// Where no service is named, an unknown method is just unknown.
    async fn without_services_an_unknown_method_is_unknown(town) {
        let alice = town.owner("alice").await;
        alice.client.query(UNHEARD_OF, &[]).await.refused(501, "MethodNotImplemented");
        town.visitor().query(UNHEARD_OF, &[]).await.refused(501, "MethodNotImplemented");
    }
}

async fn with_services(town: &mut Town) {
    town.restart_with(&[
        ("FREEHOLD_SERVICES_APPVIEW_URL", "https://api.appview.test"),
        ("FREEHOLD_SERVICES_APPVIEW_DID", APPVIEW),
    ])
    .await;
}

impl Owner {
    /// Returns the owner's client of a server that was started anew.
    fn at(&self, town: &Town) -> Client {
        self.client.moved(town.address())
    }
}

/// Makes an app password and logs in with it.
async fn app_password(owner: &Owner, town: &Town, input: Value) -> Client {
    let made = owner.client.procedure("com.atproto.server.createAppPassword", &input).await.ok();
    let login = json!({ "identifier": owner.did, "password": made["password"] });
    let session = town.visitor().procedure("com.atproto.server.createSession", &login).await.ok();
    town.visitor().with_token(session["accessJwt"].as_str().expect("a token"))
}
