//! One line per request: what was asked, how it ended, how long it took.
//!
//! Never who asked, never the query, a header or a body: those hold tokens
//! and private things.

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

/// Characters of a path that are logged: no method's is longer.
const PATH_CHARS_MAX: usize = 400;

/// Logs a request when its answer begins.
pub async fn log_request(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let duration_ms = began.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(path, status, duration_ms, "{method} {path} was answered {status}.");
    response
}
