//! `Params<T>`: a query string, checked by the method's lexicon, then typed.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::row::Row;
use super::{App, XrpcError};
use crate::atproto::lexicon::Catalog;

/// Bytes of a query string: longer ones are not read.
const QUERY_BYTES_MAX: usize = 56 * 1024;

/// A method's parameters.
///
/// The query string is checked against the lexicon (types, limits, defaults,
/// what is required) before `T` sees it; an empty value counts as absent.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = XrpcError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, XrpcError> {
        let row = Row::of(parts)?;
        let query = parts.uri.query().unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            return Err(XrpcError::invalid_request("The query string is too long"));
        }
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let params = Catalog::bundled().read_params(&row.nsid, pairs);
        let params = params.map_err(|invalid| XrpcError::invalid_request(invalid.to_string()))?;
        let typed = serde_json::from_value(params.to_json());
        typed
            .map(Params)
            .map_err(|error| XrpcError::invalid_request(format!("params cannot be read: {error}")))
    }
}
