//! Cross-origin rules: any web page may call the methods, none may use a
//! visitor's cookies for it.

use std::time::Duration;

use http::HeaderName;
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer};

/// How long a browser may remember the answer to its question beforehand.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Headers of an answer that scripts of other origins may read.
const EXPOSED: [&str; 11] = [
    "atproto-content-labelers",
    "atproto-repo-rev",
    "atproto-upstream-lag",
    "content-disposition",
    "dpop-nonce",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "www-authenticate",
];

/// The layer around `/xrpc` and `/.well-known`. Never around pages that a
/// person signs in on.
pub fn layer() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        // A wildcard would not cover `Authorization`, so what is asked for is
        // named back.
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(PREFLIGHT_AGE)
        // With any origin allowed, no answer depends on who asks.
        .vary([])
}
