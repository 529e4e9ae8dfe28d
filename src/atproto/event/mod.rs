//! Messages of the event stream `com.atproto.sync.subscribeRepos`.
//!
//! A [`Frame`] is a message encoded once, before its place in the stream is
//! known: `seq` is always the nine-byte form of a CBOR integer, which is the
//! shortest one for every number from [`SEQ_MIN`] up, so it is patched in when
//! the commit gets its number. [`Message`] reads a frame back, for replay checks
//! and tests. Nobody here knows which events a verb causes, or what time it is.
//!
//! Spec: <https://atproto.com/specs/event-stream>, <https://atproto.com/specs/sync>

mod frame;
mod message;
#[cfg(test)]
mod tests;

use super::{
    Cid, Moment,
    data::DataError,
    syntax::{Did, Handle, RecordPath, Tid},
};

pub use frame::{Frame, error_frame, info_frame};
pub use message::Message;

/// The smallest `seq` whose shortest encoding has nine bytes. A `seq` is made of
/// microseconds since 1970, so real ones are far above.
pub const SEQ_MIN: u64 = 1 << 32;
/// Every `seq` is below: JavaScript readers keep no larger number exactly.
pub const SEQ_MAX: u64 = (1 << 53) - 1;
/// Record operations of one `#commit`.
pub const OPS_MAX: usize = 200;
/// Bytes of the CAR in a `#commit`.
pub const COMMIT_BLOCKS_BYTES_MAX: usize = 2_000_000;
/// Bytes of the CAR in a `#sync`.
pub const SYNC_BLOCKS_BYTES_MAX: usize = 10_000;
/// Bytes of one frame.
pub const FRAME_BYTES_MAX: usize = 5_000_000;

/// What a numbered message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Records changed.
    Commit,
    /// The repository stands at a state that the stream did not tell.
    Sync,
    /// Resolve the DID again.
    Identity,
    /// Hosting began, paused or ended.
    Account,
}

impl EventKind {
    /// Returns the name, as in the stored row: `commit`, `sync`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Sync => "sync",
            Self::Identity => "identity",
            Self::Account => "account",
        }
    }

    /// Returns the kind of a name that [`EventKind::name`] gave.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Commit, Self::Sync, Self::Identity, Self::Account]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpChange {
    /// The path was free.
    Create {
        /// The record now.
        cid: Cid,
    },
    /// The path had another record.
    Update {
        /// The record now.
        cid: Cid,
        /// The record before.
        prev: Cid,
    },
    /// The path is free now.
    Delete {
        /// The record before.
        prev: Cid,
    },
}

/// One record operation of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoOp {
    /// Where.
    pub path: RecordPath,
    /// What.
    pub change: OpChange,
}

/// The body of `#commit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitEvent {
    /// Whose repository.
    pub did: Did,
    /// The signed commit.
    pub commit: Cid,
    /// Its `rev`.
    pub rev: Tid,
    /// The `rev` before; absent in a repository's first commit.
    pub since: Option<Tid>,
    /// The tree's root before; absent in a repository's first commit.
    pub prev_data: Option<Cid>,
    /// What changed, each path once.
    pub ops: Vec<RepoOp>,
    /// The CAR: the commit, new nodes, new records and the covering proof.
    pub blocks: Vec<u8>,
    /// When the commit was made.
    pub time: Moment,
}

/// The body of `#sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEvent {
    /// Whose repository.
    pub did: Did,
    /// The `rev` of the commit in `blocks`.
    pub rev: Tid,
    /// A CAR with nothing but the commit.
    pub blocks: Vec<u8>,
    /// When this was said.
    pub time: Moment,
}

/// The body of `#identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityEvent {
    /// Whose identity.
    pub did: Did,
    /// The handle, as far as this server knows.
    pub handle: Option<Handle>,
    /// When this was said.
    pub time: Moment,
}

/// Whether a host serves an account, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostingStatus {
    /// Served.
    Active,
    /// Hidden by this server's moderators.
    TakenDown,
    /// Hidden by this server's moderators for a time.
    Suspended,
    /// Gone.
    Deleted,
    /// Paused by its owner.
    Deactivated,
    /// Not in step with its upstream; said by relays.
    Desynchronized,
    /// Slowed down; said by relays.
    Throttled,
}

impl HostingStatus {
    const INACTIVE: [Self; 6] = [
        Self::TakenDown,
        Self::Suspended,
        Self::Deleted,
        Self::Deactivated,
        Self::Desynchronized,
        Self::Throttled,
    ];

    /// Says whether the account is served.
    pub fn is_active(self) -> bool {
        self == Self::Active
    }

    /// Returns the protocol's word, none for an active account.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::TakenDown => Some("takendown"),
            Self::Suspended => Some("suspended"),
            Self::Deleted => Some("deleted"),
            Self::Deactivated => Some("deactivated"),
            Self::Desynchronized => Some("desynchronized"),
            Self::Throttled => Some("throttled"),
        }
    }

    /// Returns the inactive status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::INACTIVE.into_iter().find(|status| status.word() == Some(word))
    }
}

/// The body of `#account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// Which account.
    pub did: Did,
    /// How it stands with this host.
    pub status: HostingStatus,
    /// When this was said.
    pub time: Moment,
}

/// A message cannot be written, or bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A commit has more than [`OPS_MAX`] operations.
    #[error("{0} operations in one commit; the stream allows {OPS_MAX}")]
    TooManyOps(usize),
    /// The CAR is larger than the kind of message allows.
    #[error("{size_bytes} bytes of blocks; the stream allows {max_bytes}")]
    BlocksTooLarge {
        /// What it has.
        size_bytes: usize,
        /// What the kind of message allows.
        max_bytes: usize,
    },
    /// A frame is larger than [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes; the stream allows {FRAME_BYTES_MAX}")]
    FrameTooLarge(usize),
    /// The bytes are not two items of the data model.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A header or body does not have the shape that its kind wants.
    #[error("a message whose field {0:?} is missing or wrong")]
    Field(&'static str),
}
