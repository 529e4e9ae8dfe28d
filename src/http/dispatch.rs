//! How a request finds its line of the table, and what holds for all of them.
//!
//! Around every handler: the path must be an NSID, the HTTP method must be the
//! lexicon's, a body where none belongs is refused, an answer to a HEAD has no
//! body, answers that depend on the caller are not shared by caches.
//!
//! Spec: <https://atproto.com/specs/xrpc#lexicon-http-endpoints>

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use http_body::Body as _;

use super::input::refuse_body;
use super::limits::Meter;
use super::proxy::proxy;
use super::row::{Kind, Row};
use super::table::TABLE;
use super::{App, XrpcError, outcome};
use crate::atproto::syntax::Nsid;
use crate::service::rates::{Bucket, Subject};

/// Takes a request under `/xrpc/` to its method.
pub async fn dispatch(State(app): State<App>, request: Request) -> Response {
    let Some(nsid) = nsid_of(request.uri().path()) else {
        return XrpcError::invalid_request("invalid xrpc path").into_response();
    };
    match TABLE.find(&nsid) {
        Some(row) => answer(row, request, app).await,
        None => passed_on(nsid, request, app).await,
    }
}

/// What another service answers.
async fn passed_on(nsid: Nsid, request: Request, app: App) -> Response {
    let head = request.method() == http::Method::HEAD;
    let answer = match Meter::of(request.extensions()).spend_by_address(Bucket::Requests, 1) {
        Ok(()) => proxy(app, nsid, request).await,
        Err(error) => Err(error),
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    keep_from_shared_caches(&mut response);
    if head { without_body(response) } else { response }
}

/// The NSID of `/xrpc/<nsid>`, which may end in one slash.
fn nsid_of(path: &str) -> Option<Nsid> {
    let name = path.strip_prefix("/xrpc/")?;
    Nsid::new(name.strip_suffix('/').unwrap_or(name).to_owned()).ok()
}

async fn answer(row: &'static Row, request: Request, app: App) -> Response {
    let head = request.method() == http::Method::HEAD;
    let response = match admitted(row, request).await {
        Ok(request) => row.call(request, app).await,
        Err(error) => error.into_response(),
    };
    let mut response = outcome::checked(row, response).await;
    if row.access.depends_on_caller() {
        keep_from_shared_caches(&mut response);
    }
    if head { without_body(response) } else { response }
}

/// The request, if its shape is the method's.
async fn admitted(row: &'static Row, request: Request) -> Result<Request, XrpcError> {
    count(row, &Meter::of(request.extensions()))?;
    let expected = row.kind.verb();
    let given = request.method();
    if row.kind == Kind::Subscription && given != expected {
        return Err(XrpcError::method_not_allowed());
    }
    if given != expected && !(given == http::Method::HEAD && expected == http::Method::GET) {
        let message = format!("Incorrect HTTP method ({given}) expected {expected}");
        return Err(XrpcError::invalid_request(message));
    }
    let mut request = match row.input {
        Some(_) => request,
        None => refuse_body(request).await?,
    };
    request.extensions_mut().insert(row);
    Ok(request)
}

/// Takes what the request costs its address; what it costs its account is
/// taken when that is known.
fn count(row: &Row, meter: &Meter) -> Result<(), XrpcError> {
    // Archives have a bucket in place of that of all requests.
    if row.price.is_none_or(|price| price.bucket != Bucket::Archives) {
        meter.spend_by_address(Bucket::Requests, 1)?;
    }
    match row.price.filter(|price| price.bucket.subject() == Subject::Address) {
        Some(price) => meter.spend_by_address(price.bucket, price.points),
        None => Ok(()),
    }
}

fn keep_from_shared_caches(response: &mut Response) {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
}

/// What HEAD answers: everything a GET would, without the body.
fn without_body(response: Response) -> Response {
    let Some(length) = response.body().size_hint().exact() else {
        // Of a length that is not known, as the GET's; an empty body would say
        // that it is 0.
        let nothing = futures_util::stream::empty::<Result<bytes::Bytes, std::io::Error>>();
        return response.map(|_| axum::body::Body::from_stream(nothing));
    };
    let mut response = response.map(|_| axum::body::Body::empty());
    response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_does_not_call_a_stream_empty() {
        let bytes = bytes::Bytes::from_static(b"something");
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes.clone())]);
        let streamed = without_body(Response::new(axum::body::Body::from_stream(stream)));
        assert_eq!(streamed.body().size_hint().exact(), None);
        assert_eq!(streamed.headers().get(header::CONTENT_LENGTH), None);
        let whole = without_body(Response::new(axum::body::Body::from(bytes)));
        assert_eq!(whole.headers()[header::CONTENT_LENGTH], "9");
    }

    #[test]
    fn a_path_names_a_method_by_its_nsid() {
        let check = |path: &str, expected: Option<&str>| {
            let nsid = nsid_of(path);
            assert_eq!(nsid.as_ref().map(|nsid| nsid.as_str()), expected, "{path}");
        };
        check("/xrpc/com.example.read", Some("com.example.read"));
        check("/xrpc/com.example.read/", Some("com.example.read"));
        check("/xrpc/com.example.read//", None);
        check("/xrpc/com.example.read/more", None);
        check("/xrpc/", None);
        check("/xrpc/word", None);
        check("/xrpc/com.example.%72ead", None);
    }
}
