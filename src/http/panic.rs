//! A panic in one request ends that request only.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use super::XrpcError;

/// Logs the panic and answers 500 in its place.
pub fn answer(panic: Box<dyn Any + Send>) -> Response {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast::<&'static str>().map_or("no text".to_owned(), |text| text.to_string())
        }
    };
    XrpcError::internal(format!("it panicked: {text}")).into_response()
}
