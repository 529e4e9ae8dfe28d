//! What the wire says of repositories that are not shown, exports that do not
//! come about, and subscriptions that do not begin.

use http::StatusCode;

use super::XrpcError;
use crate::atproto::event::HostingStatus;
use crate::service::export::ExportError;
use crate::service::hosting::NotShown;
use crate::service::repos::RepoError;
use crate::service::sequencer::SubscribeError;

impl XrpcError {
    /// 426: a stream that was asked for without a WebSocket.
    pub fn upgrade_required() -> Self {
        let message = "This is an event stream: connect with a WebSocket";
        Self::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", message)
    }

    /// 405: a stream that was asked for with anything but GET.
    pub fn method_not_allowed() -> Self {
        let message = "An event stream begins with a GET";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidRequest", message)
    }
}

impl From<NotShown> for XrpcError {
    fn from(error: NotShown) -> Self {
        let name = match &error {
            NotShown::Unknown(_) => "RepoNotFound",
            NotShown::Inactive { status: HostingStatus::TakenDown, .. } => "RepoTakendown",
            NotShown::Inactive { status: HostingStatus::Suspended, .. } => "RepoSuspended",
            NotShown::Inactive { .. } => "RepoDeactivated",
            NotShown::Store(cause) => return Self::internal(cause),
        };
        Self::named(name, error.to_string())
    }
}

impl From<ExportError> for XrpcError {
    fn from(error: ExportError) -> Self {
        match &error {
            ExportError::BlockNotFound(_) => Self::named("BlockNotFound", error.to_string()),
            ExportError::TooManyBlocks => Self::invalid_request(error.to_string()),
            ExportError::Busy => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "NotEnoughResources", error.to_string())
            }
            ExportError::Repo(RepoError::NoRepo) => Self::named("RepoNotFound", error.to_string()),
            ExportError::SlowReader | ExportError::Broken(_) | ExportError::Repo(_) => {
                Self::internal(error)
            }
        }
    }
}

impl From<SubscribeError> for XrpcError {
    fn from(error: SubscribeError) -> Self {
        match &error {
            SubscribeError::FutureCursor { .. } => Self::named("FutureCursor", error.to_string()),
            SubscribeError::Full => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self::new(status, "RateLimitExceeded", error.to_string())
            }
            SubscribeError::Store(cause) => Self::internal(cause),
        }
    }
}
