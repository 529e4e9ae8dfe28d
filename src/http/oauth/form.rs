//! Forms: bodies whose fields are each there once.
//!
//! A field that is there twice is refused: two readers might each take another
//! one.
//!
//! Spec: RFC 6749 section 3.2

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::header;
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::http::App;
use crate::http::error::OAuthReply;
use crate::service::oauth::{Form, OAuthError};

/// Bytes of a form: two JWTs and many scopes, with every third sign escaped.
const BYTES_MAX: usize = 128 * 1024;
/// Time for a form to arrive.
const TIME_MAX: Duration = Duration::from_secs(10);

/// A body that is a form, or the same as an object of JSON.
pub struct FormBody(pub Form);

impl FromRequest<App> for FormBody {
    type Rejection = OAuthReply;

    async fn from_request(request: Request, _app: &App) -> Result<Self, OAuthReply> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        let bytes = read(request.into_body()).await?;
        let form = match kind.as_str() {
            "application/x-www-form-urlencoded" => of_pairs(&bytes),
            "application/json" => of_json(&bytes),
            _ => Err(OAuthError::request("the body must be application/x-www-form-urlencoded")),
        };
        Ok(Self(form?))
    }
}

/// Reads a body within its limits.
pub(in crate::http) async fn read(body: Body) -> Result<Vec<u8>, OAuthReply> {
    let collected = tokio::time::timeout(TIME_MAX, Limited::new(body, BYTES_MAX).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(OAuthReply::too_large())
        }
        _ => Err(OAuthError::request("the body did not arrive").into()),
    }
}

/// Reads the pairs of a form or of a query.
///
/// # Errors
/// [`OAuthError::Request`] for a field that is there twice.
pub(in crate::http) fn of_pairs(bytes: &[u8]) -> Result<Form, OAuthError> {
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if form.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(OAuthError::request(format!("{name} is there twice")));
        }
    }
    Ok(form)
}

fn of_json(bytes: &[u8]) -> Result<Form, OAuthError> {
    let object: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|_| OAuthError::request("the body is not an object of JSON"))?;
    let mut form = Form::new();
    for (name, value) in object {
        match value {
            Value::String(value) => form.insert(name, value),
            Value::Null => None,
            _ => return Err(OAuthError::request(format!("{name} is not a text"))),
        };
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_once() {
        let read = |text: &str| of_pairs(text.as_bytes()).map(|form| form.len()).ok();
        assert_eq!(read("a=1&b=2"), Some(2));
        assert_eq!(read(""), Some(0));
        assert_eq!(read("a=1&a=1"), None);
        assert_eq!(read("a=1&%61=2"), None);
        let json = |text: &str| of_json(text.as_bytes()).map(|form| form.len()).ok();
        assert_eq!(json(r#"{"a":"1","b":null}"#), Some(1));
        assert_eq!(json(r#"{"a":["1"]}"#), None);
        assert_eq!(json("[]"), None);
    }
}
