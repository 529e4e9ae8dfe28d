//! What a line of the table is, and how a request finds its line.
//!
//! Whatever holds for every method is done here, around the handler: the path
//! must be an NSID, the HTTP method must be the lexicon's, an answer to a HEAD
//! has no body, answers that depend on the caller are not shared by caches.
//!
//! Spec: <https://atproto.com/specs/xrpc#lexicon-http-endpoints>

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use http_body::Body as _;

use super::table::TABLE;
use super::{App, XrpcError};
use crate::atproto::syntax::Nsid;
use crate::service::grants::Access;

/// Bytes of a body with a few fields.
pub const FIELDS_BYTES_MAX: u64 = 150 * 1024;
/// Bytes of a body that carries records: what clients have learnt to expect.
pub const RECORDS_BYTES_MAX: u64 = 1_000_000;

/// One method: its name, its rules, its handler.
pub struct Row {
    /// The method's NSID, as the protocol spells it.
    pub nsid: &'static str,
    /// What it asks of its caller.
    pub access: Access,
    /// How large its body may be.
    pub body: Body,
    handler: Boxed,
}

/// How large a method's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A few fields of JSON.
    Fields,
    /// JSON that carries records.
    Records,
    /// A blob, as large as the operator allows.
    Blob,
    /// A repository to import, as large as the operator allows.
    Repository,
}

impl Body {
    /// Bytes beyond which a body is refused.
    pub fn bytes_max(self, app: &App) -> u64 {
        match self {
            Body::Fields => FIELDS_BYTES_MAX,
            Body::Records => RECORDS_BYTES_MAX,
            Body::Blob => app.uploads.blob_bytes_max,
            Body::Repository => app.uploads.repository_bytes_max,
        }
    }
}

type Reply = Pin<Box<dyn Future<Output = Response> + Send>>;
type Boxed = Box<dyn Fn(Request, App) -> Reply + Send + Sync>;

/// Makes a line of the table.
pub fn row<H, T>(nsid: &'static str, access: Access, handler: H) -> Row
where
    H: Handler<T, App> + Sync,
    T: 'static,
{
    let handler: Boxed = Box::new(move |request, app| Box::pin(handler.clone().call(request, app)));
    Row {
        nsid,
        access,
        body: Body::Fields,
        handler,
    }
}

impl Row {
    /// Gives the line another size of body.
    pub fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// The line of the request in hand.
    ///
    /// # Errors
    /// An internal error outside the methods of the table.
    pub fn of(parts: &Parts) -> Result<&'static Row, XrpcError> {
        let row = parts.extensions.get::<&'static Row>().copied();
        row.ok_or_else(|| XrpcError::internal("an extractor of XRPC methods ran outside the table"))
    }

    async fn answer(&'static self, mut request: Request, app: App) -> Response {
        request.extensions_mut().insert(self);
        let head = request.method() == http::Method::HEAD;
        let mut response = (self.handler)(request, app).await;
        if self.access.depends_on_caller() {
            keep_from_shared_caches(&mut response);
        }
        if head {
            without_body(response)
        } else {
            response
        }
    }
}

/// The lines of the table by NSID.
pub struct Table {
    rows: HashMap<&'static str, Row>,
}

impl Table {
    /// Collects lines.
    pub fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        Self {
            rows: rows.into_iter().map(|row| (row.nsid, row)).collect(),
        }
    }

    /// All lines, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }
}

/// Takes a request under `/xrpc/` to its method.
pub async fn dispatch(State(app): State<App>, request: Request) -> Response {
    let Some(nsid) = nsid_of(request.uri().path()) else {
        return XrpcError::invalid_request("invalid xrpc path").into_response();
    };
    match TABLE.rows.get(nsid.as_str()) {
        Some(row) => row.answer(request, app).await,
        None => XrpcError::method_not_implemented().into_response(),
    }
}

/// The NSID of `/xrpc/<nsid>`, which may end in one slash.
fn nsid_of(path: &str) -> Option<Nsid> {
    let name = path.strip_prefix("/xrpc/")?;
    Nsid::new(name.strip_suffix('/').unwrap_or(name).to_owned()).ok()
}

fn keep_from_shared_caches(response: &mut Response) {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private"));
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
}

/// What HEAD answers: everything a GET would, without the body.
fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| axum::body::Body::empty());
    if let Some(length) = length {
        response
            .headers_mut()
            .entry(header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    response
}
