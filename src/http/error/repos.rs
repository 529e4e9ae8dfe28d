//! What the wire says of writes, reads, uploads and imports that fail.

use http::StatusCode;

use super::XrpcError;
use crate::repo::tree::LoadError;
use crate::repo::verify::VerifyError;
use crate::repo::write::{WRITES_MAX, WriteError};
use crate::service::blobs::BlobError;
use crate::service::import::ImportError;
use crate::service::repos::{NotOwner, RepoError, Unseen};

impl From<NotOwner> for XrpcError {
    fn from(error: NotOwner) -> Self {
        match error {
            NotOwner::Unknown(_) => Self::forbidden("AccountNotFound", sentence(&error)),
            NotOwner::SomebodyElse => {
                Self::unauthorized("AuthenticationRequired", "Authentication Required")
            }
            NotOwner::Store(cause) => Self::internal(cause),
        }
    }
}

impl From<Unseen> for XrpcError {
    fn from(error: Unseen) -> Self {
        match error {
            Unseen::NoHandle(_) => Self::named("RepoNotFound", sentence(&error)),
            Unseen::NotShown(error) => error.into(),
            Unseen::Store(cause) => Self::internal(cause),
        }
    }
}

impl From<RepoError> for XrpcError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::NoRepo => Self::named("RepoNotFound", sentence(&error)),
            RepoError::CommitSwap { found, .. } => {
                Self::named("InvalidSwap", format!("Commit was at {found}"))
            }
            RepoError::RecordSwap { found, .. } => {
                let found = found.map_or_else(|| "null".to_owned(), |cid| cid.to_string());
                Self::named("InvalidSwap", format!("Record was at {found}"))
            }
            RepoError::Write(error) => of_write(&error),
            RepoError::WrongType { .. }
            | RepoError::NotARecord(_)
            | RepoError::Invalid { .. }
            | RepoError::UnknownLexicon(_)
            | RepoError::LegacyBlob => Self::invalid_request(sentence(&error)),
            RepoError::BlobNotFound { .. } => Self::named("BlobNotFound", sentence(&error)),
            RepoError::BlobMimeType { .. } => Self::named("InvalidMimeType", sentence(&error)),
            RepoError::BlobSize { .. } => Self::named("InvalidSize", sentence(&error)),
            RepoError::Contended | RepoError::KeyChanging => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "NotEnoughResources", sentence(&error))
            }
            RepoError::Standing(status) => super::proxy::inactive(status),
            // A blob that went away between the look and the commit.
            RepoError::Unmet(crate::store::Unmet::BlobMissing) => {
                Self::named("BlobNotFound", "Could not find blob")
            }
            error => Self::internal(causes(&error)),
        }
    }
}

fn of_write(error: &WriteError) -> XrpcError {
    match error {
        WriteError::TooManyWrites(_) => {
            XrpcError::invalid_request(format!("Too many writes. Max: {WRITES_MAX}"))
        }
        WriteError::EventTooLarge { .. } => {
            XrpcError::invalid_request("Too many writes. Max event size: 2MB")
        }
        WriteError::RepeatedPath { .. }
        | WriteError::RecordExists { .. }
        | WriteError::NoSuchRecord { .. }
        | WriteError::RecordTooLarge { .. }
        | WriteError::NodeTooLarge
        | WriteError::BadPath { .. } => XrpcError::invalid_request(sentence(error)),
    }
}

impl From<BlobError> for XrpcError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge(_) => Self::payload_too_large(),
            BlobError::Empty => Self::invalid_request(sentence(&error)),
            BlobError::TakenDown => {
                Self::invalid_request("Blob has been takendown, cannot re-upload")
            }
            BlobError::MissingScope(cause) => cause.into(),
            BlobError::Body(cause) => Self::of_upload(&cause),
            BlobError::Store(cause) => Self::internal(cause),
        }
    }
}

impl From<ImportError> for XrpcError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Closed => Self::invalid_request("Service is not accepting repo imports"),
            ImportError::Body(cause) => Self::of_upload(&cause),
            ImportError::Repository(
                VerifyError::Unreadable(_) | VerifyError::Tree(LoadError::Unreadable(_)),
            ) => Self::internal(causes(&error)),
            ImportError::Car(_)
            | ImportError::Roots(_)
            | ImportError::Repository(_)
            | ImportError::OtherAccount(_)
            | ImportError::Signature => Self::invalid_request(sentence(&error)),
            ImportError::Repo(error) => error.into(),
            ImportError::Spool(_) | ImportError::Store(_) | ImportError::Broken(_) => {
                Self::internal(causes(&error))
            }
        }
    }
}

/// The text of an error as a sentence begins.
fn sentence(error: &impl std::error::Error) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The text of an error and of what caused it, for the log.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
