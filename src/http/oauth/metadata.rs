//! The documents by which apps find out what this server understands.
//!
//! Spec: <https://atproto.com/specs/oauth#server-metadata>, RFC 8414, RFC 9728

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::App;
use crate::http::pages::LANGUAGES;

/// What signs proofs and assertions that are read here.
const ALGORITHMS: [&str; 2] = ["ES256", "ES256K"];

/// `/.well-known/oauth-protected-resource`: who gives out tokens for this server.
pub async fn protected_resource(State(app): State<App>) -> Json<Value> {
    let origin = &app.host.public_url;
    Json(json!({
        "resource": origin,
        "authorization_servers": [origin],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [],
        "resource_documentation": "https://atproto.com",
    }))
}

/// `/.well-known/oauth-authorization-server`: how that is done.
pub async fn authorization_server(State(app): State<App>) -> Json<Value> {
    let issuer = app.oauth.issuer();
    let at = |path: &str| format!("{issuer}{path}");
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "revocation_endpoint": at("/oauth/revoke"),
        "pushed_authorization_request_endpoint": at("/oauth/par"),
        "jwks_uri": at("/oauth/jwks"),
        "require_pushed_authorization_requests": true,
        "require_request_uri_registration": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": true,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "scopes_supported": [
            "atproto", "transition:generic", "transition:chat.bsky", "transition:email",
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "subject_types_supported": ["public"],
        "ui_locales_supported": LANGUAGES,
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
        "protected_resources": [app.host.public_url],
    }))
}

/// `/oauth/jwks`: the keys that others may verify access tokens with. There are
/// none: only this server reads them.
pub async fn jwks() -> Json<Value> {
    Json(json!({ "keys": [] }))
}
