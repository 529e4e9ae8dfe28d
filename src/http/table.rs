//! THE TABLE: every method this server answers itself, one line each.
//!
//! A line says the method's NSID, what it asks of its caller, its handler,
//! and any limit that differs from the default. Whether it is a query or a
//! procedure, what its parameters and bodies look like, and which errors it
//! may name, stands in its lexicon and is not repeated here.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::xrpc::server;
use super::{App, XrpcError};
use crate::service::grants::Access::{self, *};

/// JSON and text bodies where a line of the table says nothing else.
pub const BODY_BYTES_MAX: u64 = 150 * 1024;
/// Bodies that carry records.
pub const RECORD_BODY_BYTES_MAX: u64 = 1_000_000;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::of([
        // com.atproto.server
        row(
            "com.atproto.server.describeServer",
            Anyone,
            server::describe_server,
        ),
    ])
});

/// One method: its name, its rules, its handler.
pub struct Row {
    /// The method's NSID, as the protocol spells it.
    pub nsid: &'static str,
    /// What it asks of its caller.
    pub access: Access,
    /// Bytes of a body beyond which it is refused unread.
    pub body_bytes_max: u64,
    handler: Boxed,
}

type Boxed =
    Box<dyn Fn(Request, App) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

fn row<H, T>(nsid: &'static str, access: Access, handler: H) -> Row
where
    H: Handler<T, App> + Sync,
    T: 'static,
{
    Row {
        nsid,
        access,
        body_bytes_max: BODY_BYTES_MAX,
        handler: Box::new(move |request, app| Box::pin(handler.clone().call(request, app))),
    }
}

impl Row {
    /// Replaces the default body limit.
    #[expect(dead_code, reason = "until the first method that carries records")]
    fn body(self, bytes_max: u64) -> Self {
        Self {
            body_bytes_max: bytes_max,
            ..self
        }
    }

    /// The row of the request in hand.
    ///
    /// # Errors
    /// An internal error outside a method of the table.
    pub fn of(parts: &Parts) -> Result<&'static Row, XrpcError> {
        parts
            .extensions
            .get::<&'static Row>()
            .copied()
            .ok_or_else(|| {
                XrpcError::internal("an extractor of XRPC methods ran outside the table of methods")
            })
    }
}

struct Table {
    rows: HashMap<&'static str, Row>,
}

impl Table {
    fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        Self {
            rows: rows.into_iter().map(|row| (row.nsid, row)).collect(),
        }
    }
}

/// Every method of the table.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.rows.values()
}

/// Takes a request under `/xrpc/` to its method.
pub async fn dispatch(State(app): State<App>, mut request: Request) -> Response {
    let path = request.uri().path();
    let nsid = path.strip_prefix("/xrpc/").unwrap_or(path);
    match TABLE.rows.get(nsid) {
        Some(row) => {
            request.extensions_mut().insert(row);
            (row.handler)(request, app).await
        }
        None => XrpcError::method_not_implemented().into_response(),
    }
}
