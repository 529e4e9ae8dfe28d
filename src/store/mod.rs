//! Floor 2: what is kept.
//!
//! All SQL stands in this room, and below it in [`engine`], the only place
//! that knows which database runs. A noun is a module (`accounts`, `records`,
//! `events`, …) of free functions: reads take a [`Db`]; writes add statements
//! to a [`Batch`], which is data and runs in one transaction. What touches a
//! repository or has events goes through the [`committer`].
//!
//! Nothing here knows HTTP, tokens or policy, asks the time or rolls dice:
//! moments come in as arguments, and the one clock that the log needs is a
//! function given when the store is opened.

pub mod accounts;
pub mod app_passwords;
mod batch;
pub mod blob_bytes;
pub mod blobs;
pub mod committer;
pub mod devices;
pub mod did_cache;
pub mod email_tokens;
pub mod emails;
pub mod engine;
mod error;
pub mod events;
pub mod factors;
pub mod heads;
pub mod intents;
pub mod invites;
pub mod keys;
pub mod nonces;
pub mod oauth;
pub mod outbox;
pub mod passkeys;
pub mod permission_sets;
pub mod plc_operations;
pub mod preferences;
pub mod records;
pub mod reserved_handles;
pub mod sequence;
pub mod sessions;
pub mod subjects;
pub mod takedowns;
#[cfg(test)]
mod tests;
pub mod vault;

pub use accounts::AccountId;
pub use batch::{Batch, Unmet};
pub use blob_bytes::BlobBytes;
pub use committer::{Commit, CommitError, Committed, Needs, RecordPut, RepoChange};
pub use engine::{Db, DbSettings, Location, RowStream, Snapshot};
pub use error::{RunError, StoreError};
pub use events::{Event, EventFeed};

/// Everything that is kept: the database and the bytes of blobs.
#[derive(Clone, Debug)]
pub struct Store {
    /// The database.
    pub db: Db,
    /// The bytes of blobs.
    pub blobs: BlobBytes,
}
