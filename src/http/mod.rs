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
mod cors;
pub mod directory;
pub mod dispatch;
mod encoding;
pub mod error;
pub mod input;
pub mod limits;
mod log;
pub mod oauth;
pub mod operator;
mod outcome;
mod own_calls;
mod pages;
mod panic;
pub mod params;
mod proxy;
mod recent;
pub mod row;
pub mod serve;
pub mod table;
mod well_known;
pub mod xrpc;

use std::sync::Arc;

use axum::routing::{any, get};
use axum::{Router, middleware};
use http::{HeaderMap, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

use crate::service::Services;

pub use error::XrpcError;
pub use serve::serve;

/// What a handler takes to reach the services: `State(app): State<App>`.
pub type App = Arc<Services>;

/// What a handler answers with.
pub type Answer<T> = Result<axum::Json<T>, XrpcError>;

/// JSON below this size is sent as it is: compressing would cost more.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

/// Everything this server answers, as one router.
pub fn router(app: App) -> Router {
    let methods = Router::new()
        .route("/xrpc/_health", get(xrpc::health))
        .route("/xrpc/", any(dispatch::dispatch))
        .route("/xrpc/{*path}", any(dispatch::dispatch))
        .merge(well_known::router())
        .merge(oauth::router(&app))
        .layer(middleware::from_fn_with_state(app.clone(), oauth::give_nonce))
        .layer(middleware::from_fn_with_state(app.clone(), limits::measure))
        .layer(cors::layer());
    Router::new()
        .merge(methods)
        .merge(
            operator::router().layer(middleware::from_fn_with_state(app.clone(), limits::measure)),
        )
        .merge(well_known::plain_router())
        .merge(pages::router().layer(middleware::from_fn_with_state(app.clone(), limits::measure)))
        .fallback(pages::not_found)
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(app.clone(), log::log_request))
                .layer(CompressionLayer::new().compress_when(compressible()))
                .layer(CatchPanicLayer::custom(panic::answer)),
        )
        .with_state(app)
}

/// Only JSON: blobs are compressed already, and exports are streams whose
/// readers would wait.
fn compressible() -> impl Predicate {
    let json = |_, _, headers: &HeaderMap, _: &http::Extensions| {
        let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
        content_type.is_some_and(|value| value.starts_with(b"application/json"))
    };
    SizeAbove::new(COMPRESSED_BYTES_MIN).and(json)
}
