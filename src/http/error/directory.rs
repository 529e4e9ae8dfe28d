//! What the embedded did:plc directory answers when it refuses: a status and
//! a message, without a name.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use crate::service::directory::DirectoryError;

/// A refusal as the directory's clients see it.
#[derive(Debug)]
pub struct DirectoryReply {
    status: StatusCode,
    message: String,
}

impl DirectoryReply {
    /// 400: a parameter that cannot be read.
    pub fn invalid_parameter(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Invalid {name} parameter"))
    }

    /// 400: a body that is no JSON.
    pub fn not_json(error: serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
    }

    /// 408: a body that does not arrive.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
    }

    /// 413: a body over the limit.
    pub fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body has more than {bytes_max} bytes or broke off");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 404: nothing is here.
    pub async fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here; see /")
    }

    /// 405: something is here, but not for this HTTP method.
    pub async fn no_such_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path is not for this HTTP method; see /")
    }

    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<DirectoryError> for DirectoryReply {
    fn from(error: DirectoryError) -> Self {
        let status = match &error {
            DirectoryError::NotRegistered(_) => StatusCode::NOT_FOUND,
            DirectoryError::Tombstoned(_) => StatusCode::GONE,
            DirectoryError::Conflict => StatusCode::CONFLICT,
            DirectoryError::NotADid(_)
            | DirectoryError::Invalid(_)
            | DirectoryError::Refused(_)
            | DirectoryError::TooMany { .. } => StatusCode::BAD_REQUEST,
            DirectoryError::Store(cause) => {
                tracing::error!(error = %cause, "The directory's store failed.");
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
            }
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for DirectoryReply {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}
