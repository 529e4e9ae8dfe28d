//! Methods that other services answer: the way out of the table.
//!
//! A request for a method that is not in the table is passed on in the name of
//! the calling account, and the answer streams back with a short list of its
//! headers. Whom it goes to and who may send it is decided in
//! `service::proxy`.
//!
//! Spec: <https://atproto.com/specs/xrpc#service-proxying>

use std::io;

use axum::RequestExt;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};

use super::auth::Auth;
use super::error::Retold;
use super::recent::{self, Asked};
use super::{App, XrpcError, encoding};
use crate::atproto::syntax::Nsid;
use crate::service::grants::Access;
use crate::service::proxy::Call;
use crate::service::service_auth;
use crate::world::http::{RequestBody, Streamed};

const PROXY_HEADER: HeaderName = HeaderName::from_static("atproto-proxy");
/// Bytes of a body that is passed on. It is not held, so this is not about
/// memory: somebody has to say when it is enough.
const BODY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Bytes of another service's error that are read.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// Headers of an answer that belong to its body.
const CONTENT_HEADERS: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_LANGUAGE,
];
/// Headers of an answer that are passed back, also with an error.
const PASSED_BACK: [HeaderName; 3] = [
    HeaderName::from_static("atproto-repo-rev"),
    HeaderName::from_static("atproto-content-labelers"),
    header::RETRY_AFTER,
];

/// Passes a request for `method` on and returns the answer.
///
/// # Errors
/// When it is not passed on, or nobody answers.
pub async fn proxy(app: App, method: Nsid, mut request: Request) -> Result<Response, XrpcError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
        let message = "XRPC requests only supports GET and POST";
        return Err(XrpcError::invalid_request(message));
    }
    let named = request.headers().contains_key(PROXY_HEADER);
    if !named && !app.proxy.has_services() {
        return Err(XrpcError::method_not_implemented());
    }
    if service_auth::check_method(&method).is_err() {
        return Err(XrpcError::named("InvalidToken", "Bad token method"));
    }
    request.extensions_mut().insert(Access::Proxy);
    let Auth(actor) = request.extract_parts_with_state(&app).await?;
    let (parts, body) = request.into_parts();
    let body = if parts.method == Method::POST { outgoing(body) } else { RequestBody::Empty };
    let mut call = call(method, parts)?;
    call.feed_generator = recent::feed_generator(&app, &call).await;
    let streamed = app.proxy.forward(&actor, &call, body).await?;
    Ok(Asked { app: &app, actor: &actor, call: &call }.answer(streamed).await)
}

/// Passes a public query about somebody else's data on to the AppView, in
/// nobody's name; nothing where there is no AppView.
///
/// # Errors
/// When nobody answers.
pub async fn ask_appview(
    app: &App,
    method: Nsid,
    parts: Parts,
) -> Result<Option<Response>, XrpcError> {
    let streamed = app.proxy.forward_publicly(&call(method, parts)?).await?;
    match streamed {
        Some(streamed) => Ok(Some(answer(streamed).await)),
        None => Ok(None),
    }
}

fn call(method: Nsid, parts: Parts) -> Result<Call, XrpcError> {
    let proxy_header = match parts.headers.get(PROXY_HEADER) {
        Some(value) => {
            let text = value.to_str();
            let text = text.map_err(|_| XrpcError::invalid_request("invalid proxy header format"));
            Some(text?.to_owned()).filter(|text| !text.is_empty())
        }
        None => None,
    };
    let path = PathAndQuery::from_static("/");
    Ok(Call {
        method,
        verb: parts.method,
        path_and_query: parts.uri.path_and_query().cloned().unwrap_or(path),
        headers: parts.headers,
        proxy_header,
        feed_generator: None,
    })
}

fn outgoing(body: Body) -> RequestBody {
    if body.is_end_stream() {
        return RequestBody::Empty;
    }
    let pieces = Limited::new(body, BODY_BYTES_MAX).into_data_stream();
    RequestBody::Pieces(pieces.map(|piece| piece.map_err(io::Error::other)).boxed())
}

/// Makes the response of what another service answered.
pub(super) async fn answer(streamed: Streamed) -> Response {
    let Streamed { status, headers, body } = streamed;
    if status.is_redirection() {
        return Retold::redirect().into_response();
    }
    let passed_back = passed_back(&headers);
    if status.is_client_error() || status.is_server_error() {
        let said = error_body(&headers, Body::from_stream(body)).await;
        return Retold::new(status, passed_back, &said).into_response();
    }
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    response.headers_mut().extend(passed_back);
    response.headers_mut().extend(picked(&headers, &CONTENT_HEADERS));
    response
}

/// Reads what another service said of its error; nothing, where it cannot be read.
pub(super) async fn error_body(headers: &HeaderMap, body: Body) -> Bytes {
    let Ok(body) = encoding::decoded(headers, body).await else { return Bytes::new() };
    let read = Limited::new(body, ERROR_BYTES_MAX).collect().await;
    read.map(|collected| collected.to_bytes()).unwrap_or_default()
}

/// Picks the headers of an answer that are passed back whatever it is.
pub(super) fn passed_back(headers: &HeaderMap) -> HeaderMap {
    picked(headers, &PASSED_BACK)
}

fn picked(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut picked = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            picked.append(name.clone(), value.clone());
        }
    }
    picked
}
