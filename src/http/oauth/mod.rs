//! The authorization server on the wire: documents about it, and the addresses
//! that apps talk to. What people see stands in `http/pages`.
//!
//! Spec: <https://atproto.com/specs/oauth>

mod endpoints;
mod form;
mod metadata;
mod nonce;

use axum::routing::{get, post};
use axum::{Router, middleware};

use super::App;
use super::error::OAuthReply;

pub use form::FormBody;
pub(in crate::http) use form::{of_pairs, read as read_form};
pub use nonce::{give_nonce, proof, shown_url};

/// What apps ask and tell.
pub fn router(app: &App) -> Router<App> {
    let endpoints = Router::new()
        .route("/oauth/par", post(endpoints::par))
        .route("/oauth/token", post(endpoints::token))
        .route("/oauth/revoke", post(endpoints::revoke))
        .method_not_allowed_fallback(OAuthReply::no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), give_nonce));
    Router::new()
        .route("/oauth/jwks", get(metadata::jwks))
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/oauth-protected-resource", get(metadata::protected_resource))
        .merge(endpoints)
}
