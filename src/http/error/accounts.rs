//! What operators, moderators and owners read when an account is not changed.

use super::XrpcError;
use crate::service::accounts::{AdministrationError, DeleteError, ModerationError};

impl From<DeleteError> for XrpcError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Missing => Self::named("AccountNotFound", error.to_string()),
            DeleteError::Wrong => Self::unauthorized("AuthenticationRequired", error.to_string()),
            DeleteError::Token(error) => error.into(),
            DeleteError::Password(error) => error.into(),
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<ModerationError> for XrpcError {
    fn from(error: ModerationError) -> Self {
        match error {
            ModerationError::Missing => Self::named("NotFound", error.to_string()),
            ModerationError::NotAnAccount => Self::invalid_request(error.to_string()),
            ModerationError::Repo(error) => error.into(),
            ModerationError::Store(error) => error.into(),
        }
    }
}

impl From<AdministrationError> for XrpcError {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::Missing => Self::named("NotFound", error.to_string()),
            AdministrationError::Email
            | AdministrationError::EmailTaken
            | AdministrationError::PasswordLength => Self::invalid_request(error.to_string()),
            AdministrationError::Password(error) => error.into(),
            AdministrationError::Store(error) => error.into(),
        }
    }
}
