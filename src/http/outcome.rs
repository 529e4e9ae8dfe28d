//! What leaves the server is checked by the lexicons too, where it is built to
//! be tested.
//!
//! In a debug build an answer that its own lexicon refuses becomes a logged
//! 500, so that no test sees it as good. A release build trusts the handlers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;

use super::XrpcError;
use super::row::{Kind, Row};
use crate::atproto::data::from_json;
use crate::atproto::lexicon::Catalog;

/// The answer, or in a debug build an error in place of one that breaks the
/// method's lexicon.
pub async fn checked(row: &Row, response: Response) -> Response {
    let json = row.output.is_none_or(|output| &*output.encoding == "application/json");
    let streams = row.kind == Kind::Subscription;
    if !cfg!(debug_assertions) || response.status() != StatusCode::OK || !json || streams {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return XrpcError::internal(error).into_response(),
    };
    match fault(row, &bytes) {
        None => Response::from_parts(parts, Body::from(bytes)),
        Some(fault) => {
            let cause = format!("{} answers against its lexicon: {fault}", row.nsid.as_str());
            XrpcError::internal(cause).into_response()
        }
    }
}

fn fault(row: &Row, bytes: &[u8]) -> Option<String> {
    if row.output.is_none() {
        return (!bytes.is_empty()).then(|| "it declares no output".to_owned());
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    match from_json(text) {
        Ok(value) => {
            let valid = Catalog::bundled().validate_output(&row.nsid, &value);
            valid.err().map(|invalid| invalid.to_string())
        }
        Err(error) => Some(error.to_string()),
    }
}
