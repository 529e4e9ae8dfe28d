//! Who is calling: from the `Authorization` header to an [`Actor`].
//!
//! The extractors here find out who calls and whether the method's [`Access`]
//! is open to them, before any body is read. What opens what is decided in
//! `service::grants`.
//!
//! [`Access`]: crate::service::grants::Access

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{App, XrpcError};
use crate::service::grants::Actor;

/// The calling account. Refuses everybody whose grant does not open the
/// method's access, and accounts in a standing that the method does not serve.
pub struct Auth(pub Actor);

/// Whoever calls a public method: some of them show more to the owner of the
/// data and to the administrator.
pub enum Viewer {
    /// No credential was given.
    Anyone,
    /// An account.
    Account(Actor),
    /// The administrator.
    Admin,
}

/// The administrator, known by the password of HTTP Basic.
pub struct Admin;

fn missing() -> XrpcError {
    XrpcError::unauthorized("AuthMissing", "Authentication Required")
}

impl FromRequestParts<App> for Auth {
    type Rejection = XrpcError;

    async fn from_request_parts(_parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        Err(missing())
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = XrpcError;

    async fn from_request_parts(_parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        Ok(Viewer::Anyone)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = XrpcError;

    async fn from_request_parts(_parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        Err(missing())
    }
}
