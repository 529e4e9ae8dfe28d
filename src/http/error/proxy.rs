//! What clients read when a call is not passed on, a token is not made, or the
//! other service says no.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::XrpcError;
use crate::service::proxy::ProxyError;
use crate::service::service_auth::ServiceAuthError;
use crate::store::accounts::Status;

impl From<ProxyError> for XrpcError {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::Header(_)
            | ProxyError::UnresolvedDid(_)
            | ProxyError::UnresolvedService
            | ProxyError::NotConfigured(_) => Self::invalid_request(error.to_string()),
            ProxyError::Inactive(status) => inactive(status),
            ProxyError::Token(ServiceAuthError::Protected | ServiceAuthError::NotPrivileged) => {
                Self::named("InvalidToken", "Bad token method")
            }
            ProxyError::Token(error) => error.into(),
            ProxyError::Unreachable(ref cause) => {
                tracing::warn!(error = %cause, "A service that was called is unreachable.");
                upstream_failure(error.to_string())
            }
            ProxyError::Store(error) => Self::internal(error),
        }
    }
}

impl From<ServiceAuthError> for XrpcError {
    fn from(error: ServiceAuthError) -> Self {
        match error {
            ServiceAuthError::Expiration(_) => Self::named("BadExpiration", error.to_string()),
            ServiceAuthError::Audience
            | ServiceAuthError::Protected
            | ServiceAuthError::NotPrivileged
            | ServiceAuthError::AccountMissing => Self::invalid_request(error.to_string()),
            ServiceAuthError::MissingScope(error) => error.into(),
            ServiceAuthError::Key(error) => Self::internal(error),
            ServiceAuthError::Store(error) => Self::internal(error),
        }
    }
}

pub(super) fn inactive(status: Status) -> XrpcError {
    match status {
        Status::TakenDown => {
            XrpcError::unauthorized("AccountTakedown", "Account has been taken down")
        }
        Status::Suspended => {
            XrpcError::unauthorized("AccountSuspended", "Account has been suspended")
        }
        Status::Deactivated | Status::Active => {
            XrpcError::unauthorized("AccountDeactivated", "Account is deactivated")
        }
    }
}

fn upstream_failure(message: String) -> XrpcError {
    XrpcError::new(StatusCode::BAD_GATEWAY, "UpstreamFailure", message)
}

/// The error object of another service, as far as it has one.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// An error that another service answered with, retold.
pub struct Retold {
    error: XrpcError,
    headers: HeaderMap,
}

impl Retold {
    /// Retells an error of `status`: its own name and message where `body` is an
    /// error object, else a name by the status. What went wrong inside the other
    /// service is a failure of ours to the client.
    pub fn new(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        let said: Said = serde_json::from_slice(body).unwrap_or_default();
        let (name, default_message) = by_status(status);
        let message = said.message.unwrap_or_else(|| default_message.to_owned());
        let error = match (status, said.error) {
            (StatusCode::INTERNAL_SERVER_ERROR, _) => upstream_failure(message),
            (status, Some(name)) => XrpcError::new(status, name, message),
            (status, None) => XrpcError::new(status, name, message),
        };
        Self { error, headers }
    }

    /// Says whether the other service does not know what was asked for.
    pub fn is_not_found(&self) -> bool {
        self.error.name() == "NotFound"
    }

    /// An answer that leads elsewhere, which nobody follows.
    pub fn redirect() -> Self {
        let error = upstream_failure("Upstream service redirects".to_owned());
        Self { error, headers: HeaderMap::new() }
    }
}

impl IntoResponse for Retold {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Returns the name and message of a status for which nobody gave others.
fn by_status(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        401 => ("AuthenticationRequired", "Authentication Required"),
        403 => ("Forbidden", "Forbidden"),
        404 => ("XRPCNotSupported", "XRPC Not Supported"),
        406 => ("NotAcceptable", "Not Acceptable"),
        413 => ("PayloadTooLarge", "Payload Too Large"),
        415 => ("UnsupportedMediaType", "Unsupported Media Type"),
        429 => ("RateLimitExceeded", "Rate Limit Exceeded"),
        500 | 502 => ("UpstreamFailure", "Upstream Failure"),
        501 => ("MethodNotImplemented", "Method Not Implemented"),
        503 => ("NotEnoughResources", "Not Enough Resources"),
        504 => ("UpstreamTimeout", "Upstream Timeout"),
        400..500 => ("InvalidRequest", "Invalid Request"),
        _ => ("InternalServerError", "Internal Server Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_other_services_keep_their_words_but_not_their_breakdowns() {
        let check = |status: u16, body: &str, expected: (u16, &str, &str)| {
            let status = StatusCode::from_u16(status).expect("a status");
            let Retold { error, .. } = Retold::new(status, HeaderMap::new(), body.as_bytes());
            let found = (error.status().as_u16(), error.name(), error.message());
            assert_eq!(found, expected, "{body}");
        };
        let odd = r#"{"error":"Odd","message":"so it is"}"#;
        check(400, odd, (400, "Odd", "so it is"));
        check(418, "{}", (418, "InvalidRequest", "Invalid Request"));
        check(429, "slow down", (429, "RateLimitExceeded", "Rate Limit Exceeded"));
        check(401, r#"{"error":7}"#, (401, "AuthenticationRequired", "Authentication Required"));
        check(404, r#"{"error":"NotFound"}"#, (404, "NotFound", "XRPC Not Supported"));
        check(500, odd, (502, "UpstreamFailure", "so it is"));
        check(500, "", (502, "UpstreamFailure", "Upstream Failure"));
        check(502, odd, (502, "Odd", "so it is"));
        check(503, "", (503, "NotEnoughResources", "Not Enough Resources"));
        check(599, "", (599, "InternalServerError", "Internal Server Error"));
    }
}
