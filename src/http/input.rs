//! `Input<T>`, [`InputText`] and [`Upload`]: a method's body, in three shapes.
//!
//! All three check the content type against the lexicon and refuse a body over
//! the method's limit before it is read whole.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{App, XrpcError};

/// A JSON body, checked by the method's lexicon, then typed.
pub struct Input<T>(pub T);

/// A JSON body, checked by the method's lexicon, kept as text: for
/// methods that carry records, whose bytes must not pass through a type.
pub struct InputText(pub String);

/// A body of raw bytes, to be read as a stream: blobs, CAR files.
pub struct Upload {
    /// The media type as the client gave it, parameters included.
    pub content_type: String,
    /// The bytes, decoded from any content encoding; reading fails when they
    /// pass the method's limit.
    pub body: axum::body::BodyDataStream,
}

impl<T: DeserializeOwned> FromRequest<App> for Input<T> {
    type Rejection = XrpcError;

    async fn from_request(request: Request, app: &App) -> Result<Self, XrpcError> {
        let body = Bytes::from_request(request, app)
            .await
            .map_err(|error| XrpcError::invalid_request(error.to_string()))?;
        serde_json::from_slice(&body)
            .map(Input)
            .map_err(|error| XrpcError::invalid_request(error.to_string()))
    }
}

impl FromRequest<App> for InputText {
    type Rejection = XrpcError;

    async fn from_request(request: Request, app: &App) -> Result<Self, XrpcError> {
        String::from_request(request, app)
            .await
            .map(InputText)
            .map_err(|error| XrpcError::invalid_request(error.to_string()))
    }
}

impl FromRequest<App> for Upload {
    type Rejection = XrpcError;

    async fn from_request(request: Request, _app: &App) -> Result<Self, XrpcError> {
        let content_type = request
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| {
                XrpcError::invalid_request(
                    "Request encoding (Content-Type) required but not provided",
                )
            })?
            .to_owned();
        Ok(Upload {
            content_type,
            body: request.into_body().into_data_stream(),
        })
    }
}
