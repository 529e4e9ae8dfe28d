//! OAuth, asked wrongly: each error in the RFCs' form, and nothing given away.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::harness::Town;
use crate::harness::app::{App, ORIGIN, VERIFIER, document, jwk, key, signed};
use crate::harness::browser::Browser;

const SCOPE: &str = "atproto transition:generic";

/// Sends a form without what the app would add of its own, and expects a refusal.
async fn refused(app: &App, path: &str, fields: &[(&str, &str)], error: &str) {
    // The first answer gives the nonce.
    app.post(path, &[]).await;
    let answer = app.post_as(path, Vec::new(), fields, None).await;
    let found = answer.json()["error"].clone();
    assert_eq!(found, error, "{path} {fields:?}: {}", answer.json());
    assert!(answer.status.is_client_error(), "{fields:?}: {}", answer.status);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.json()["error_description"].is_string());
}

/// The fields of a good request, with some changed; those of no value are left out.
fn changed<'f>(
    good: &[(&'f str, &'f str)],
    changes: &[(&'f str, &'f str)],
) -> Vec<(&'f str, &'f str)> {
    let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
    let kept = good.iter().filter(|(name, _)| !changed(name));
    kept.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
}

async fn consent_of(town: &Town, app: &App) -> (Browser, crate::harness::browser::Shown) {
    let alice = town.owner("alice").await;
    let browser = town.browser();
    let consent = browser.up_to_consent(&app.push(SCOPE, &[]).await, &alice).await;
    (browser, consent)
}

on_both_engines! {
    /// A request that is wrong is refused when it is pushed.
    async fn a_wrong_request_is_refused_when_it_is_pushed(town) {
        let app = town.public_app("app.example.com", SCOPE);
        let mut good = app.wish(SCOPE);
        good.push(("client_id", &app.id));
        let long = "a".repeat(5_000);
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("client_id", "")], "invalid_request"),
            (&[("client_id", "app")], "invalid_client_metadata"),
            (&[("client_id", "https://nobody.example.com/client.json")], "invalid_client_metadata"),
            (&[("client_id", "https://192.0.2.1/client.json")], "invalid_client_metadata"),
            (&[("response_type", "")], "invalid_request"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("redirect_uri", "")], "invalid_request"),
            (&[("redirect_uri", "https://evil.example.com/callback")], "invalid_request"),
            (&[("redirect_uri", "https://app.example.com/callback/")], "invalid_request"),
            (&[("redirect_uri", "https://app.example.com/callback?x")], "invalid_request"),
            (&[("scope", "")], "invalid_request"),
            (&[("scope", "transition:generic")], "invalid_scope"),
            (&[("scope", "atproto repo:*")], "invalid_scope"),
            (&[("code_challenge", "")], "invalid_request"),
            (&[("code_challenge", "short")], "invalid_request"),
            (&[("code_challenge_method", "")], "invalid_request"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("prompt", "other")], "invalid_request"),
            (&[("prompt", "none")], "consent_required"),
            (&[("response_mode", "jwt")], "invalid_request"),
            (&[("login_hint", "not a name")], "invalid_request"),
            (&[("state", &long)], "invalid_request"),
            (&[("nonce", "1")], "invalid_request"),
            (&[("request", "a.b.c")], "invalid_request"),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:req-1")], "invalid_request"),
            (&[("authorization_details", "[]")], "invalid_request"),
            (&[("dpop_jkt", "another")], "invalid_dpop_proof"),
            (&[("client_secret", "hunter2")], "invalid_client"),
            (&[("client_assertion", "a.b.c")], "invalid_client"),
        ];
        for (changes, error) in cases {
            refused(&app, "/oauth/par", &changed(&good, changes), error).await;
        }
        let mut twice = good.clone();
        twice.push(("scope", "atproto"));
        refused(&app, "/oauth/par", &twice, "invalid_request").await;
        let get = town.visitor().get("/oauth/par").await;
        assert_eq!((get.status.as_u16(), get.json()["error"].clone()), (405, json!("invalid_request")));
        let plain = town.visitor().request(Method::POST, "/oauth/par").body("x");
        let plain = town.visitor().send("/oauth/par", plain).await;
        plain.refused(400, "invalid_request");
        let huge = "a".repeat(200_000);
        let large = town.visitor().request(Method::POST, "/oauth/par").body(huge);
        assert_eq!(town.visitor().send("/oauth/par", large).await.status.as_u16(), 413);
    }

    /// What a client says about itself must be had, be whole, and be allowed.
    async fn a_client_that_cannot_be_had_is_refused(town) {
        let id = "https://app.example.com/client.json";
        let good = document("app.example.com", SCOPE);
        let app = town.public_app("app.example.com", SCOPE);
        let mut fields = app.wish(SCOPE);
        fields.push(("client_id", id));
        // A host that failed is not asked again at once.
        let pause = Duration::from_secs(3_700);
        let app_now = async |town: &Town| {
            town.world.clock.advance(pause);
            app.on(town)
        };
        let mut large = good.clone();
        large["contacts"] = json!("a".repeat(70_000));
        let mut public = good.clone();
        public["token_endpoint_auth_method"] = json!("none");
        let mut other = public.clone();
        other["client_id"] = json!("https://evil.example.com/client.json");
        for document in [good, large, other] {
            town.publish(id, &document);
            refused(&app_now(town).await, "/oauth/par", &fields, "invalid_client_metadata").await;
        }
        for (status, kind) in [(404, "application/json"), (200, "text/html"), (201, "application/json")] {
            town.world.http.answer(id, status, kind, public.to_string());
            refused(&app_now(town).await, "/oauth/par", &fields, "invalid_client_metadata").await;
        }
        town.world.http.answer(id, 200, "application/json", "{");
        refused(&app_now(town).await, "/oauth/par", &fields, "invalid_client_metadata").await;
        town.world.http.redirect(id, "https://evil.example.com/client.json");
        town.publish("https://evil.example.com/client.json", &public);
        refused(&app_now(town).await, "/oauth/par", &fields, "invalid_client_metadata").await;
        town.publish(id, &public);
        let app = app_now(town).await;
        assert_eq!(app.post("/oauth/par", &app.wish(SCOPE)).await.status.as_u16(), 201);
        // A hiccup later is not noticed: the last document is good for a while.
        town.world.http.answer(id, 500, "text/html", "");
        town.world.clock.advance(Duration::from_secs(20 * 60));
        let app = app.on(town);
        assert_eq!(app.post("/oauth/par", &app.wish(SCOPE)).await.status.as_u16(), 201);
    }

    /// A client that changes what it says between its steps is held to what it says
    /// now.
    async fn a_client_that_changes_is_held_to_what_it_says_now(town) {
        let alice = town.owner("alice").await;
        let app = town.confidential_app("app.example.com", SCOPE);
        let browser = town.browser();
        let granted = browser.grant(&app, &alice, SCOPE).await;
        let path = app.push(SCOPE, &[]).await;
        // The key is another one: whoever has the old one is not the client.
        let mut document = document("app.example.com", SCOPE);
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["token_endpoint_auth_signing_alg"] = json!("ES256");
        document["jwks"] = json!({ "keys": [jwk(&key(10), Some("one"))] });
        town.publish(&app.id, &document);
        town.world.clock.advance(Duration::from_secs(11 * 60));
        let app = app.on(town);
        app.refresh(&granted.refresh).await.refused(401, "invalid_client");
        // With the new key the session is not the same client's.
        let mut renewed = app.on(town);
        renewed.client_key = Some(key(10));
        renewed.refresh(&granted.refresh).await.refused(400, "invalid_grant");
        // The address is gone: nobody is sent there.
        document["redirect_uris"] = json!(["https://app.example.com/other"]);
        town.publish(&app.id, &document);
        town.world.clock.advance(Duration::from_secs(11 * 60));
        assert_eq!(browser.open(&path).await.status, 400);
    }

    /// A proof is for one request, with a nonce of ours, and once.
    async fn a_proof_is_for_one_request_and_once(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let granted = town.browser().grant(&app, &alice, SCOPE).await;
        let nsid = "com.atproto.server.getSession";
        let url = format!("{ORIGIN}/xrpc/{nsid}");
        let good = || app.proof_claims("GET", &url, Some(&granted.access));
        let ask = async |scheme: &str, token: &str, proofs: &[String]| {
            let visitor = town.visitor();
            let mut request = visitor.request(Method::GET, &format!("/xrpc/{nsid}"));
            request = request.header("authorization", format!("{scheme} {token}"));
            for proof in proofs {
                request = request.header("dpop", HeaderValue::from_str(proof).expect("a header"));
            }
            visitor.send(nsid, request).await
        };
        let proof = app.sign_proof(&good());
        let answer = ask("DPoP", &granted.access, std::slice::from_ref(&proof)).await;
        assert!(!answer.header("dpop-nonce").is_empty());
        answer.ok();
        let again = ask("DPoP", &granted.access, std::slice::from_ref(&proof)).await;
        again.refused(401, "invalid_dpop_proof");
        assert!(again.header("www-authenticate").starts_with("DPoP error=\"invalid_dpop_proof\""));
        let with = |field: &str, value: Value| {
            let mut claims = good();
            claims[field] = value;
            app.sign_proof(&claims)
        };
        for proof in [
            with("htm", json!("POST")),
            with("htu", json!("https://pds.test/xrpc/com.atproto.server.other")),
            with("htu", json!("https://evil.test/xrpc/com.atproto.server.getSession")),
            with("iat", json!(1)),
            with("ath", json!("another")),
            with("jti", json!("")),
            app.sign_proof(&app.proof_claims("GET", &url, None)),
            "a.b.c".to_owned(),
        ] {
            ask("DPoP", &granted.access, &[proof]).await.refused(401, "invalid_dpop_proof");
        }
        for proof in [with("nonce", json!("mine")), with("nonce", Value::Null)] {
            let answer = ask("DPoP", &granted.access, &[proof]).await;
            answer.refused(401, "use_dpop_nonce");
            assert!(answer.header("www-authenticate").contains("error=\"use_dpop_nonce\""));
        }
        let stranger = signed(
            &json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&key(11), None) }),
            &good(),
            &key(11),
        );
        ask("DPoP", &granted.access, &[stranger]).await.refused(401, "invalid_dpop_proof");
        ask("DPoP", &granted.access, &[]).await.refused(401, "invalid_dpop_proof");
        let two = [app.sign_proof(&good()), app.sign_proof(&good())];
        ask("DPoP", &granted.access, &two).await.refused(401, "invalid_dpop_proof");
        ask("Bearer", &granted.access, &[app.sign_proof(&good())]).await.refused(400, "InvalidToken");
        ask("DPoP", "a.b.c", &[app.sign_proof(&good())]).await.refused(401, "invalid_token");
        let session = alice.client.query(nsid, &[]).await;
        session.ok();
        // A nonce is good for three minutes at most.
        let late = app.sign_proof(&good());
        town.world.clock.advance(Duration::from_secs(185));
        ask("DPoP", &granted.access, &[late]).await.refused(401, "use_dpop_nonce");
    }

    /// An assertion is the client's, for this server, now, and once.
    async fn an_assertion_is_good_once(town) {
        let app = town.confidential_app("app.example.com", SCOPE);
        let client_key = key(9);
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": "one" });
        let with = |field: &str, value: Value| {
            let mut claims = app.assertion_claims();
            claims[field] = value;
            signed(&header, &claims, &client_key)
        };
        let identity = |assertion: &str| {
            let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            vec![
                field("client_id", &app.id),
                field("client_assertion_type", kind),
                field("client_assertion", assertion),
            ]
        };
        app.post("/oauth/par", &[]).await;
        let wish = app.wish(SCOPE);
        let good = signed(&header, &app.assertion_claims(), &client_key);
        let push = async |assertion: &str| {
            app.post_as("/oauth/par", identity(assertion), &wish, None).await
        };
        assert_eq!(push(&good).await.status.as_u16(), 201);
        push(&good).await.refused(401, "invalid_client");
        for assertion in [
            with("iss", json!("https://other.example.com/client.json")),
            with("sub", json!("https://other.example.com/client.json")),
            with("aud", json!("https://other.test")),
            with("iat", json!(1)),
            with("exp", json!(1)),
            with("jti", json!("")),
            signed(&header, &app.assertion_claims(), &key(12)),
            signed(&json!({ "alg": "ES256", "kid": "two" }), &app.assertion_claims(), &client_key),
            signed(&json!({ "alg": "none" }), &app.assertion_claims(), &client_key),
            "a.b.c".to_owned(),
        ] {
            push(&assertion).await.refused(401, "invalid_client");
        }
        let nobody = vec![("client_id".to_owned(), app.id.clone())];
        app.post_as("/oauth/par", nobody, &wish, None).await.refused(401, "invalid_client");
        // The key of the client must not be the one of its tokens.
        let mut twin = app.on(town);
        twin.dpop_key = key(9);
        twin.post("/oauth/par", &wish).await.refused(400, "invalid_dpop_proof");
    }

    /// A code is for the client, the key, the address and the verifier that it was
    /// made for; a wrong try uses it up.
    async fn a_code_is_for_whom_it_was_made(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let other = town.public_app("other.example.com", SCOPE);
        let browser = town.browser();
        let mut thief = app.on(town);
        thief.dpop_key = key(13);
        let code = async || browser.agree(&app.push(SCOPE, &[]).await, &alice).await;
        let good = |code: &str| {
            BTreeMap::from([
                ("grant_type", "authorization_code".to_owned()),
                ("code", code.to_owned()),
                ("redirect_uri", app.redirect_uri.clone()),
                ("code_verifier", VERIFIER.to_owned()),
            ])
        };
        let redeem = async |app: &App, form: &BTreeMap<&str, String>| {
            let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, &**value)).collect();
            app.post("/oauth/token", &fields).await
        };
        for (who, field, value) in [
            (&app, "redirect_uri", "https://app.example.com/other"),
            (&app, "code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
            (&app, "code_verifier", "short"),
            (&other, "code_verifier", VERIFIER),
            (&thief, "code_verifier", VERIFIER),
        ] {
            let code = code().await;
            let mut form = good(&code);
            form.insert(field, value.to_owned());
            redeem(who, &form).await.refused(400, "invalid_grant");
            redeem(&app, &good(&code)).await.refused(400, "invalid_grant");
        }
        redeem(&app, &good("cod-unknown")).await.refused(400, "invalid_grant");
        let late = code().await;
        town.world.clock.advance(Duration::from_secs(121));
        redeem(&app.on(town), &good(&late)).await.refused(400, "invalid_grant");
        for (name, error) in [("grant_type", "invalid_request"), ("code", "invalid_request")] {
            let mut form = good("cod-x");
            form.remove(name);
            redeem(&app.on(town), &form).await.refused(400, error);
        }
        let mut form = good("cod-x");
        form.insert("grant_type", "password".to_owned());
        redeem(&app.on(town), &form).await.refused(400, "unsupported_grant_type");
    }

    /// A refresh token is for the client and the key that it was given to.
    async fn a_refresh_token_is_for_whom_it_was_given_to(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let other = town.public_app("other.example.com", SCOPE);
        let browser = town.browser();
        let mut thief = app.on(town);
        thief.dpop_key = key(13);
        for who in [&other, &thief] {
            let granted = browser.grant(&app, &alice, SCOPE).await;
            who.refresh(&granted.refresh).await.refused(400, "invalid_grant");
            // It may be in the wrong hands: nobody goes on with it.
            app.refresh(&granted.refresh).await.refused(400, "invalid_grant");
        }
        app.refresh("ref-unknown").await.refused(400, "invalid_grant");
        let mut document = document("app.example.com", SCOPE);
        document["token_endpoint_auth_method"] = json!("none");
        document["grant_types"] = json!(["authorization_code"]);
        let shy = town.app("shy.example.com", &{
            document["client_id"] = json!("https://shy.example.com/client.json");
            document["redirect_uris"] = json!(["https://shy.example.com/callback"]);
            document["client_uri"] = json!("https://shy.example.com/");
            document
        }, None);
        let granted = browser.grant(&shy, &alice, SCOPE).await;
        assert_eq!(granted.refresh, "");
        shy.refresh("ref-any").await.refused(400, "unauthorized_client");
        // Whoever revokes what nobody knows is told nothing.
        shy.post("/oauth/revoke", &[("token", "ref-any")]).await.ok();
        shy.post("/oauth/revoke", &[]).await.refused(400, "invalid_request");
    }

    /// A request is opened in one browser, in a window of its own, and answered once.
    async fn a_request_is_opened_in_one_browser(town) {
        let app = town.public_app("app.example.com", SCOPE);
        let (browser, consent) = consent_of(town, &app).await;
        let path = app.push(SCOPE, &[]).await;
        let shown = browser.open(&path).await;
        assert_eq!(shown.status, 200);
        let thief = town.browser();
        let stolen = thief.open(&path).await;
        assert!(stolen.status == 400 && stolen.says("open in another browser"), "{}", stolen.html);
        for wrong in ["/oauth/authorize", "/oauth/authorize?client_id=x", "/oauth/authorize?client_id=x&request_uri=y"] {
            assert_eq!(browser.open(wrong).await.status, 400, "{wrong}");
        }
        let other = path.replace("app.example.com", "other.example.com");
        assert_eq!(browser.open(&other).await.status, 400);
        let mut framed = town.browser();
        framed.headers.insert("sec-fetch-dest", HeaderValue::from_static("iframe"));
        assert_eq!(framed.open(&path).await.status, 403);
        for (header, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(shown.headers[header], value);
        }
        let policy = shown.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"));
        assert!(!policy.contains("unsafe"));
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        answer.sent_back();
        let again = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        assert_eq!(again.status, 400);
        // A request that nobody opens is over after five minutes, and the app is told.
        let late = app.push(SCOPE, &[]).await;
        town.world.clock.advance(Duration::from_secs(301));
        assert_eq!(browser.open(&late).await.sent_back()["error"], "access_denied");
    }

    /// No other page can send a form, no other browser either, and nobody agrees for
    /// somebody else.
    async fn no_other_page_can_send_a_form(town) {
        let app = town.public_app("app.example.com", SCOPE);
        let (browser, consent) = consent_of(town, &app).await;
        let bob = town.owner("bob").await;
        let mut fields = consent.form("/oauth/authorize");
        fields.insert("decision".to_owned(), "allow".to_owned());
        let without = |name: &str| {
            let mut fields = fields.clone();
            fields.remove(name);
            fields
        };
        assert_eq!(browser.post("/oauth/authorize", &without("form_token")).await.status, 403);
        let mut other = fields.clone();
        other.insert("form_token".to_owned(), "guessed".to_owned());
        assert_eq!(browser.post("/oauth/authorize", &other).await.status, 403);
        let cookie = browser.cookie();
        let stranger = town.browser();
        assert_eq!(stranger.post("/oauth/authorize", &fields).await.status, 403);
        for (header, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test"), ("origin", "null")] {
            let visitor = town.visitor();
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            let request = visitor
                .request(Method::POST, "/oauth/authorize")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("cookie", cookie.clone().expect("a cookie"))
                .header(header, value)
                .body(body);
            assert_eq!(visitor.send("/oauth/authorize", request).await.status.as_u16(), 403, "{header} {value}");
        }
        let mut for_bob = fields.clone();
        for_bob.insert("account".to_owned(), bob.did.clone());
        let answer = browser.post("/oauth/authorize", &for_bob).await;
        assert!(answer.location().starts_with("/oauth/authorize?"), "{}", answer.location());
        // Every form of these pages is guarded.
        for path in ["/account/sign-in", "/account/sign-up", "/account/sign-out", "/account/reset-password", "/account/reset-password/code"] {
            assert_eq!(browser.post(path, &BTreeMap::new()).await.status, 403, "{path}");
        }
    }

    /// A cookie that was planted before somebody signed in is worth nothing after.
    async fn a_planted_cookie_is_worth_nothing(town) {
        let alice = town.owner("alice").await;
        let thief = town.browser();
        thief.open("/account/sign-in").await;
        let victim = town.browser();
        victim.set_cookie(thief.cookie());
        victim.sign_in(&alice).await;
        assert_eq!(victim.open("/account").await.status, 200);
        assert_eq!(thief.open("/account").await.location(), "/account/sign-in");
        let made_up = town.browser();
        made_up.set_cookie(Some("__Host-freehold=made-up".to_owned()));
        made_up.open("/account/sign-in").await;
        assert_ne!(made_up.cookie().as_deref(), Some("__Host-freehold=made-up"));
    }

    /// A wrong password, an app password, nobody: all are told the same.
    async fn a_wrong_password_is_told_nothing_more(town) {
        let alice = town.owner("alice").await;
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &json!({ "name": "bot" })).await.ok();
        let app_password = made["password"].as_str().expect("a password").to_owned();
        let browser = town.browser();
        let page = browser.open("/account/sign-in").await;
        let mut pages = Vec::new();
        for (name, password) in [("alice.pds.test", "wrong"), ("alice.pds.test", &*app_password), ("nobody.pds.test", "wrong")] {
            let fill = [("identifier", name), ("password", password)];
            let answer = browser.submit(&page, "/account/sign-in", &fill).await;
            assert_eq!(answer.status, 401);
            pages.push(answer.html.replace(name, ""));
        }
        assert!(pages.windows(2).all(|pair| pair[0] == pair[1]));
        let html = ("<script>alert(1)</script>", "&lt;script&gt;");
        let answer = browser.submit(&page, "/account/sign-in", &[("identifier", html.0), ("password", "x")]).await;
        assert!(answer.says(html.1) && !answer.says(html.0));
    }

    /// Whatever an app is called is text.
    async fn the_name_of_an_app_is_text(town) {
        let app = town.public_app("app.example.com", SCOPE);
        let (_, consent) = consent_of(town, &app).await;
        assert!(consent.says("An &lt;b&gt;app&lt;/b&gt;") && !consent.says("<b>app</b>"));
    }
}
