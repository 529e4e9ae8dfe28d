//! Tokens by which an account calls other services itself.

use freehold::atproto::did_doc::DidDocument;
use freehold::atproto::jws::Token;
use freehold::atproto::syntax::Did;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Owner};

const GET_SERVICE_AUTH: &str = "com.atproto.server.getServiceAuth";
const AUDIENCE: &str = "did:web:video.test#bsky_video";
const UPLOAD: &str = "com.atproto.repo.uploadBlob";

on_both_engines! {
    /// A token is the account's own word: for one service, one method, one minute.
    async fn a_token_is_signed_by_the_account(town) {
        let alice = town.owner("alice").await;
        let answer = ask(&alice.client, &[("aud", AUDIENCE), ("lxm", UPLOAD)]).await.ok();
        let text = answer["token"].as_str().expect("a token");
        let token = Token::parse(text).expect("a token");
        let path = format!("/{}", alice.did);
        let document = Client::new(town.directory().address()).get(&path).await.ok();
        let did: Did = alice.did.parse().expect("a DID");
        let document = DidDocument::from_json(document, &did).expect("a document");
        token.verify(document.signing_key().expect("a key")).expect("alice's signature");
        let claims = token.into_claims();
        let now = town.world.clock.now().unix_secs();
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (alice.did.as_str(), AUDIENCE));
        assert_eq!((claims.exp, claims.lxm.as_deref()), (now + 60, Some(UPLOAD)));
        let again = ask(&alice.client, &[("aud", AUDIENCE), ("lxm", UPLOAD)]).await.ok();
        assert_ne!(again["token"], answer["token"]);
    }

    /// A token lasts an hour at most, and a minute where it opens everything.
    async fn a_token_lasts_no_longer_than_allowed(town) {
        let alice = town.owner("alice").await;
        let now = town.world.clock.now().unix_secs();
        let lasting = async |seconds: i64, method: Option<&str>| {
            let exp = (now + seconds).to_string();
            let mut params = vec![("aud", AUDIENCE), ("exp", exp.as_str())];
            params.extend(method.map(|method| ("lxm", method)));
            ask(&alice.client, &params).await
        };
        lasting(3_600, Some(UPLOAD)).await.ok();
        lasting(3_601, Some(UPLOAD)).await.refused(400, "BadExpiration");
        lasting(-1, Some(UPLOAD)).await.refused(400, "BadExpiration");
        lasting(60, None).await.ok();
        lasting(61, None).await.refused(400, "BadExpiration");
    }

    /// Some methods are for nobody's token, some not for an app password's.
    async fn a_token_opens_what_its_session_may(town) {
        let alice = town.owner("alice").await;
        let plain = app_password(town.visitor(), &alice, json!({ "name": "plain" })).await;
        let chatty = json!({ "name": "chatty", "privileged": true });
        let chatty = app_password(town.visitor(), &alice, chatty).await;
        let check = async |client: &Client, method: Option<&str>, expected: u16| {
            let mut params = vec![("aud", AUDIENCE)];
            params.extend(method.map(|method| ("lxm", method)));
            assert_eq!(ask(client, &params).await.status.as_u16(), expected, "{method:?}");
        };
        for (method, full, privileged, app) in [
            (Some(UPLOAD), 200, 200, 200),
            (Some("chat.bsky.convo.getLog"), 200, 200, 400),
            (Some("com.atproto.server.createAccount"), 200, 200, 400),
            (Some("com.atproto.server.updateEmail"), 400, 400, 400),
            (Some("com.atproto.SERVER.updateEmail"), 400, 400, 400),
            (None, 200, 200, 400),
        ] {
            check(&alice.client, method, full).await;
            check(&chatty, method, privileged).await;
            check(&plain, method, app).await;
        }
        ask(&alice.client, &[("aud", "video.test")]).await.refused(400, "InvalidRequest");
        ask(&town.visitor(), &[("aud", AUDIENCE)]).await.refused(401, "AuthMissing");
    }
}

async fn ask(client: &Client, params: &[(&str, &str)]) -> Answer {
    client.query(GET_SERVICE_AUTH, params).await
}

/// Makes an app password and logs in with it.
async fn app_password(visitor: Client, owner: &Owner, input: Value) -> Client {
    let made = owner.client.procedure("com.atproto.server.createAppPassword", &input).await.ok();
    let login = json!({ "identifier": owner.did, "password": made["password"] });
    let session = visitor.procedure("com.atproto.server.createSession", &login).await.ok();
    visitor.with_token(session["accessJwt"].as_str().expect("a token"))
}
