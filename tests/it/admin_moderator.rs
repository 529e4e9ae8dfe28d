//! What the moderation service may do here, by its tokens.

use freehold::atproto::crypto::{Curve, SigningKey};
use freehold::atproto::jws::{self, Claims};
use freehold::atproto::syntax::Did;
use serde_json::{Value, json};

use crate::harness::{Body, Client, Owner, Town};

const MODERATION: &str = "did:web:ozone.test";
const INFO: &str = "com.atproto.admin.getAccountInfo";
const UPDATE: &str = "com.atproto.admin.updateSubjectStatus";
const DELETE: &str = "com.atproto.admin.deleteAccount";
const ACCOUNT_KEY: u8 = 5;
const LABEL_KEY: u8 = 6;

fn key(number: u8) -> SigningKey {
    SigningKey::from_secret(Curve::K256, &[number; 32]).expect("a secret")
}

/// Has the server trust a moderation service, which the world knows by its
/// document.
async fn trusting(town: &mut Town, moderation: &str) {
    let method = |name: &str, number: u8| {
        let multibase = key(number).public().did_key().as_str().replace("did:key:", "");
        json!({
            "id": format!("{MODERATION}#{name}"),
            "type": "Multikey",
            "controller": MODERATION,
            "publicKeyMultibase": multibase,
        })
    };
    let document = json!({
        "id": MODERATION,
        "verificationMethod": [method("atproto", ACCOUNT_KEY), method("atproto_label", LABEL_KEY)],
    });
    let url = "https://ozone.test/.well-known/did.json";
    town.world.http.answer(url, 200, "application/json", document.to_string());
    town.restart_with(&[
        ("FREEHOLD_SERVICES_MODERATION_URL", "https://ozone.test"),
        ("FREEHOLD_SERVICES_MODERATION_DID", moderation),
    ])
    .await;
}

/// The service, with a token for one call of `nsid`.
fn moderator(town: &Town, issuer: &str, number: u8, nsid: &str) -> Client {
    let now = town.world.clock.now().unix_secs();
    let claims = Claims {
        iss: issuer.to_owned(),
        aud: "did:web:pds.test".to_owned(),
        exp: now + 60,
        iat: Some(now),
        lxm: Some(nsid.to_owned()),
        jti: Some(town.world.entropy.token_hex(8)),
    };
    town.visitor().with_token(&jws::sign(&key(number), &claims))
}

fn takedown(owner: &Owner) -> Value {
    let subject = json!({ "$type": "com.atproto.admin.defs#repoRef", "did": owner.did });
    json!({ "subject": subject, "takedown": { "applied": true, "ref": "case 7" } })
}

on_both_engines! {
    /// The configured service looks accounts up and takes them down, with the
    /// key of its account or that of its labels, each token once.
    async fn the_moderation_service_moderates(town) {
        let alice = town.owner("alice").await;
        trusting(town, MODERATION).await;
        let params = [("did", alice.did.as_str())];
        let once = moderator(town, MODERATION, ACCOUNT_KEY, INFO);
        assert_eq!(once.query(INFO, &params).await.ok()["handle"], json!(alice.handle));
        once.query(INFO, &params).await.refused(401, "NonceNotUnique");
        let labeler = format!("{MODERATION}#atproto_labeler");
        let once = moderator(town, &labeler, LABEL_KEY, UPDATE);
        once.procedure(UPDATE, &takedown(&alice)).await.ok();
        let status = town.visitor().query("com.atproto.sync.getRepoStatus", &params).await.ok();
        assert_eq!(status["status"], "takendown");
    }

    /// Nobody else does, the service only what moderators need, and only with
    /// the right key, for the right method.
    async fn nobody_else_moderates(town) {
        let alice = town.owner("alice").await;
        let params = [("did", alice.did.as_str())];
        let untrusted = moderator(town, MODERATION, ACCOUNT_KEY, INFO);
        untrusted.query(INFO, &params).await.refused(401, "UntrustedIss");
        trusting(town, MODERATION).await;
        let stranger = moderator(town, "did:web:else.test", ACCOUNT_KEY, INFO);
        stranger.query(INFO, &params).await.refused(401, "UntrustedIss");
        let forged = moderator(town, MODERATION, LABEL_KEY, INFO);
        forged.query(INFO, &params).await.refused(401, "BadJwtSignature");
        let other = moderator(town, MODERATION, ACCOUNT_KEY, UPDATE);
        other.query(INFO, &params).await.refused(401, "BadJwtLexiconMethod");
        let deletes = moderator(town, MODERATION, ACCOUNT_KEY, DELETE);
        deletes.procedure(DELETE, &json!({ "did": alice.did })).await.refused(400, "InvalidToken");
        alice.on(town).client.query(INFO, &params).await.refused(400, "InvalidToken");
    }

    /// Where the moderation service's DID lives on this server, its sessions
    /// make no operator: not by a token for this server, not by its proxy.
    async fn an_account_here_is_not_the_service(town) {
        let alice = town.owner("alice").await;
        trusting(town, &alice.did).await;
        let alice = alice.on(town);
        let ask = async |audience: &str, method: &str| {
            let params = [("aud", audience), ("lxm", method)];
            alice.client.query("com.atproto.server.getServiceAuth", &params).await
        };
        for audience in ["did:web:pds.test", "did:web:pds.test#atproto_pds"] {
            ask(audience, INFO).await.refused(400, "InvalidRequest");
            ask(audience, "com.atproto.ADMIN.getAccountInfo").await.refused(400, "InvalidRequest");
        }
        ask("did:web:pds.test", "com.atproto.repo.uploadBlob").await.ok();
        ask("did:web:ozone.test", INFO).await.ok();
        let without = [("aud", "did:web:pds.test")];
        let refused = alice.client.query("com.atproto.server.getServiceAuth", &without).await;
        refused.refused(400, "InvalidRequest");
    }

    /// Whoever got into an account is out after its credentials were revoked;
    /// its owner comes back by a code.
    async fn credentials_are_revoked(town) {
        let alice = town.owner("alice").await;
        let app = json!({ "name": "app" });
        let app = alice.client.procedure("com.atproto.server.createAppPassword", &app).await.ok();
        let revoke = "com.atproto.temp.revokeAccountCredentials";
        let account = json!({ "account": alice.handle });
        town.visitor().procedure(revoke, &account).await.refused(401, "AuthMissing");
        town.admin().procedure(revoke, &account).await.ok_bytes();
        for password in [&json!(alice.password), &app["password"]] {
            let login = json!({ "identifier": alice.did, "password": password });
            let opened = town.visitor().procedure("com.atproto.server.createSession", &login).await;
            opened.refused(401, "AuthenticationRequired");
        }
        let refresh = town.visitor().with_token(&alice.refresh_jwt);
        let refreshed = refresh.call("com.atproto.server.refreshSession", Body::None).await;
        refreshed.refused(400, "ExpiredToken");
        let services = town.server().services();
        let did: Did = alice.did.parse().expect("a DID");
        let account = freehold::store::accounts::find_by_did(&services.store.db, &did).await;
        let id = account.expect("reads").expect("is there").id;
        let purpose = freehold::service::email_tokens::Purpose::ResetPassword;
        let code = services.email_tokens.create(id, purpose).await.expect("a code");
        let reset = json!({ "token": code, "password": "a new one" });
        town.visitor().procedure("com.atproto.server.resetPassword", &reset).await.ok_bytes();
        let login = json!({ "identifier": alice.did, "password": "a new one" });
        town.visitor().procedure("com.atproto.server.createSession", &login).await.ok();
    }
}
