//! The client of a did:plc directory.
//!
//! The directory's address is the operator's; what it answers is not trusted
//! beyond its form.
//!
//! Spec: <https://web.plc.directory/spec/v0.1/did-plc>

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::{
    atproto::{
        did_doc::DidDocument,
        plc::{InvalidOperation, Operation, State},
        syntax::Did,
    },
    world::{HttpError, Outbound, http::Answer},
};

/// How long a directory may take to answer a question.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a directory may take to accept an operation.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of one answer; a document of ten keys and services has about 8 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of a directory's complaint that are passed on.
const COMPLAINT_CHARS_MAX: usize = 300;

/// Asks a directory, and hands it operations; cheap to clone.
#[derive(Clone, Debug)]
pub struct PlcClient {
    http: Outbound,
    directory: Arc<Url>,
}

/// A directory did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlcError {
    /// It does not know the DID.
    #[error("the directory does not know this DID")]
    NotFound,
    /// The DID was ended by its owner.
    #[error("the DID has been deactivated")]
    Tombstoned,
    /// It refuses the operation, and says why.
    #[error("the directory refused the operation: {complaint}")]
    Refused {
        /// The directory's words.
        complaint: String,
    },
    /// Too many operations for this DID or from this server.
    #[error("the directory accepts no more operations for now")]
    RateLimited,
    /// It answered with something else than the protocol's objects.
    #[error("the directory's answer is not understood")]
    NotUnderstood,
    /// It cannot be reached, or failed.
    #[error("the directory cannot be reached")]
    Unreachable(#[source] Option<Arc<HttpError>>),
}

impl From<HttpError> for PlcError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NotJson(_) | HttpError::TooLarge { .. } => Self::NotUnderstood,
            other => Self::Unreachable(Some(Arc::new(other))),
        }
    }
}

impl From<InvalidOperation> for PlcError {
    fn from(_: InvalidOperation) -> Self {
        Self::NotUnderstood
    }
}

impl PlcClient {
    /// Returns a client of the directory at `directory`.
    pub fn new(http: Outbound, directory: Url) -> Self {
        let directory = Arc::new(directory);
        Self { http, directory }
    }

    /// Returns the document of `did`.
    ///
    /// # Errors
    /// [`PlcError`].
    pub async fn document(&self, did: &Did) -> Result<DidDocument, PlcError> {
        let answer = self.read(did, "").await?;
        let json = std::str::from_utf8(&answer.body).map_err(|_| PlcError::NotUnderstood)?;
        DidDocument::parse(json, did).map_err(|_| PlcError::NotUnderstood)
    }

    /// Returns the present state of `did`.
    ///
    /// # Errors
    /// [`PlcError`].
    pub async fn state(&self, did: &Did) -> Result<State, PlcError> {
        Ok(self.read(did, "/data").await?.json()?)
    }

    /// Returns the operation that the next one must follow.
    ///
    /// # Errors
    /// [`PlcError`].
    pub async fn last_operation(&self, did: &Did) -> Result<Operation, PlcError> {
        let json = self.read(did, "/log/last").await?.json()?;
        Ok(Operation::from_json(json)?)
    }

    /// Hands `operation` to the directory.
    ///
    /// # Errors
    /// [`PlcError`].
    pub async fn submit(&self, did: &Did, operation: &Operation) -> Result<(), PlcError> {
        let request = self.http.trusted(self.address(did, "")).method(Method::POST);
        let request = request.json(&operation.to_json())?.timeout(SUBMIT_TIMEOUT);
        checked(request.size_max(ANSWER_BYTES_MAX).fetch().await?)?;
        Ok(())
    }

    async fn read(&self, did: &Did, what: &str) -> Result<Answer, PlcError> {
        let request = self.http.trusted(self.address(did, what)).timeout(READ_TIMEOUT);
        checked(request.size_max(ANSWER_BYTES_MAX).fetch().await?)
    }

    fn address(&self, did: &Did, what: &str) -> Url {
        let mut url = (*self.directory).clone();
        let base = url.path().trim_end_matches('/');
        let path = format!("{base}/{}{what}", did.as_str());
        url.set_path(&path);
        url
    }
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

fn checked(answer: Answer) -> Result<Answer, PlcError> {
    match answer.status {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(PlcError::NotFound),
        StatusCode::GONE => Err(PlcError::Tombstoned),
        StatusCode::TOO_MANY_REQUESTS => Err(PlcError::RateLimited),
        status if status.is_client_error() => {
            let complaint = answer.json::<Complaint>().map_or_else(
                |_| "no reason given".to_owned(),
                |said| said.message.chars().take(COMPLAINT_CHARS_MAX).collect(),
            );
            Err(PlcError::Refused { complaint })
        }
        _ => Err(PlcError::Unreachable(None)),
    }
}
