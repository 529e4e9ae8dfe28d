//! Why an app does not get what it asks for, as the RFCs divide the reasons.

use crate::atproto::oauth::InvalidClient;
use crate::atproto::oauth::assertion::InvalidAssertion;
use crate::atproto::oauth::dpop::InvalidProof;
use crate::store::{RunError, StoreError};

/// Why an app does not get what it asks for. The text is for its developer.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The request has a parameter too many, too few, or one that is wrong.
    #[error("{0}")]
    Request(String),
    /// The client is not who it says it is.
    #[error("{0}")]
    Client(String),
    /// What the client says about itself cannot be had, or is not allowed.
    #[error("{0}")]
    Metadata(String),
    /// The code or the refresh token is not good, or not for this client.
    #[error("{0}")]
    Grant(&'static str),
    /// No such way to get a token.
    #[error("grant_type must be authorization_code or refresh_token")]
    GrantType,
    /// The client did not say that it wants to go on without the person.
    #[error("the client metadata does not allow this grant_type")]
    UnauthorizedClient,
    /// No such kind of answer.
    #[error("response_type must be code")]
    ResponseType,
    /// A scope that the client may not ask for, or that cannot be resolved.
    #[error("{0}")]
    Scope(String),
    /// Somebody said no.
    #[error("{0}")]
    Denied(&'static str),
    /// Without showing a page: nobody is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// Without showing a page: it is not clear who is meant.
    #[error("it is not clear which account is meant")]
    AccountSelectionRequired,
    /// Without showing a page: somebody has to agree.
    #[error("the account has not agreed to this")]
    ConsentRequired,
    /// There is no proof of possession, or a wrong one.
    #[error("{0}")]
    Proof(String),
    /// The proof has no nonce of ours, or an old one.
    #[error("the DPoP proof needs the nonce of this answer's DPoP-Nonce header")]
    UseNonce,
    /// The access token is not good.
    #[error("{0}")]
    Token(&'static str),
    /// Too much to remember at once.
    #[error("too many requests at once, try again")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OAuthError {
    /// A request with a wrong parameter.
    pub fn request(what: impl Into<String>) -> Self {
        Self::Request(what.into())
    }
}

impl From<RunError> for OAuthError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl From<InvalidProof> for OAuthError {
    fn from(error: InvalidProof) -> Self {
        Self::Proof(error.to_string())
    }
}

impl From<InvalidAssertion> for OAuthError {
    fn from(error: InvalidAssertion) -> Self {
        Self::Client(error.to_string())
    }
}

impl From<InvalidClient> for OAuthError {
    fn from(error: InvalidClient) -> Self {
        Self::Metadata(error.to_string())
    }
}
