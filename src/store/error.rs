//! What can go wrong in the store.
//!
//! Absence is `Option` and a refused expectation is [`Unmet`]; what stands
//! here are faults of the machine or of data that we wrote ourselves.

use std::{path::PathBuf, sync::Arc};

use super::batch::Unmet;

/// A fault of the store. Cheap to clone: everybody of a failed group gets it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("the database failed while {doing}")]
    Engine {
        /// What we were doing.
        doing: &'static str,
        /// What the engine said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The disk refused or failed.
    #[error("the disk failed while {doing}")]
    Disk {
        /// What we were doing.
        doing: &'static str,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Something that we wrote cannot be read.
    #[error("{table} holds something unreadable at {key}: {what}")]
    Corrupt {
        /// The table, or the folder.
        table: String,
        /// Which entry.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// The connection broke while a transaction was being made durable, and
    /// the database could not be asked since. It may or may not have happened.
    #[error("the connection broke at the end of a transaction: its outcome is unknown")]
    OutcomeUnknown,
    /// More is waiting than the queue's limit; nothing of this was done.
    #[error("the database is overloaded")]
    Overloaded,
    /// A read took longer than its caller allowed.
    #[error("the read took longer than its deadline")]
    DeadlinePassed,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// Another process owns the database file.
    #[error(
        "{path} belongs to another running Freehold{owner}; stop that one first, or use another data folder"
    )]
    Owned {
        /// The database file.
        path: PathBuf,
        /// ` (process 123)`, or nothing where it is not known.
        owner: String,
    },
    /// The database was written by a newer Freehold, or its migrations differ.
    #[error("the database cannot be used by this version of Freehold: {0}")]
    Schema(String),
    /// An expectation failed that holds by everything its caller knew.
    #[error("a batch was refused although it had to hold: {0}")]
    Unexpected(Unmet),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] super::vault::VaultError),
}

impl StoreError {
    pub(in crate::store) fn engine(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = Arc::from(source.into());
        Self::Engine { doing, source }
    }

    pub(in crate::store) fn disk(doing: &'static str, source: std::io::Error) -> Self {
        let source = Arc::new(source);
        Self::Disk { doing, source }
    }
}

/// Why a batch was not run. Nothing of it was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// An expectation of the batch did not hold.
    #[error("not done: {0}")]
    Unmet(Unmet),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
