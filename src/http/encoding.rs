//! Bodies that arrive compressed, opened as they are read.
//!
//! `Content-Encoding` names what was done to the body in order; it is undone
//! from the end. Limits are the reader's and count what comes out, so that a
//! small file which grows without end is refused like a large one.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use tower::ServiceExt;
use tower_http::decompression::{DecompressionBody, RequestDecompression};

use super::XrpcError;

/// Encodings on one body. Each costs memory, and nobody needs two.
const ENCODINGS_MAX: usize = 3;

/// Undoes the content encodings that `headers` name.
///
/// # Errors
/// 415 for an encoding other than gzip, deflate and br, or more of them than
/// anybody means.
pub async fn decoded(headers: &HeaderMap, body: Body) -> Result<Body, XrpcError> {
    let encodings = encodings(headers)?;
    let mut body = body;
    for encoding in encodings.into_iter().rev() {
        body = without(encoding, body).await?;
    }
    Ok(body)
}

/// Whether the body is as long as `Content-Length` says once it is read.
pub fn is_plain(headers: &HeaderMap) -> bool {
    encodings(headers).is_ok_and(|encodings| encodings.is_empty())
}

fn encodings(headers: &HeaderMap) -> Result<Vec<String>, XrpcError> {
    let mut encodings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let names = value.to_str().map_err(|_| unsupported("bytes that are not text"))?;
        let names = names.split(',').map(|name| name.trim().to_ascii_lowercase());
        encodings.extend(names.filter(|name| !name.is_empty() && name != "identity"));
    }
    if encodings.len() > ENCODINGS_MAX {
        return Err(unsupported("too many encodings"));
    }
    Ok(encodings)
}

/// Runs a body through tower-http's layer for requests, which knows one
/// encoding at a time, and takes it back out.
async fn without(encoding: String, body: Body) -> Result<Body, XrpcError> {
    let value = HeaderValue::from_str(&encoding).map_err(|_| unsupported(&encoding))?;
    let mut request = Request::new(body);
    request.headers_mut().insert(header::CONTENT_ENCODING, value);
    // Not an async closure: those make the compiler's incremental builds break down.
    let hand_back = tower::service_fn(|request: Request<DecompressionBody<Body>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::new(request.into_body()))))
    });
    let Ok(response) = RequestDecompression::new(hand_back).oneshot(request).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Err(unsupported(&encoding));
    }
    Ok(Body::new(response.into_body()))
}

fn unsupported(what: &str) -> XrpcError {
    XrpcError::unsupported_media_type(format!("Unsupported content encoding: {what}"))
}
