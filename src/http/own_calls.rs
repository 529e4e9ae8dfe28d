//! Calls that this server's own pages make of its methods, as any client would:
//! through the same router, without a socket, and not counted, since the page
//! that makes them is.

use std::io;
use std::sync::Weak;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use futures_util::future::BoxFuture;
use tower::ServiceExt;

use super::App;
use crate::service::Services;
use crate::service::import::IMPORT_BYTES_MAX;
use crate::service::migration::{Carrier, Sent};
use crate::world::http::{Answer, HttpError};

/// Marks a request as one of our own.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnCall;

/// This server.
pub struct Near(Weak<Services>);

impl Near {
    /// The way to this server. It does not keep the server alive.
    pub fn new(app: &App) -> Self {
        Self(std::sync::Arc::downgrade(app))
    }
}

impl Carrier for Near {
    fn carry(&self, sent: Sent) -> BoxFuture<'_, Result<Answer, HttpError>> {
        Box::pin(async move {
            let app = self.0.upgrade().ok_or_else(|| broken(io::Error::other("it has stopped")))?;
            let request = request(sent).map_err(broken)?;
            let Ok(response) = super::router(app).oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, IMPORT_BYTES_MAX as usize).await.map_err(broken)?;
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        })
    }
}

fn request(sent: Sent) -> Result<Request, http::Error> {
    let Sent { method, target, headers, body, .. } = sent;
    let length = body.len();
    let mut request = Request::builder().method(method).uri(target).body(Body::from(body))?;
    *request.headers_mut() = headers;
    if length > 0 {
        request.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    }
    request.extensions_mut().insert(OwnCall);
    Ok(request)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::Unreachable(Box::new(error))
}
