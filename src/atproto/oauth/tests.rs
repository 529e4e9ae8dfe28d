//! Clients as the specification allows them, and as it does not.

use serde_json::{Value, json};

use super::client::{Application, Authentication, Client, Refreshes};
use super::client_id::ClientId;
use super::redirect::RedirectUri;

const ID: &str = "https://app.example.com/oauth/client.json";

fn document() -> Value {
    json!({
        "client_id": ID,
        "application_type": "web",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "atproto repo:* include:com.example.basic",
        "response_types": ["code"],
        "redirect_uris": ["https://app.example.com/callback"],
        "dpop_bound_access_tokens": true,
        "token_endpoint_auth_method": "none",
        "client_name": "An <b>App</b>",
        "client_uri": "https://app.example.com/about",
        "logo_uri": "https://cdn.example.net/logo.png",
    })
}

fn read(document: &Value) -> Result<Client, String> {
    let id = ClientId::parse(ID).expect("a name");
    Client::read(ID, &id, document).map_err(|error| error.to_string())
}

#[test]
fn a_client_is_named_by_the_address_of_its_document() {
    assert!(matches!(ClientId::parse(ID), Ok(ClientId::Address(_))));
    for id in [
        "http://app.example.com/client.json",
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/client/",
        "https://app.example.com:8443/client.json",
        "https://app.example.com:443/client.json",
        "https://app.example.com/client.json#a",
        "https://app.example.com/client.json#",
        "https://user@app.example.com/client.json",
        "https://@app.example.com/client.json",
        "https://192.0.2.1/client.json",
        "https://[2001:db8::1]/client.json",
        "https://3221225985/client.json",
        "https://host/client.json",
        "https://localhost/client.json",
        "https://app.example.com./client.json",
        "https://app.example.com/a/../client.json",
        "https://app.example.com/./client.json",
        "https://app.example.com/a/%2e%2e/client.json",
        "https://APP.example.com/client.json",
        "https://app.example.com/cli ent.json",
        "https:/app.example.com/client.json",
        "did:web:app.example.com",
        "app",
        "",
        "http://localhost:3000",
        "http://localhost/path",
        "http://localhost?other=1",
        "http://localhost?scope=atproto&scope=atproto",
        "http://localhost#a",
        "http://localhost.example.com/client.json",
        "http://127.0.0.1/",
    ] {
        assert!(ClientId::parse(id).is_err(), "{id}");
    }
}

#[test]
fn a_client_under_development_says_everything_in_its_name() {
    let read = |text: &str| match ClientId::parse(text) {
        Ok(ClientId::Localhost { redirect_uris, scope }) => (redirect_uris.join(" "), scope),
        other => panic!("{text}: {other:?}"),
    };
    let check = |text: &str, redirects: &str, scope: &str| {
        assert_eq!(read(text), (redirects.to_owned(), scope.to_owned()), "{text}");
    };
    check("http://localhost", "http://127.0.0.1/ http://[::1]/", "atproto");
    check("http://localhost/", "http://127.0.0.1/ http://[::1]/", "atproto");
    check(
        "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&redirect_uri=http://[::1]/cb&scope=atproto+repo:*",
        "http://127.0.0.1/cb http://[::1]/cb",
        "atproto repo:*",
    );
    check(
        "http://localhost/?scope=atproto%20blob:*/*",
        "http://127.0.0.1/ http://[::1]/",
        "atproto blob:*/*",
    );
}

#[test]
fn a_document_is_read() {
    let client = read(&document()).expect("a client");
    assert_eq!(client.name.as_deref(), Some("An <b>App</b>"));
    assert_eq!(client.scopes, ["atproto", "repo:*", "include:com.example.basic"]);
    assert_eq!(client.host(), "app.example.com");
    assert_eq!((client.refreshes, client.is_confidential()), (Refreshes::Yes, false));
    assert!(client.admits_redirect("https://app.example.com/callback"));
    assert!(!client.admits_redirect("https://app.example.com/callback?a=b"));
}

#[test]
fn a_document_that_says_what_is_not_allowed_is_refused() {
    let check = |field: &str, value: Value, expected: &str| {
        let mut document = document();
        document[field] = value.clone();
        let refused = read(&document).expect_err("it is not allowed");
        assert!(refused.contains(expected), "{field} {value}: {refused}");
    };
    check("client_id", json!("https://other.example.com/client.json"), "client_id");
    check("client_id", json!(null), "client_id");
    check("application_type", json!("robot"), "application_type");
    check("grant_types", json!(["implicit"]), "grant_types");
    check("grant_types", json!(["refresh_token"]), "grant_types");
    check("grant_types", json!(["authorization_code", "authorization_code"]), "grant_types");
    check("scope", json!("repo:*"), "scope");
    check("scope", json!("atproto atproto"), "scope");
    check("scope", json!(null), "scope");
    check("response_types", json!(["token"]), "response_types");
    check("redirect_uris", json!([]), "redirect_uris");
    check("redirect_uris", json!("https://app.example.com/callback"), "invalid type");
    check("dpop_bound_access_tokens", json!(false), "dpop_bound_access_tokens");
    check("token_endpoint_auth_method", json!(null), "token_endpoint_auth_method");
    check("token_endpoint_auth_method", json!("client_secret_basic"), "token_endpoint_auth_method");
    check(
        "token_endpoint_auth_method",
        json!("private_key_jwt"),
        "token_endpoint_auth_signing_alg",
    );
    check("token_endpoint_auth_signing_alg", json!("ES256"), "private_key_jwt only");
    check("client_name", json!("a\u{7}b"), "client_name");
    check("client_name", json!("a".repeat(201)), "client_name");
    check("client_uri", json!("https://bank.example/"), "client_uri");
    check("logo_uri", json!("javascript:alert(1)"), "logo_uri");
    check("tos_uri", json!("http://app.example.com/terms"), "tos_uri");
}

#[test]
fn a_confidential_client_has_keys_of_its_own() {
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let mut confidential = document();
    confidential["token_endpoint_auth_method"] = json!("private_key_jwt");
    confidential["token_endpoint_auth_signing_alg"] = json!("ES256");
    let with = |field: &str, value: Value| {
        let mut document = confidential.clone();
        document[field] = value;
        document
    };
    assert!(read(&confidential).expect_err("no keys").contains("jwks"));
    let here = read(&with("jwks", json!({ "keys": [key] }))).expect("a client");
    assert!(here.is_confidential());
    let there = read(&with("jwks_uri", json!("https://app.example.com/jwks.json")));
    assert!(matches!(there.expect("a client").authentication, Authentication::Key(_)));
    assert!(read(&with("jwks_uri", json!("http://app.example.com/jwks.json"))).is_err());
    assert!(read(&with("jwks", json!({ "keys": [] }))).is_err());
    let mut both = with("jwks", json!({ "keys": [key] }));
    both["jwks_uri"] = json!("https://app.example.com/jwks.json");
    assert!(read(&both).is_err());
    let mut native = with("jwks", json!({ "keys": [key] }));
    native["application_type"] = json!("native");
    assert!(read(&native).is_err());
}

#[test]
fn a_redirect_uri_is_one_that_its_client_may_have() {
    let id = ClientId::parse(ID).expect("a name");
    let check = |text: &str, web: bool, native: bool| {
        for (application, allowed) in [(Application::Web, web), (Application::Native, native)] {
            let judged = RedirectUri::declared(text, &id, application);
            assert_eq!(judged.is_ok(), allowed, "{application:?} {text}: {judged:?}");
        }
    };
    check("https://app.example.com/callback", true, true);
    check("https://app.example.com:8443/callback", true, false);
    check("https://other.example.net/callback", true, false);
    check("https://app.example.com:443/callback", false, false);
    check("https://app.example.com/callback#a", false, false);
    check("https://user@app.example.com/callback", false, false);
    check("https://localhost/callback", false, false);
    check("https://intranet/callback", false, false);
    check("https://192.168.0.1/callback", false, false);
    check("http://app.example.com/callback", false, false);
    check("http://localhost/callback", false, false);
    check("http://127.0.0.1/callback", false, true);
    check("http://127.0.0.1:4000/callback", false, true);
    check("http://[::1]/callback", false, true);
    check("https://127.0.0.1/callback", false, false);
    check("com.example.app:/callback", false, true);
    check("com.example.app://callback", false, false);
    check("com.example.app:callback", false, false);
    check("com.example.other:/callback", false, false);
    check("app:/callback", false, false);
    check("javascript:alert(1)", false, false);
    check("data:text/html,x", false, false);
    check("callback", false, false);
}

#[test]
fn a_request_names_a_declared_redirect_uri_to_the_letter() {
    let id = ClientId::parse(ID).expect("a name");
    let check = |declared: &str, asked: &str, admitted: bool| {
        let declared = RedirectUri::declared(declared, &id, Application::Native).expect("allowed");
        assert_eq!(declared.admits(asked), admitted, "{declared:?} {asked}");
    };
    check("https://app.example.com/cb", "https://app.example.com/cb", true);
    check("https://app.example.com/cb", "https://app.example.com/cb/", false);
    check("https://app.example.com/cb", "https://app.example.com/cb?x=1", false);
    check("https://app.example.com/cb", "https://APP.example.com/cb", false);
    check("https://app.example.com/cb", "https://app.example.com:443/cb", false);
    check("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", true);
    check("http://127.0.0.1/cb", "http://127.0.0.1:51234/other", false);
    check("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb?x=1", false);
    check("http://127.0.0.1/cb", "http://user@127.0.0.1:51234/cb", false);
    check("http://127.0.0.1/cb", "http://127.0.0.2:51234/cb", false);
    check("http://127.0.0.1/cb", "http://[::1]:51234/cb", false);
    check("http://127.0.0.1:4000/cb", "http://127.0.0.1:4001/cb", false);
    check("http://127.0.0.1:4000/cb", "http://127.0.0.1:4000/cb", true);
    check("com.example.app:/cb", "com.example.app:/cb", true);
    check("com.example.app:/cb", "com.example.app:/other", false);
}
