//! [`Input`], [`InputValue`] and [`Upload`]: a method's body, in three shapes.
//!
//! All three check the content type against the lexicon and refuse a body that
//! is over the method's limit before it is read whole. They come last among a
//! handler's arguments, so that nobody's body is read before it is known who
//! they are.
//!
//! Spec: <https://atproto.com/specs/xrpc#authentication>

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::encoding;
use super::row::Row;
use super::{App, XrpcError};
use crate::atproto::data::{Value, from_json};
use crate::atproto::lexicon::Catalog;

/// Time for a JSON body to arrive.
const INPUT_TIME_MAX: Duration = Duration::from_secs(30);
/// Time without a single byte of an upload.
const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(30);

/// A JSON body, checked by the method's lexicon, then typed.
pub struct Input<T>(pub T);

/// A JSON body, checked by the method's lexicon, in the data model: for
/// methods that carry records, which must not pass through a type.
pub struct InputValue(pub Value);

/// A body of bytes, to be read as a stream: blobs, repositories.
pub struct Upload {
    /// The media type as the client gave it, parameters included.
    pub content_type: String,
    /// How many bytes to expect, where the client said.
    pub size_bytes: Option<u64>,
    bytes_max: u64,
    body: Body,
}

impl<T: DeserializeOwned> FromRequest<App> for Input<T> {
    type Rejection = XrpcError;

    async fn from_request(request: Request, app: &App) -> Result<Self, XrpcError> {
        let (row, text) = text_of(request, app).await?;
        checked(row, &text)?;
        let typed = serde_json::from_str(&text);
        typed
            .map(Input)
            .map_err(|error| XrpcError::invalid_request(format!("input cannot be read: {error}")))
    }
}

impl FromRequest<App> for InputValue {
    type Rejection = XrpcError;

    async fn from_request(request: Request, app: &App) -> Result<Self, XrpcError> {
        let (row, text) = text_of(request, app).await?;
        checked(row, &text).map(InputValue)
    }
}

impl FromRequest<App> for Upload {
    type Rejection = XrpcError;

    async fn from_request(request: Request, app: &App) -> Result<Self, XrpcError> {
        let (parts, body) = request.into_parts();
        let row = Row::of(&parts)?;
        let bytes_max = row.body.bytes_max(app);
        let content_type = match presence(&parts, &body) {
            Presence::Missing => return Err(missing_body()),
            Presence::Empty => content_type(&parts.headers).unwrap_or_default(),
            Presence::Present => checked_type(row, &parts.headers)?,
        };
        refuse_declared_over(&parts.headers, bytes_max)?;
        let size_bytes =
            encoding::is_plain(&parts.headers).then(|| declared_bytes(&parts.headers)).flatten();
        let body = encoding::decoded(&parts.headers, body).await?;
        Ok(Upload { content_type, size_bytes, bytes_max, body })
    }
}

impl Upload {
    /// The bytes, free of any content encoding. The stream fails with
    /// [`io::ErrorKind::FileTooLarge`] past the method's limit, with
    /// [`io::ErrorKind::TimedOut`] when nothing comes for too long, and with
    /// [`io::ErrorKind::InvalidData`] when the connection or the encoding
    /// breaks; [`XrpcError::of_upload`] turns each into an answer.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
        let limited =
            Limited::new(self.body, usize::try_from(self.bytes_max).unwrap_or(usize::MAX));
        let bytes = limited.into_data_stream();
        Box::pin(futures_util::stream::unfold(bytes, async |mut bytes| {
            let next = tokio::time::timeout(UPLOAD_SILENCE_MAX, bytes.next()).await;
            let item = match next {
                Ok(item) => item?.map_err(broken),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            Some((item, bytes))
        }))
    }
}

fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> io::Error {
    let kind = if error.is::<LengthLimitError>() {
        io::ErrorKind::FileTooLarge
    } else {
        io::ErrorKind::InvalidData
    };
    io::Error::new(kind, error)
}

/// The text of a JSON body; an empty one stands for no fields.
async fn text_of(request: Request, app: &App) -> Result<(&'static Row, String), XrpcError> {
    let (parts, body) = request.into_parts();
    let row = Row::of(&parts)?;
    match presence(&parts, &body) {
        Presence::Missing => return Err(missing_body()),
        Presence::Empty => return Ok((row, "{}".to_owned())),
        Presence::Present => checked_type(row, &parts.headers)?,
    };
    let bytes_max = row.body.bytes_max(app);
    refuse_declared_over(&parts.headers, bytes_max)?;
    let body = encoding::decoded(&parts.headers, body).await?;
    let bytes = read(body, bytes_max).await?;
    let text = String::from_utf8(bytes.into())
        .map_err(|_| XrpcError::invalid_request("Request body is not UTF-8"))?;
    Ok((row, text))
}

async fn read(body: Body, bytes_max: u64) -> Result<Bytes, XrpcError> {
    let limited = Limited::new(body, usize::try_from(bytes_max).unwrap_or(usize::MAX));
    match tokio::time::timeout(INPUT_TIME_MAX, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(XrpcError::of_upload(&broken(error))),
        Err(_) => Err(XrpcError::of_upload(&io::ErrorKind::TimedOut.into())),
    }
}

fn checked(row: &Row, text: &str) -> Result<Value, XrpcError> {
    let value = from_json(text)
        .map_err(|error| XrpcError::invalid_request(format!("input cannot be read: {error}")))?;
    Catalog::bundled()
        .validate_input(&row.nsid, &value)
        .map_err(|invalid| XrpcError::invalid_request(invalid.to_string()))?;
    Ok(value)
}

/// Lets a request pass whose method takes no body: without one, or with one
/// that turns out to be empty.
///
/// # Errors
/// 400 where there is a body after all.
pub async fn refuse_body(request: Request) -> Result<Request, XrpcError> {
    let (parts, body) = request.into_parts();
    let body = match presence(&parts, &body) {
        Presence::Missing | Presence::Empty => body,
        Presence::Present => {
            // One byte is enough to know.
            let read = tokio::time::timeout(INPUT_TIME_MAX, Limited::new(body, 0).collect()).await;
            if !matches!(read, Ok(Ok(_))) {
                let message = "A request body was provided when none was expected";
                return Err(XrpcError::invalid_request(message));
            }
            Body::empty()
        }
    };
    Ok(Request::from_parts(parts, body))
}

/// What a request says about its body before any of it is read.
enum Presence {
    /// Neither a length nor a transfer coding.
    Missing,
    /// A length of zero.
    Empty,
    /// Something comes.
    Present,
}

fn presence(parts: &Parts, body: &Body) -> Presence {
    let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    match declared_bytes(&parts.headers) {
        Some(0) if !chunked => Presence::Empty,
        Some(_) => Presence::Present,
        // HTTP/2 has no transfer coding: there the stream itself says.
        None if chunked || !body.is_end_stream() => Presence::Present,
        None => Presence::Missing,
    }
}

fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse_declared_over(headers: &HeaderMap, bytes_max: u64) -> Result<(), XrpcError> {
    match declared_bytes(headers) {
        Some(bytes) if bytes > bytes_max => Err(XrpcError::payload_too_large()),
        _ => Ok(()),
    }
}

fn missing_body() -> XrpcError {
    XrpcError::invalid_request("A request body is expected but none was provided")
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::CONTENT_TYPE)?.to_str().ok()?.trim().to_owned())
}

/// The content type, if the method takes it.
fn checked_type(row: &Row, headers: &HeaderMap) -> Result<String, XrpcError> {
    let Some(given) = content_type(headers).filter(|given| !given.is_empty()) else {
        let message = "Request encoding (Content-Type) required but not provided";
        return Err(XrpcError::invalid_request(message));
    };
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let expected = row.input.map_or("", |input| &*input.encoding);
    if !takes(expected, &essence) {
        let message = format!("Wrong request encoding (Content-Type): {essence}");
        return Err(XrpcError::invalid_request(message));
    }
    Ok(given)
}

/// Whether the lexicon's encoding (`application/json`, `image/*`, `*/*`)
/// covers a media type.
fn takes(expected: &str, essence: &str) -> bool {
    match expected.strip_suffix('*') {
        Some("*/") => essence.contains('/'),
        Some(prefix) => essence.starts_with(prefix),
        None => essence == expected,
    }
}
