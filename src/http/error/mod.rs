//! Errors on the wire: the one place that knows their names and statuses.
//!
//! Services fail with enums of their own; the `From` implementations in this
//! folder, one file per service, give each variant its name and status. An
//! error that is the server's own fault is logged here, once, and leaves as
//! `InternalServerError` without its cause.

use std::borrow::Cow;
use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

/// An error as a client sees it.
#[derive(Debug)]
pub struct XrpcError {
    status: StatusCode,
    name: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl XrpcError {
    /// An error with a status and a name of its own.
    pub fn new(
        status: StatusCode,
        name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            name: name.into(),
            message: message.into(),
        }
    }

    /// 400 with the general name `InvalidRequest`.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    /// 400 with a name that the method's lexicon declares.
    pub fn named(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, message)
    }

    /// 401 with a name.
    pub fn unauthorized(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, name, message)
    }

    /// 403 with a name.
    pub fn forbidden(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, name, message)
    }

    /// 501: no such method here.
    pub fn method_not_implemented() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "MethodNotImplemented",
            "Method Not Implemented",
        )
    }

    /// 500: our own fault. The cause is logged and does not leave the server.
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!("A request failed: {cause}.");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "Internal Server Error",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The name in the `error` field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text in the `message` field.
    pub fn message(&self) -> &str {
        &self.message
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    message: &'a str,
}

impl IntoResponse for XrpcError {
    fn into_response(self) -> Response {
        let body = Body {
            error: &self.name,
            message: &self.message,
        };
        (self.status, axum::Json(body)).into_response()
    }
}
