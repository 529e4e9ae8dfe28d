//! The wire of the embedded did:plc directory, as the network's directory
//! speaks it: plain JSON over HTTP, no XRPC.
//!
//! It listens on a port of its own, because its paths begin with a DID. The
//! rules are in [`crate::service::directory`].
//!
//! Spec: <https://web.plc.directory/api/redoc>

mod export;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};
use serde_json::{Value, json, value::RawValue};
use tower_http::catch_panic::CatchPanicLayer;

use super::{cors, error::DirectoryReply, panic};
use crate::service::directory::{Audited, DidState, Directory};

/// Bytes of an operation in JSON. In CBOR it has at most 4,000; JSON may need
/// six characters for one.
const OPERATION_BYTES_MAX: usize = 32 * 1024;
/// Time for an operation to arrive.
const OPERATION_TIME_MAX: Duration = Duration::from_secs(10);

/// The media type of a DID document.
const DID_DOCUMENT: HeaderValue = HeaderValue::from_static("application/did+ld+json");

/// What this is, for whoever opens it in a browser.
const ABOUT: &str = "This is a did:plc directory, embedded in Freehold.\n\n\
    GET /:did             the DID document\n\
    GET /:did/data        the state behind it\n\
    GET /:did/log         the operations in force\n\
    GET /:did/log/audit   every operation that was accepted\n\
    GET /:did/log/last    the last operation in force\n\
    POST /:did            a signed operation\n\
    GET /export           operations of all DIDs, as JSON lines (?after=&count=)\n";

type Shared = State<Arc<Directory>>;
type Answer<T> = Result<T, DirectoryReply>;

/// Everything the directory answers, as one router.
pub fn router(directory: Arc<Directory>) -> Router {
    Router::new()
        .route("/", get(async || ABOUT))
        .route("/_health", get(health))
        .route("/export", get(export::export))
        .route("/{did}", get(document).post(submit))
        .route("/{did}/data", get(data))
        .route("/{did}/log", get(log))
        .route("/{did}/log/audit", get(audit_log))
        .route("/{did}/log/last", get(last))
        .fallback(DirectoryReply::no_such_path)
        .method_not_allowed_fallback(DirectoryReply::no_such_method)
        .layer(cors::layer())
        .layer(CatchPanicLayer::custom(panic::answer))
        .with_state(directory)
}

async fn health() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn document(State(directory): Shared, Path(did): Path<String>) -> Answer<Response> {
    let document = directory.document(&did).await?;
    let mut response = Json(document.to_json()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, DID_DOCUMENT);
    Ok(response)
}

async fn data(State(directory): Shared, Path(did): Path<String>) -> Answer<Json<DidState>> {
    Ok(Json(directory.state(&did).await?))
}

async fn log(
    State(directory): Shared,
    Path(did): Path<String>,
) -> Answer<Json<Vec<Box<RawValue>>>> {
    Ok(Json(directory.log(&did).await?))
}

async fn audit_log(
    State(directory): Shared,
    Path(did): Path<String>,
) -> Answer<Json<Vec<Audited>>> {
    Ok(Json(directory.audit_log(&did).await?))
}

async fn last(State(directory): Shared, Path(did): Path<String>) -> Answer<Json<Box<RawValue>>> {
    Ok(Json(directory.last(&did).await?))
}

async fn submit(
    State(directory): Shared,
    Path(did): Path<String>,
    body: Body,
) -> Answer<&'static str> {
    let bytes = axum::body::to_bytes(body, OPERATION_BYTES_MAX);
    let bytes = match tokio::time::timeout(OPERATION_TIME_MAX, bytes).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(DirectoryReply::too_large(OPERATION_BYTES_MAX)),
        Err(_) => return Err(DirectoryReply::too_slow()),
    };
    let operation = serde_json::from_slice(&bytes).map_err(DirectoryReply::not_json)?;
    let cid = directory.submit(&did, operation).await?;
    tracing::info!(did, %cid, "Accepted an operation of {did}.");
    Ok("OK")
}
