//! What the wire says when the store fails: that it is our own fault.

use super::XrpcError;
use crate::store::StoreError;

impl From<StoreError> for XrpcError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}
