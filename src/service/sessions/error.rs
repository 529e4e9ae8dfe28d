//! Why there is no session.

use super::tokens::TokenError;
use crate::service::factors::FactorError;
use crate::service::lockouts::Locked;
use crate::service::passwords::PasswordError;
use crate::store::{RunError, StoreError};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No such account, or not its password: nobody is told which.
    #[error("Invalid identifier or password")]
    Wrong,
    /// Longer than any password.
    #[error("Password too long. Consider resetting your password.")]
    PasswordTooLong,
    /// Too many tries; the password was not looked at.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// The second factor is missing, or not right.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// The operator took the account down.
    #[error("Account has been taken down")]
    TakenDown,
    /// The token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token was good, and its session has ended.
    #[error("Token has been revoked")]
    Revoked,
    /// Passwords cannot be checked now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for SessionError {
    fn from(error: RunError) -> Self {
        match error {
            // The account went between being found and being written to.
            RunError::Unmet(_) => Self::Revoked,
            RunError::Store(error) => Self::Store(error),
        }
    }
}
