//! What apps read when OAuth refuses them: the names of the RFCs.
//!
//! Spec: RFC 6749 section 5.2, RFC 9126, RFC 9449, OpenID Connect Core 3.1.2.6

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::XrpcError;
use crate::service::oauth::OAuthError;

/// An error at an endpoint of the authorization server.
pub struct OAuthReply {
    status: StatusCode,
    name: &'static str,
    description: String,
}

impl OAuthReply {
    /// 405: another HTTP method is needed.
    pub async fn no_such_method() -> Self {
        let description = "this address takes POST".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, name: "invalid_request", description }
    }

    /// 413: a body over its limit.
    pub fn too_large() -> Self {
        let description = "the body is too large".to_owned();
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, name: "invalid_request", description }
    }
}

/// The name of an error, by which apps know it.
pub fn name_of(error: &OAuthError) -> &'static str {
    match error {
        OAuthError::Request(_) => "invalid_request",
        OAuthError::Client(_) => "invalid_client",
        OAuthError::Metadata(_) => "invalid_client_metadata",
        OAuthError::Grant(_) => "invalid_grant",
        OAuthError::GrantType => "unsupported_grant_type",
        OAuthError::UnauthorizedClient => "unauthorized_client",
        OAuthError::ResponseType => "unsupported_response_type",
        OAuthError::Scope(_) => "invalid_scope",
        OAuthError::Denied(_) => "access_denied",
        OAuthError::LoginRequired => "login_required",
        OAuthError::AccountSelectionRequired => "account_selection_required",
        OAuthError::ConsentRequired => "consent_required",
        OAuthError::Proof(_) => "invalid_dpop_proof",
        OAuthError::UseNonce => "use_dpop_nonce",
        OAuthError::Token(_) => "invalid_token",
        OAuthError::Busy => "temporarily_unavailable",
        OAuthError::Store(_) => "server_error",
    }
}

fn status_of(error: &OAuthError) -> StatusCode {
    match error {
        OAuthError::Client(_) | OAuthError::Token(_) => StatusCode::UNAUTHORIZED,
        OAuthError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        OAuthError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// What is said of an error; of our own faults, nothing but that they are.
pub fn description_of(error: &OAuthError) -> String {
    if let OAuthError::Store(cause) = error {
        tracing::error!("An OAuth request failed: {cause}.");
        return "Internal Server Error".to_owned();
    }
    error.to_string()
}

impl From<OAuthError> for OAuthReply {
    fn from(error: OAuthError) -> Self {
        let (status, name) = (status_of(&error), name_of(&error));
        Self { status, name, description: description_of(&error) }
    }
}

/// Too many requests.
impl From<XrpcError> for OAuthReply {
    fn from(error: XrpcError) -> Self {
        let name = match error.status() {
            StatusCode::TOO_MANY_REQUESTS => "slow_down",
            _ => "invalid_request",
        };
        Self { status: error.status(), name, description: error.message().to_owned() }
    }
}

impl IntoResponse for OAuthReply {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.name, "error_description": self.description });
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The same, where an app calls a method with its access token.
impl From<OAuthError> for XrpcError {
    fn from(error: OAuthError) -> Self {
        if let OAuthError::Store(error) = error {
            return error.into();
        }
        let (name, text) = (name_of(&error), error.to_string());
        let challenge = format!(r#"DPoP error="{name}", error_description="{text}""#);
        let status = match error {
            OAuthError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, name, text).with_challenge(&challenge)
    }
}
