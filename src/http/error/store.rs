//! What the wire says when the store fails: that it is our own fault, or that
//! there is too much to do.

use http::StatusCode;

use super::XrpcError;
use crate::store::StoreError;

impl From<StoreError> for XrpcError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded | StoreError::Closed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "NotEnoughResources",
                "The server is busy, try again",
            ),
            error => Self::internal(error),
        }
    }
}
