//! What a line of the table is: a method's name, its rules, its handler.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use axum::extract::{FromRequestParts, Request};
use axum::handler::Handler;
use axum::response::Response;
use http::request::Parts;

use super::{App, XrpcError};
use crate::atproto::lexicon::{self, Catalog, MethodKind};
use crate::atproto::syntax::Nsid;
use crate::service::grants::Access;
use crate::service::rates::Bucket;

/// Bytes of a body with a few fields.
pub const FIELDS_BYTES_MAX: u64 = 150 * 1024;
/// Bytes of a body that carries records: what clients have learnt to expect.
pub const RECORDS_BYTES_MAX: u64 = 1_000_000;

/// One method.
pub struct Row {
    /// The method's NSID.
    pub nsid: Nsid,
    /// Whether it reads, writes or streams.
    pub kind: Kind,
    /// The body it takes, by its lexicon.
    pub input: Option<&'static lexicon::Body>,
    /// The body it answers with, by its lexicon.
    pub output: Option<&'static lexicon::Body>,
    /// What it asks of its caller.
    pub access: Access,
    /// How large its body may be.
    pub body: Body,
    /// What one call takes from a bucket of the rates.
    pub price: Option<Price>,
    handler: Boxed,
}

/// What one call of a method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// From where.
    pub bucket: Bucket,
    /// How much.
    pub points: u32,
}

/// Whether a method reads, writes or streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A GET.
    Query,
    /// A POST.
    Procedure,
    /// A WebSocket, which begins as a GET.
    Subscription,
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

type Reply = Pin<Box<dyn Future<Output = Response> + Send>>;
type Boxed = Box<dyn Fn(Request, App) -> Reply + Send + Sync>;

/// Makes a line of the table from an NSID that a bundled lexicon defines.
pub fn row<H, T>(nsid: &'static str, access: Access, handler: H) -> Row
where
    H: Handler<T, App> + Sync,
    T: 'static,
{
    let nsid = Nsid::new(nsid.to_owned()).expect("the table names methods by valid NSIDs");
    let (kind, input, output) = match Catalog::bundled().method(&nsid) {
        Some(method) => (Kind::of(method.kind), method.input.as_ref(), method.output.as_ref()),
        None => (Kind::Subscription, None, None),
    };
    let handler: Boxed = Box::new(move |request, app| Box::pin(handler.clone().call(request, app)));
    Row { nsid, kind, input, output, access, body: Body::Fields, price: None, handler }
}

/// The method that is being called.
pub struct Called(pub &'static Nsid);

impl FromRequestParts<App> for Called {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        Ok(Self(&Row::of(parts)?.nsid))
    }
}

impl Row {
    /// Gives the line another size of body.
    pub fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// Has each call take one point from a bucket.
    pub fn counts(self, bucket: Bucket) -> Self {
        self.costs(1, bucket)
    }

    /// Has each call take points from a bucket.
    pub fn costs(self, points: u32, bucket: Bucket) -> Self {
        Self { price: Some(Price { bucket, points }), ..self }
    }

    /// The line of the request in hand.
    ///
    /// # Errors
    /// An internal error outside the methods of the table.
    pub fn of(parts: &Parts) -> Result<&'static Row, XrpcError> {
        let row = parts.extensions.get::<&'static Row>().copied();
        row.ok_or_else(|| XrpcError::internal("an extractor of XRPC methods ran outside the table"))
    }

    /// Runs the handler.
    pub async fn call(&self, request: Request, app: App) -> Response {
        (self.handler)(request, app).await
    }
}

impl Kind {
    /// The HTTP method with which it is called.
    pub fn verb(self) -> http::Method {
        match self {
            Kind::Query | Kind::Subscription => http::Method::GET,
            Kind::Procedure => http::Method::POST,
        }
    }

    fn of(kind: MethodKind) -> Self {
        match kind {
            MethodKind::Query => Kind::Query,
            MethodKind::Procedure => Kind::Procedure,
        }
    }
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

/// The lines of the table by NSID.
pub struct Table {
    rows: HashMap<Nsid, Row>,
}

impl Table {
    /// Collects lines.
    pub fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        Self { rows: rows.into_iter().map(|row| (row.nsid.clone(), row)).collect() }
    }

    /// The line of a method.
    pub fn find(&self, nsid: &Nsid) -> Option<&Row> {
        self.rows.get(nsid)
    }

    /// All lines, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }
}
