//! Handlers of methods, in rooms by lexicon group.

pub mod server;
pub mod sync;

use axum::Json;
use serde::Serialize;

/// Answer of [`health`].
#[derive(Serialize)]
pub struct Health {
    version: &'static str,
}

/// `/xrpc/_health`: that the server runs, and its version.
pub async fn health() -> Json<Health> {
    Json(Health { version: env!("CARGO_PKG_VERSION") })
}
