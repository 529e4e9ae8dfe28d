//! What clients read when a code does not help, or an address does not change.

use super::XrpcError;
use crate::service::accounts::{EmailError, ResetError};
use crate::service::email_tokens::EmailTokenError;

impl From<EmailTokenError> for XrpcError {
    fn from(error: EmailTokenError) -> Self {
        match error {
            EmailTokenError::Invalid => Self::named("InvalidToken", error.to_string()),
            EmailTokenError::Expired => Self::named("ExpiredToken", error.to_string()),
            EmailTokenError::MailOff => Self::invalid_request(error.to_string()),
            EmailTokenError::Store(error) => error.into(),
        }
    }
}

impl From<EmailError> for XrpcError {
    fn from(error: EmailError) -> Self {
        match error {
            EmailError::Missing => Self::named("AccountNotFound", error.to_string()),
            EmailError::OtherAddress => Self::named("InvalidEmail", error.to_string()),
            EmailError::TokenRequired => Self::named("TokenRequired", error.to_string()),
            EmailError::NoRecipient | EmailError::Unsupported => {
                Self::invalid_request(error.to_string())
            }
            EmailError::Token(error) => error.into(),
            EmailError::Factor(error) => error.into(),
            EmailError::Store(error) => error.into(),
        }
    }
}

impl From<ResetError> for XrpcError {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Length => Self::invalid_request(error.to_string()),
            ResetError::Token(error) => error.into(),
            ResetError::Password(error) => error.into(),
        }
    }
}
