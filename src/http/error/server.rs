//! What clients read when an account is not created, a session not opened, a
//! caller not believed.

use http::StatusCode;

use super::XrpcError;
use crate::service::accounts::{CreateError, StandingError};
use crate::service::app_passwords::AppPasswordError;
use crate::service::callers::CallerError;
use crate::service::factors::FactorError;
use crate::service::grants::MissingScope;
use crate::service::invites::InviteError;
use crate::service::keys::ReserveError;
use crate::service::lockouts::Locked;
use crate::service::passwords::PasswordError;
use crate::service::preferences::PreferenceError;
use crate::service::rates::Exhausted;
use crate::service::service_tokens::ServiceTokenError;
use crate::service::sessions::SessionError;
use crate::service::sessions::tokens::TokenError;

impl From<TokenError> for XrpcError {
    fn from(error: TokenError) -> Self {
        // Clients renew their session when they read this name with this
        // status, and log out at a 401.
        let name = match error {
            TokenError::Expired => "ExpiredToken",
            TokenError::Unverified | TokenError::Malformed | TokenError::WrongScope => {
                "InvalidToken"
            }
        };
        Self::named(name, error.to_string())
    }
}

impl From<ServiceTokenError> for XrpcError {
    fn from(error: ServiceTokenError) -> Self {
        let name = match error {
            ServiceTokenError::Malformed | ServiceTokenError::Lifetime => "BadJwt",
            ServiceTokenError::Type => "BadJwtType",
            ServiceTokenError::Expired => "JwtExpired",
            ServiceTokenError::Audience => "BadJwtAudience",
            ServiceTokenError::Method { .. } => "BadJwtLexiconMethod",
            ServiceTokenError::Issuer => "BadJwtIss",
            ServiceTokenError::Untrusted => "UntrustedIss",
            ServiceTokenError::Key(_) => "UnresolvableDid",
            ServiceTokenError::Signature => "BadJwtSignature",
            ServiceTokenError::Replayed => REPLAYED,
            ServiceTokenError::Store(error) => return error.into(),
        };
        Self::unauthorized(name, error.to_string())
    }
}

const REPLAYED: &str = "NonceNotUnique";

impl From<Exhausted> for XrpcError {
    fn from(error: Exhausted) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded", error.to_string())
    }
}

impl From<ReserveError> for XrpcError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::TooMany => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self::new(status, "RateLimitExceeded", error.to_string())
            }
            ReserveError::Store(error) => error.into(),
        }
    }
}

impl From<MissingScope> for XrpcError {
    fn from(error: MissingScope) -> Self {
        Self::forbidden("ScopeMissingError", error.to_string())
    }
}

impl From<CallerError> for XrpcError {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::OAuth(error) => error.into(),
            CallerError::MissingScope(error) => error.into(),
            CallerError::NotForApps => Self::forbidden("Forbidden", error.to_string()),
            CallerError::Token(error) => error.into(),
            CallerError::ServiceToken(error) => error.into(),
            CallerError::NoAccount => Self::forbidden("AccountNotFound", error.to_string()),
            CallerError::TakenDown => Self::unauthorized("AccountTakedown", error.to_string()),
            CallerError::Suspended => Self::unauthorized("AccountSuspended", error.to_string()),
            CallerError::Deactivated => Self::unauthorized("AccountDeactivated", error.to_string()),
            CallerError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for XrpcError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "NotEnoughResources",
                "Too many log-ins at once, try again",
            ),
            PasswordError::Unreadable | PasswordError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<SessionError> for XrpcError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Wrong | SessionError::PasswordTooLong => {
                Self::unauthorized("AuthenticationRequired", error.to_string())
            }
            SessionError::Locked(locked) => locked.into(),
            SessionError::Factor(error) => error.into(),
            SessionError::TakenDown => Self::unauthorized("AccountTakedown", error.to_string()),
            SessionError::Revoked => Self::named("ExpiredToken", error.to_string()),
            SessionError::Token(error) => error.into(),
            SessionError::Password(error) => error.into(),
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<Locked> for XrpcError {
    fn from(error: Locked) -> Self {
        let (text, seconds) = (error.to_string(), error.0.as_secs() + 1);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded", text)
            .with_retry_after(seconds)
    }
}

impl From<FactorError> for XrpcError {
    fn from(error: FactorError) -> Self {
        let text = error.to_string();
        match error {
            // The name by which apps know to ask for the code.
            FactorError::Missing => Self::unauthorized("AuthFactorTokenRequired", text),
            FactorError::Wrong => Self::named("InvalidToken", text),
            FactorError::Expired => Self::named("ExpiredToken", text),
            FactorError::Locked(locked) => locked.into(),
            FactorError::Exists | FactorError::EmailUnconfirmed | FactorError::MailOff => {
                Self::invalid_request(text)
            }
            FactorError::Vault(error) => Self::internal(error),
            FactorError::Store(error) => error.into(),
        }
    }
}

impl From<CreateError> for XrpcError {
    fn from(error: CreateError) -> Self {
        let name = match error {
            CreateError::EmailMissing
            | CreateError::EmailInvalid
            | CreateError::RecoveryKey
            | CreateError::Genesis(_) => "InvalidRequest",
            CreateError::Password => "InvalidPassword",
            CreateError::InviteMissing | CreateError::InviteUnavailable => "InvalidInviteCode",
            CreateError::UnsupportedDomain => "UnsupportedDomain",
            CreateError::HandleElsewhere => "InvalidHandle",
            CreateError::HandleTaken(_) => "HandleNotAvailable",
            CreateError::Exists => "AlreadyExists",
            CreateError::Replayed => return Self::unauthorized(REPLAYED, error.to_string()),
            CreateError::Handle(error) => return error.into(),
            CreateError::Directory(error) => return error.into(),
            CreateError::Hash(error) => return error.into(),
            CreateError::Session(error) => return error.into(),
            CreateError::Repo(error) => return Self::internal(error),
            CreateError::Store(error) => return error.into(),
        };
        Self::named(name, error.to_string())
    }
}

impl From<StandingError> for XrpcError {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::Missing | StandingError::Identity(_) => {
                Self::invalid_request(error.to_string())
            }
            StandingError::Unresolved(error) => error.into(),
            StandingError::Key(error) => Self::internal(error),
            StandingError::Repo(error) => Self::internal(error),
            StandingError::Store(error) => error.into(),
        }
    }
}

impl From<AppPasswordError> for XrpcError {
    fn from(error: AppPasswordError) -> Self {
        match error {
            AppPasswordError::Store(error) => error.into(),
            _ => Self::invalid_request(error.to_string()),
        }
    }
}

impl From<InviteError> for XrpcError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Number | InviteError::AllOfAdmin | InviteError::Cursor => {
                Self::invalid_request(error.to_string())
            }
            InviteError::Missing => Self::named("NotFound", error.to_string()),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<PreferenceError> for XrpcError {
    fn from(error: PreferenceError) -> Self {
        match error {
            PreferenceError::Store(error) => error.into(),
            _ => Self::invalid_request(error.to_string()),
        }
    }
}
