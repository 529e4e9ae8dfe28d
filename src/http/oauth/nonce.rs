//! DPoP on the wire: its nonce goes out with each answer, its proof comes in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::http::App;

/// Where the next nonce stands.
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Where a proof stands.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Adds the nonce that the next proof must carry, for whoever may prove
/// something.
pub async fn give_nonce(State(app): State<App>, request: Request, next: Next) -> Response {
    let needs = request.uri().path().starts_with("/oauth/") || is_bound(request.headers());
    let mut response = next.run(request).await;
    if needs && let Ok(nonce) = HeaderValue::from_str(&app.oauth.nonce()) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
    }
    response
}

/// The one proof of a request; nothing where there is none, or more than one.
pub fn proof(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(DPOP).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The address of a request as its client sees it.
pub fn shown_url(app: &App, uri: &Uri) -> String {
    format!("{}{}", app.host.public_url, uri.path())
}

/// Whether a request carries a token that is bound to a key.
fn is_bound(headers: &HeaderMap) -> bool {
    let token = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    headers.contains_key(DPOP)
        || token.is_some_and(|token| token.len() > 5 && token[..5].eq_ignore_ascii_case(b"dpop "))
}
