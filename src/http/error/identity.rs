//! What clients read when an identity is not found or not changed.

use http::StatusCode;

use super::XrpcError;
use crate::service::accounts::{AnnounceError, PlcOperationError, RotationError};
use crate::service::identity::{
    AvailabilityError, DidError, HandleError, HandleRefused, IdentityError, PlcError,
    UpdateHandleError,
};

impl From<HandleError> for XrpcError {
    fn from(error: HandleError) -> Self {
        // Whether nobody has the handle or nobody could be asked, only the
        // operator wants to know.
        tracing::debug!(error = %error, "A handle was not resolved.");
        Self::named("HandleNotFound", "Unable to resolve handle")
    }
}

impl From<DidError> for XrpcError {
    fn from(error: DidError) -> Self {
        match error {
            DidError::Deactivated => Self::named("DidDeactivated", error.to_string()),
            DidError::NotFound | DidError::Unsupported | DidError::Invalid(_) => {
                Self::named("DidNotFound", error.to_string())
            }
            DidError::Directory(_) | DidError::Host(_) | DidError::HostFails(_) => {
                upstream_failure(&error)
            }
        }
    }
}

impl From<IdentityError> for XrpcError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Handle(error) => error.into(),
            IdentityError::Did(error) => error.into(),
            IdentityError::Store(error) => Self::internal(error),
        }
    }
}

impl From<AvailabilityError> for XrpcError {
    fn from(error: AvailabilityError) -> Self {
        match error {
            AvailabilityError::Refused(_) | AvailabilityError::Elsewhere => {
                Self::invalid_request(error.to_string())
            }
            AvailabilityError::Store(error) => error.into(),
        }
    }
}

impl From<HandleRefused> for XrpcError {
    fn from(error: HandleRefused) -> Self {
        let name = match error {
            HandleRefused::Reserved => "HandleNotAvailable",
            HandleRefused::Syntax
            | HandleRefused::DisallowedTld
            | HandleRefused::NotOneLabel
            | HandleRefused::TooShort
            | HandleRefused::TooLong => "InvalidHandle",
        };
        Self::named(name, error.to_string())
    }
}

impl From<PlcError> for XrpcError {
    fn from(error: PlcError) -> Self {
        match error {
            PlcError::NotFound | PlcError::Tombstoned | PlcError::Refused { .. } => {
                Self::invalid_request(error.to_string())
            }
            PlcError::RateLimited => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self::new(status, "RateLimitExceeded", error.to_string())
            }
            PlcError::NotUnderstood | PlcError::Unreachable(_) => upstream_failure(&error),
        }
    }
}

impl From<UpdateHandleError> for XrpcError {
    fn from(error: UpdateHandleError) -> Self {
        match error {
            UpdateHandleError::Refused(error) => error.into(),
            UpdateHandleError::Document(error) => error.into(),
            UpdateHandleError::Directory(error) => error.into(),
            UpdateHandleError::Store(error) => Self::internal(error),
            UpdateHandleError::Taken(_)
            | UpdateHandleError::LeadsElsewhere(_)
            | UpdateHandleError::AccountMissing
            | UpdateHandleError::NotInDocument
            | UpdateHandleError::NotOurs
            | UpdateHandleError::Operation(_) => Self::invalid_request(error.to_string()),
        }
    }
}

impl From<PlcOperationError> for XrpcError {
    fn from(error: PlcOperationError) -> Self {
        match error {
            PlcOperationError::Token(error) => error.into(),
            PlcOperationError::Directory(error) => error.into(),
            PlcOperationError::Key(error) => Self::internal(error),
            PlcOperationError::Store(error) => error.into(),
            PlcOperationError::Missing
            | PlcOperationError::NotPlc
            | PlcOperationError::TokenRequired
            | PlcOperationError::NotOurs
            | PlcOperationError::Operation(_)
            | PlcOperationError::Tombstone
            | PlcOperationError::Identity(_)
            | PlcOperationError::Handle => Self::invalid_request(error.to_string()),
        }
    }
}

impl From<RotationError> for XrpcError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Document(error) => error.into(),
            RotationError::Directory(error) => error.into(),
            RotationError::Repo(error) => error.into(),
            RotationError::Store(error) => Self::internal(error),
            RotationError::Missing
            | RotationError::Elsewhere
            | RotationError::NotReserved
            | RotationError::Underway(_)
            | RotationError::Passed
            | RotationError::OwnersTurn(_)
            | RotationError::Operation(_) => Self::invalid_request(error.to_string()),
        }
    }
}

impl From<AnnounceError> for XrpcError {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Missing => Self::invalid_request(error.to_string()),
            AnnounceError::Repo(error) => error.into(),
            AnnounceError::Store(error) => Self::internal(error),
        }
    }
}

fn upstream_failure(error: &(dyn std::error::Error + 'static)) -> XrpcError {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(error = %error, cause, "Another server failed.");
    XrpcError::new(StatusCode::BAD_GATEWAY, "UpstreamFailure", error.to_string())
}
