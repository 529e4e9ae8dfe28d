//! What stands at fixed places: whose a name is, and whose this server is.
//!
//! `/.well-known/atproto-did` answers for the name that the request came to, so
//! that a handle under a domain of this server leads to its account.
//! `/tls-check` answers a reverse proxy that asks before it gets a certificate
//! for a name.
//!
//! Spec: <https://atproto.com/specs/handle#handle-resolution>

use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{App, XrpcError};

/// The places.
pub fn router() -> Router<App> {
    Router::new()
        .route("/.well-known/atproto-did", get(atproto_did))
        .route("/.well-known/did.json", get(did_document))
}

/// Places for machines that are no web pages.
pub fn plain_router() -> Router<App> {
    Router::new().route("/robots.txt", get(robots)).route("/tls-check", get(tls_check))
}

/// Returns the DID of the account whose handle is the name of the request.
async fn atproto_did(State(app): State<App>, request: Request) -> Result<Response, XrpcError> {
    let found = match name_of(&request) {
        Some(name) => app.identity.well_known_did(&name).await.map_err(XrpcError::internal)?,
        None => None,
    };
    Ok(match found {
        Some(did) => did.as_str().to_owned().into_response(),
        None => (StatusCode::NOT_FOUND, "User not found").into_response(),
    })
}

/// Returns the document of this server's own DID, under its own name only.
async fn did_document(State(app): State<App>, request: Request) -> Response {
    let name = name_of(&request).unwrap_or_default();
    let ours = app.host.service_did.as_str().strip_prefix("did:web:");
    let ours = ours.and_then(|host| host.split("%3A").next());
    if ours.is_none_or(|ours| !ours.eq_ignore_ascii_case(&name)) {
        return (StatusCode::NOT_FOUND, "There is no such document").into_response();
    }
    Json(app.identity.own_document().to_json().clone()).into_response()
}

async fn robots() -> &'static str {
    "# Everything here is public; crawlers that follow the protocol are welcome.\n\
     User-agent: *\n\
     Allow: /\n"
}

#[derive(Deserialize)]
struct TlsParams {
    domain: Option<String>,
}

/// Says whether a certificate for `domain` is wanted.
async fn tls_check(State(app): State<App>, Query(params): Query<TlsParams>) -> Response {
    let refused = |status: StatusCode, error: &str, message: &str| {
        (status, Json(json!({ "error": error, "message": message }))).into_response()
    };
    let Some(domain) = params.domain.map(|domain| domain.to_ascii_lowercase()) else {
        let message = "bad or missing domain query param";
        return refused(StatusCode::BAD_REQUEST, "InvalidRequest", message);
    };
    let success = Json(json!({ "success": true })).into_response();
    if domain == app.host.hostname {
        return success;
    }
    match app.identity.well_known_did(&domain).await {
        Ok(Some(_)) => success,
        Ok(None) if app.identity.is_hosted_name(&domain) => {
            refused(StatusCode::NOT_FOUND, "NotFound", "handle not found for this domain")
        }
        Ok(None) => {
            let message = "handles are not provided on this domain";
            refused(StatusCode::BAD_REQUEST, "InvalidRequest", message)
        }
        Err(error) => XrpcError::internal(error).into_response(),
    }
}

/// Returns the name that a request came to, in lower case and without a port.
fn name_of(request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST).map(HeaderValue::to_str);
    let host = match host {
        Some(host) => host.ok()?,
        // HTTP/2 has it in the address.
        None => request.uri().host()?,
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }
    });
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_to_a_name() {
        let check = |host: &str, expected: &str| {
            let request = Request::builder().uri("/").header("host", host);
            let request = request.body(axum::body::Body::empty()).expect("a request");
            assert_eq!(name_of(&request).as_deref(), Some(expected), "{host}");
        };
        check("alice.pds.test", "alice.pds.test");
        check("Alice.PDS.test:443", "alice.pds.test");
        check("alice.pds.test.", "alice.pds.test");
        check("localhost:2583", "localhost");
        let request = Request::builder().uri("http://bob.pds.test:80/x");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        assert_eq!(name_of(&request).as_deref(), Some("bob.pds.test"));
    }
}
