//! An app that acts for people: a client of the authorization server.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use freehold::atproto::compact::{self, Header};
use freehold::atproto::crypto::{Curve, SigningKey};
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Client, Town};

/// The address under which the town's server is known.
pub const ORIGIN: &str = "https://pds.test";
/// What every app of these tests verifies its codes with.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The challenge of that.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An app.
pub struct App {
    /// Its `client_id`.
    pub id: String,
    /// Where it wants browsers to be sent to.
    pub redirect_uri: String,
    /// How it reaches the server.
    client: Client,
    /// The key of its tokens.
    pub dpop_key: SigningKey,
    /// The key with which it proves who it is.
    pub client_key: Option<SigningKey>,
    /// The last nonce that it was given.
    nonce: Mutex<Option<String>>,
    seconds: i64,
}

/// What an app was given.
#[derive(Clone, Debug)]
pub struct Granted {
    /// For requests.
    pub access: String,
    /// For the next ones.
    pub refresh: String,
    /// The scopes.
    pub scope: String,
    /// Whose they are.
    pub did: String,
}

impl Town {
    /// An app that cannot prove who it is, under a host of its own.
    pub fn public_app(&self, host: &str, scope: &str) -> App {
        let mut document = document(host, scope);
        document["token_endpoint_auth_method"] = json!("none");
        self.app(host, &document, None)
    }

    /// An app that can.
    pub fn confidential_app(&self, host: &str, scope: &str) -> App {
        let key = key(9);
        let mut document = document(host, scope);
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["token_endpoint_auth_signing_alg"] = json!("ES256");
        document["jwks"] = json!({ "keys": [jwk(&key, Some("one"))] });
        self.app(host, &document, Some(key))
    }

    /// Publishes a document and returns its app.
    pub fn app(&self, host: &str, document: &Value, client_key: Option<SigningKey>) -> App {
        let id = format!("https://{host}/client.json");
        self.publish(&id, document);
        App {
            id,
            redirect_uri: format!("https://{host}/callback"),
            client: self.visitor(),
            dpop_key: key(7),
            client_key,
            nonce: Mutex::default(),
            seconds: self.world.clock.now().unix_secs(),
        }
    }

    /// Puts JSON where an address leads to.
    pub fn publish(&self, url: &str, document: &Value) {
        self.world.http.answer(url, 200, "application/json", document.to_string());
    }
}

/// What an app says about itself.
pub fn document(host: &str, scope: &str) -> Value {
    json!({
        "client_id": format!("https://{host}/client.json"),
        "application_type": "web",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": scope,
        "response_types": ["code"],
        "redirect_uris": [format!("https://{host}/callback")],
        "dpop_bound_access_tokens": true,
        "client_name": "An <b>app</b>",
        "client_uri": format!("https://{host}/"),
    })
}

/// A key that follows from a number.
pub fn key(number: u8) -> SigningKey {
    SigningKey::from_secret(Curve::P256, &[number; 32]).expect("a secret")
}

/// The public part of a key as JSON.
pub fn jwk(key: &SigningKey, kid: Option<&str>) -> Value {
    let point = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.public().as_bytes());
    let point = point.expect("a point").to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    let text = |bytes| BASE64URL_NOPAD.encode(bytes);
    let mut jwk = json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) });
    if let Some(kid) = kid {
        jwk["kid"] = json!(kid);
    }
    jwk
}

/// Signs a JWT.
pub fn signed(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let header: Header = serde_json::from_value(header.clone()).expect("a header");
    compact::write(&header, claims, |message| key.sign(message))
}

impl App {
    /// Returns the same app as its developer would run it later, or elsewhere.
    pub fn on(&self, town: &Town) -> Self {
        Self {
            id: self.id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            client: town.visitor(),
            dpop_key: self.dpop_key.clone(),
            client_key: self.client_key.clone(),
            nonce: Mutex::new(self.nonce.lock().clone()),
            seconds: town.world.clock.now().unix_secs(),
        }
    }

    /// A name that no other proof or assertion has.
    pub fn fresh_name(&self) -> String {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        format!("name-{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    /// What a proof of this app claims.
    pub fn proof_claims(&self, method: &str, url: &str, token: Option<&str>) -> Value {
        let mut claims = json!({
            "jti": self.fresh_name(), "htm": method, "htu": url, "iat": self.seconds,
        });
        if let Some(nonce) = &*self.nonce.lock() {
            claims["nonce"] = json!(nonce);
        }
        if let Some(token) = token {
            let digest = Sha256::digest(token.as_bytes());
            claims["ath"] = json!(BASE64URL_NOPAD.encode(&digest));
        }
        claims
    }

    /// Signs a proof.
    pub fn sign_proof(&self, claims: &Value) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&self.dpop_key, None) });
        signed(&header, claims, &self.dpop_key)
    }

    /// What an assertion of this app claims.
    pub fn assertion_claims(&self) -> Value {
        json!({
            "iss": self.id, "sub": self.id, "aud": ORIGIN, "jti": self.fresh_name(),
            "iat": self.seconds, "exp": self.seconds + 60,
        })
    }

    /// The fields by which this app says who it is.
    pub fn identity(&self) -> Vec<(String, String)> {
        let mut fields = vec![("client_id".to_owned(), self.id.clone())];
        if let Some(key) = &self.client_key {
            let header = json!({ "typ": "JWT", "alg": "ES256", "kid": "one" });
            let assertion = signed(&header, &self.assertion_claims(), key);
            fields.push(("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned()));
            fields.push(("client_assertion".to_owned(), assertion));
        }
        fields
    }

    /// Sends a form to an endpoint, with a proof; once more, where the server
    /// wants its nonce.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut answer = self.post_as(path, self.identity(), fields, None).await;
        if !answer.status.is_success() && answer.json()["error"] == "use_dpop_nonce" {
            answer = self.post_as(path, self.identity(), fields, None).await;
        }
        answer
    }

    /// Sends a form once, with what says who the app is and with any proof.
    pub async fn post_as(
        &self,
        path: &str,
        identity: Vec<(String, String)>,
        fields: &[(&str, &str)],
        proof: Option<String>,
    ) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(identity);
        form.extend_pairs(fields);
        let url = format!("{ORIGIN}{path}");
        let proof =
            proof.unwrap_or_else(|| self.sign_proof(&self.proof_claims("POST", &url, None)));
        let request = self
            .client
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("dpop", proof)
            .body(form.finish());
        let answer = self.client.send(path, request).await;
        self.note(&answer);
        answer
    }

    fn note(&self, answer: &Answer) {
        let nonce = answer.header("dpop-nonce");
        if !nonce.is_empty() {
            *self.nonce.lock() = Some(nonce.to_owned());
        }
    }

    /// The fields of a request for authorization.
    pub fn wish<'f>(&'f self, scope: &'f str) -> Vec<(&'f str, &'f str)> {
        vec![
            ("response_type", "code"),
            ("redirect_uri", &self.redirect_uri),
            ("scope", scope),
            ("state", "a state & more"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
    }

    /// Pushes a request, and returns the path to which it sends a browser.
    pub async fn push(&self, scope: &str, more: &[(&str, &str)]) -> String {
        let mut fields = self.wish(scope);
        fields.extend(more);
        let pushed = self.post("/oauth/par", &fields).await;
        assert_eq!(pushed.status.as_u16(), 201);
        self.path_of(pushed.ok()["request_uri"].as_str().expect("a request_uri"))
    }

    /// Where a browser goes with a `request_uri`.
    pub fn path_of(&self, request_uri: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.id)
            .append_pair("request_uri", request_uri)
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", VERIFIER),
        ];
        self.post("/oauth/token", &fields).await
    }

    /// Goes on with a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/oauth/token", &fields).await
    }

    /// Calls a query for somebody.
    pub async fn query(&self, access: &str, nsid: &str, params: &[(&str, &str)]) -> Answer {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let target = format!("{nsid}?{query}");
        self.call(access, target.trim_end_matches('?'), |request| request, Method::GET).await
    }

    /// Calls a procedure for somebody.
    pub async fn procedure(&self, access: &str, nsid: &str, input: &Value) -> Answer {
        let text = input.to_string();
        let with_body = |request: reqwest::RequestBuilder| {
            request.header(CONTENT_TYPE, "application/json").body(text.clone())
        };
        self.call(access, nsid, with_body, Method::POST).await
    }

    /// Calls a method for somebody; once more, where the server wants its nonce.
    pub async fn call(
        &self,
        access: &str,
        target: &str,
        finish: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
        method: Method,
    ) -> Answer {
        let path = format!("/xrpc/{target}");
        let nsid = target.split('?').next().unwrap_or(target);
        let send = async || {
            let url = format!("{ORIGIN}/xrpc/{nsid}");
            let claims = self.proof_claims(method.as_str(), &url, Some(access));
            let request = self
                .client
                .request(method.clone(), &path)
                .header("authorization", format!("DPoP {access}"))
                .header("dpop", self.sign_proof(&claims));
            let answer = self.client.send(nsid, finish(request)).await;
            self.note(&answer);
            answer
        };
        let answer = send().await;
        match answer.header("www-authenticate").contains("use_dpop_nonce") {
            true => send().await,
            false => answer,
        }
    }
}

impl Granted {
    /// Reads the answer of the token endpoint.
    pub fn of(answer: &Answer) -> Self {
        let json = answer.ok();
        assert_eq!(json["token_type"], "DPoP");
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            scope: text("scope"),
            did: text("sub"),
        }
    }
}
