//! OAuth, from the app's first request to its last token.

use std::time::Duration;

use freehold::store::oauth::sessions;
use freehold::store::{Batch, accounts};
use serde_json::{Value, json};

use crate::harness::Granted;
use crate::harness::app::{App, ORIGIN};

const SCOPE: &str = "atproto transition:generic";
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_both_engines! {
    /// An app is allowed in, writes a record, goes on with a new token, and is sent
    /// away again.
    async fn an_app_is_allowed_in_and_sent_away(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        let path = app.push(SCOPE, &[]).await;
        let consent = browser.up_to_consent(&path, &alice).await;
        assert!(consent.says("app.example.com wants to use your account"), "{}", consent.html);
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        let back = answer.sent_back();
        assert!(answer.location().starts_with("https://app.example.com/callback?"));
        assert_eq!((&*back["iss"], &*back["state"]), (ORIGIN, "a state & more"));
        let granted = Granted::of(&app.redeem(&back["code"]).await);
        assert_eq!((&*granted.did, &*granted.scope), (&*alice.did, SCOPE));
        let post = write(&app, &granted.access, &alice.did).await.ok();
        assert!(post["uri"].as_str().expect("a URI").starts_with("at://"));
        let next = Granted::of(&app.refresh(&granted.refresh).await);
        assert_ne!(next.refresh, granted.refresh);
        write(&app, &next.access, &alice.did).await.ok();
        app.post("/oauth/revoke", &[("token", &next.refresh)]).await.ok();
        write(&app, &next.access, &alice.did).await.refused(401, "invalid_token");
        app.refresh(&next.refresh).await.refused(400, "invalid_grant");
    }

    /// The documents say what clients insist on.
    async fn the_documents_say_what_clients_insist_on(town) {
        let resource = town.visitor().get("/.well-known/oauth-protected-resource").await;
        assert_eq!(resource.header("access-control-allow-origin"), "*");
        let resource = resource.ok();
        assert_eq!(resource["resource"], ORIGIN);
        assert_eq!(resource["authorization_servers"], json!([ORIGIN]));
        let server = town.visitor().get("/.well-known/oauth-authorization-server").await.ok();
        assert_eq!(server["issuer"], ORIGIN);
        for yes in [
            "require_pushed_authorization_requests",
            "authorization_response_iss_parameter_supported",
            "client_id_metadata_document_supported",
        ] {
            assert_eq!(server[yes], true, "{yes}");
        }
        for (list, value) in [
            ("response_types_supported", "code"),
            ("grant_types_supported", "refresh_token"),
            ("code_challenge_methods_supported", "S256"),
            ("token_endpoint_auth_methods_supported", "private_key_jwt"),
            ("token_endpoint_auth_signing_alg_values_supported", "ES256"),
            ("dpop_signing_alg_values_supported", "ES256"),
            ("scopes_supported", "atproto"),
        ] {
            assert!(server[list].as_array().expect("a list").contains(&json!(value)), "{list}");
        }
        assert_eq!(town.visitor().get("/oauth/jwks").await.ok(), json!({ "keys": [] }));
    }

    /// An app that can prove who it is is let through without a question, for what
    /// was agreed to before and for no more.
    async fn what_was_agreed_to_is_not_asked_again_of_an_app_that_proves_itself(town) {
        let alice = town.owner("alice").await;
        let app = town.confidential_app("app.example.com", "atproto repo:* blob:*/*");
        let browser = town.browser_of(&alice).await;
        let path = app.push("atproto repo:*", &[]).await;
        let consent = browser.open(&path).await;
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
        let again = browser.open(&app.push("atproto repo:*", &[]).await).await;
        let unseen = browser.open(&app.push("atproto repo:*", &[("prompt", "none")]).await).await;
        for answer in [again, unseen] {
            Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
        }
        let more = browser.open(&app.push("atproto repo:* blob:*/*", &[]).await).await;
        assert_eq!(more.status, 200);
        let more = app.push("atproto blob:*/*", &[("prompt", "none")]).await;
        assert_eq!(browser.open(&more).await.sent_back()["error"], "consent_required");
        let asked = browser.open(&app.push("atproto repo:*", &[("prompt", "consent")]).await).await;
        assert_eq!(asked.status, 200);
    }

    /// An app that cannot prove who it is is asked about each time.
    async fn an_app_that_proves_nothing_is_asked_about_each_time(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        browser.grant(&app, &alice, SCOPE).await;
        let again = browser.open(&app.push(SCOPE, &[]).await).await;
        assert!(again.says("You have allowed this app before"), "{}", again.html);
        let fields = [app.wish(SCOPE), vec![("prompt", "none")]].concat();
        app.post("/oauth/par", &fields).await.refused(400, "consent_required");
    }

    /// The operator's own app is not asked about.
    async fn the_operators_own_app_is_not_asked_about(town) {
        let id = "https://own.example.com/client.json";
        town.restart_with(&[("FREEHOLD_OAUTH_TRUSTED_CLIENTS", id)]).await;
        let alice = town.owner("alice").await;
        let app = town.public_app("own.example.com", SCOPE);
        let browser = town.browser_of(&alice).await;
        let answer = browser.open(&app.push(SCOPE, &[("prompt", "none")]).await).await;
        Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
    }

    /// Somebody says no, and the app is told so.
    async fn somebody_says_no(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        let path = app.push(SCOPE, &[]).await;
        let consent = browser.up_to_consent(&path, &alice).await;
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "deny")]).await;
        let back = answer.sent_back();
        assert_eq!((&*back["error"], &*back["iss"]), ("access_denied", ORIGIN));
        assert_eq!(browser.open(&path).await.status, 400);
    }

    /// What is unticked is not given.
    async fn what_is_unticked_is_not_given(town) {
        let alice = town.owner("alice").await;
        let scope = "atproto repo:app.bsky.feed.post repo:app.bsky.feed.like account:email";
        let app = town.public_app("app.example.com", scope);
        let browser = town.browser();
        let consent = browser.up_to_consent(&app.push(scope, &[]).await, &alice).await;
        let fill = [("decision", "allow"), ("permission-2", ""), ("permission-3", "")];
        let answer = browser.submit(&consent, "/oauth/authorize", &fill).await;
        let granted = Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
        assert_eq!(granted.scope, "atproto repo:app.bsky.feed.post");
        write(&app, &granted.access, &alice.did).await.ok();
        let session = app.query(&granted.access, "com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["email"], Value::Null);
    }

    /// The answer travels as the app wishes.
    async fn the_answer_travels_as_the_app_wishes(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser_of(&alice).await;
        for mode in ["query", "fragment", "form_post"] {
            let consent = browser.open(&app.push(SCOPE, &[("response_mode", mode)]).await).await;
            let fill = [("decision", "allow")];
            let answer = browser.submit(&consent, "/oauth/authorize", &fill).await;
            let back = match mode {
                "form_post" => {
                    let policy = answer.headers["content-security-policy"].to_str().expect("text");
                    assert!(policy.ends_with("form-action 'self' https://app.example.com"), "{policy}");
                    answer.form("https://app.example.com/callback")
                }
                _ => answer.sent_back(),
            };
            if mode == "fragment" {
                assert!(answer.location().starts_with("https://app.example.com/callback#"));
            }
            assert_eq!(back["state"], "a state & more");
            Granted::of(&app.redeem(&back["code"]).await);
        }
    }

    /// An app may wish that somebody signs in again, says who they are, or signs
    /// up.
    async fn an_app_may_wish_what_is_shown(town) {
        let (alice, bob) = (town.owner("alice").await, town.owner("bob").await);
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser_of(&alice).await;
        let shown = async |prompt: &str| browser.open(&app.push(SCOPE, &[("prompt", prompt)]).await).await;
        let login = shown("login").await;
        assert!(login.says("action=\"/account/sign-in\""));
        let fill = [("identifier", &*alice.handle), ("password", &*alice.password)];
        town.world.clock.advance(Duration::from_secs(1));
        let answer = browser.submit(&login, "/account/sign-in", &fill).await;
        let consent = browser.open(answer.location()).await;
        assert!(consent.says("wants to use your account"), "{}", consent.html);
        assert!(shown("select_account").await.says("Who are you?"));
        assert!(shown("create").await.says("Create your account"));
        browser.sign_in(&bob).await;
        let choice = browser.open(&app.push(SCOPE, &[]).await).await;
        assert!(choice.says("@alice.pds.test") && choice.says("@bob.pds.test"));
        let hinted = browser.open(&app.push(SCOPE, &[("login_hint", "Alice.pds.test")]).await).await;
        assert!(hinted.says("@alice.pds.test") && !hinted.says("@bob.pds.test"));
        let stranger = browser.open(&app.push(SCOPE, &[("login_hint", "carol.pds.test")]).await).await;
        assert!(stranger.says("value=\"carol.pds.test\""), "{}", stranger.html);
    }

    /// Somebody signs up on the way to an app.
    async fn somebody_signs_up_on_the_way_to_an_app(town) {
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        let page = browser.open(&app.push(SCOPE, &[("prompt", "create")]).await).await;
        let fill = [("name", "carol"), ("email", "carol@mail.test"), ("password", "carol's password")];
        let answer = browser.submit(&page, "/account/sign-up", &fill).await;
        let consent = browser.open(answer.location()).await;
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        let granted = Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
        let session = app.query(&granted.access, "com.atproto.server.getSession", &[]).await.ok();
        assert_eq!(session["handle"], "carol.pds.test");
    }

    /// A refresh token that is shown a second time ends its session: one of the two
    /// who showed it is a thief.
    async fn a_refresh_token_that_is_shown_twice_ends_its_session(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let first = town.browser().grant(&app, &alice, SCOPE).await;
        let second = Granted::of(&app.refresh(&first.refresh).await);
        app.refresh(&first.refresh).await.refused(400, "invalid_grant");
        app.refresh(&second.refresh).await.refused(400, "invalid_grant");
        write(&app, &second.access, &alice.did).await.refused(401, "invalid_token");
    }

    /// A code that is redeemed a second time ends what came of it.
    async fn a_code_that_is_redeemed_twice_ends_what_came_of_it(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let path = app.push(SCOPE, &[]).await;
        let code = town.browser().agree(&path, &alice).await;
        let granted = Granted::of(&app.redeem(&code).await);
        app.redeem(&code).await.refused(400, "invalid_grant");
        write(&app, &granted.access, &alice.did).await.refused(401, "invalid_token");
        app.refresh(&granted.refresh).await.refused(400, "invalid_grant");
    }

    /// Tokens end after their time: access after half an hour, sessions of apps that
    /// prove nothing after two weeks, those of others after two years.
    async fn tokens_end_after_their_time(town) {
        let alice = town.owner("alice").await;
        let public = town.public_app("app.example.com", SCOPE);
        let confidential = town.confidential_app("server.example.com", SCOPE);
        let browser = town.browser();
        let mut first = browser.grant(&public, &alice, SCOPE).await;
        let mut second = browser.grant(&confidential, &alice, SCOPE).await;
        town.world.clock.advance(HOUR);
        let public = public.on(town);
        write(&public, &first.access, &alice.did).await.refused(401, "invalid_token");
        first = Granted::of(&public.refresh(&first.refresh).await);
        town.world.clock.advance(13 * DAY);
        first = Granted::of(&public.on(town).refresh(&first.refresh).await);
        second = Granted::of(&confidential.on(town).refresh(&second.refresh).await);
        town.world.clock.advance(DAY);
        public.on(town).refresh(&first.refresh).await.refused(400, "invalid_grant");
        for _ in 0..8 {
            town.world.clock.advance(88 * DAY);
            second = Granted::of(&confidential.on(town).refresh(&second.refresh).await);
        }
        town.world.clock.advance(20 * DAY);
        confidential.on(town).refresh(&second.refresh).await.refused(400, "invalid_grant");
    }

    /// A new password ends what apps may do; so does a takedown.
    async fn a_new_password_and_a_takedown_end_what_apps_may_do(town) {
        let alice = town.owner("alice").await;
        let app = town.public_app("app.example.com", SCOPE);
        let browser = town.browser();
        let granted = browser.grant(&app, &alice, SCOPE).await;
        let input = json!({ "did": alice.did, "password": "another one" });
        town.admin().procedure("com.atproto.admin.updateAccountPassword", &input).await.ok();
        write(&app, &granted.access, &alice.did).await.refused(401, "invalid_token");
        assert_eq!(browser.open("/account").await.location(), "/account/sign-in");
        let alice = crate::harness::Owner { password: "another one".to_owned(), ..alice };
        let granted = browser.grant(&app, &alice, SCOPE).await;
        let db = &town.server().services().store.db;
        let did = alice.did.parse().expect("a DID");
        let account = accounts::find_by_did(db, &did).await.expect("reads").expect("is there");
        let mut batch = Batch::new();
        accounts::take_down(&mut batch, account.id, town.world.clock.now(), "case 1");
        db.run(batch).await.expect("runs");
        write(&app, &granted.access, &alice.did).await.refused(401, "AccountTakedown");
        app.refresh(&granted.refresh).await.refused(400, "invalid_grant");
        assert_eq!(sessions::list_of_account(db, account.id).await.expect("reads"), vec![]);
    }

    /// A developer's app on their own machine needs no document.
    async fn an_app_under_development_needs_no_document(town) {
        let alice = town.owner("alice").await;
        let mut app = town.public_app("app.example.com", SCOPE);
        app.id = "http://localhost?scope=atproto%20transition:generic&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb".to_owned();
        app.redirect_uri = "http://127.0.0.1:51234/cb".to_owned();
        let granted = town.browser().grant(&app, &alice, SCOPE).await;
        write(&app, &granted.access, &alice.did).await.ok();
    }

    /// A permission set is looked up where its authority publishes it, told in its
    /// own words, and fixed in the token.
    async fn a_permission_set_is_looked_up_and_told(town) {
        let (alice, publisher) = (town.owner("alice").await, town.owner("publisher").await);
        town.world.dns.set_txt("_lexicon.example.com", &[&format!("did={}", publisher.did)]);
        let lexicon = json!({
            "$type": "com.atproto.lexicon.schema",
            "lexicon": 1,
            "id": "com.example.basic",
            "defs": { "main": {
                "type": "permission-set",
                "title": "Everything about <i>events</i>",
                "title:lang": { "de": "Alles über Termine" },
                "permissions": [
                    { "type": "permission", "resource": "repo", "collection": ["com.example.event"] },
                    { "type": "permission", "resource": "repo", "collection": ["app.bsky.feed.post"] },
                ],
            } },
        });
        let input = json!({
            "repo": publisher.did, "collection": "com.atproto.lexicon.schema",
            "rkey": "com.example.basic", "record": lexicon,
        });
        publisher.client.procedure("com.atproto.repo.putRecord", &input).await.ok();
        let scope = "atproto include:com.example.basic";
        let app = town.public_app("app.example.com", scope);
        let browser = town.browser();
        let consent = browser.up_to_consent(&app.push(scope, &[]).await, &alice).await;
        assert!(consent.says("Everything about &lt;i&gt;events&lt;/i&gt;"), "{}", consent.html);
        let answer = browser.submit(&consent, "/oauth/authorize", &[("decision", "allow")]).await;
        let granted = Granted::of(&app.redeem(&answer.sent_back()["code"]).await);
        assert_eq!(granted.scope, scope);
        let write = async |collection: &str| {
            let input = json!({ "repo": alice.did, "collection": collection, "record": { "$type": collection } });
            app.procedure(&granted.access, "com.atproto.repo.createRecord", &input).await
        };
        write("com.example.event").await.ok();
        let message = write("com.example.eventx").await.refused(403, "ScopeMissingError");
        assert!(message.contains("repo:com.example.eventx?action=create"), "{message}");
        let nobody = town.public_app("other.example.com", "atproto include:org.example.nothing");
        let fields = nobody.wish("atproto include:org.example.nothing");
        nobody.post("/oauth/par", &fields).await.refused(400, "invalid_scope");
    }
}

async fn write(app: &App, access: &str, did: &str) -> crate::harness::Answer {
    let record = json!({
        "$type": "app.bsky.feed.post", "text": "by an app", "createdAt": "2026-01-02T03:04:05.678Z",
    });
    let input = json!({ "repo": did, "collection": "app.bsky.feed.post", "record": record });
    app.procedure(access, "com.atproto.repo.createRecord", &input).await
}
