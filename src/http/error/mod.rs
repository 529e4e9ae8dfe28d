//! Errors on the wire: the one place that knows their names and statuses.
//!
//! Services fail with enums of their own; the `From` implementations in this
//! folder, one file per service, give each variant its name and status. An
//! error that is the server's own fault is logged here, once, and leaves as
//! `InternalServerError` without its cause.

mod accounts;
mod directory;
mod email;
mod identity;
mod oauth;
mod proxy;
mod repos;
mod server;
mod store;
pub mod stream;
mod sync;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::ErrorKind;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

pub use directory::DirectoryReply;
pub use oauth::{OAuthReply, description_of, name_of};
pub use proxy::Retold;

/// An error as a client sees it.
#[derive(Debug)]
pub struct XrpcError {
    status: StatusCode,
    name: Cow<'static, str>,
    message: Cow<'static, str>,
    /// What the client has to show instead, for `WWW-Authenticate`.
    challenge: Option<HeaderValue>,
    /// Seconds after which it is worth trying again.
    retry_after: Option<u64>,
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
            challenge: None,
            retry_after: None,
        }
    }

    /// Says how the client has to show who it is. What cannot stand in a header
    /// is left out.
    pub fn with_challenge(self, challenge: &str) -> Self {
        Self { challenge: HeaderValue::from_str(challenge).ok(), ..self }
    }

    /// Says after how many seconds it is worth trying again.
    pub fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
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

    /// 413: a body over its limit.
    pub fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "Request entity too large")
    }

    /// 415: a body in a form that is not read here.
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// What became of a body that could not be read to its end. The kinds are
    /// those of `Upload::into_stream`.
    pub fn of_upload(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::FileTooLarge => Self::payload_too_large(),
            ErrorKind::TimedOut => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeout",
                "Request body did not arrive in time",
            ),
            ErrorKind::InvalidData => Self::invalid_request("Request body could not be read"),
            _ => Self::internal(error),
        }
    }

    /// 501: no such method here.
    pub fn method_not_implemented() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "MethodNotImplemented", "Method Not Implemented")
    }

    /// 500: our own fault. The cause is logged and does not leave the server.
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!("A request failed: {cause}.");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal Server Error")
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
        let body = Body { error: &self.name, message: &self.message };
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
