//! Floor 4: the wire.
//!
//! [`table`] maps each method's NSID to its handler; extractors
//! ([`params`], [`input`], [`auth`]) turn a request into checked values;
//! [`error`] is the only place that knows wire names and statuses of errors;
//! [`serve`] runs the whole on a socket. A handler parses, calls one service
//! and shapes the reply. Nothing here decides policy.
//!
//! Spec: <https://atproto.com/specs/xrpc>

pub mod auth;
pub mod error;
pub mod input;
pub mod params;
pub mod serve;
pub mod table;
pub mod xrpc;

use std::sync::Arc;

use axum::Router;

use crate::service::Services;

pub use error::XrpcError;
pub use serve::serve;

/// What a handler takes to reach the services: `State(services): State<App>`.
pub type App = Arc<Services>;

/// What a handler answers with.
pub type Answer<T> = Result<axum::Json<T>, XrpcError>;

/// Everything this server answers, as one router.
pub fn router(services: App) -> Router {
    Router::new()
        .route("/xrpc/{*path}", axum::routing::any(table::dispatch))
        .with_state(services)
}
