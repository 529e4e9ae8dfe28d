//! Frames, read back.

use super::{AccountEvent, CommitEvent, EventError, IdentityEvent, SyncEvent};

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `#commit` and its `seq`.
    Commit(u64, Box<CommitEvent>),
    /// `#sync` and its `seq`.
    Sync(u64, SyncEvent),
    /// `#identity` and its `seq`.
    Identity(u64, IdentityEvent),
    /// `#account` and its `seq`.
    Account(u64, AccountEvent),
    /// `#info`.
    Info {
        /// For programs, such as `OutdatedCursor`.
        name: String,
        /// For people.
        message: Option<String>,
    },
    /// An error; the stream ends here.
    Error {
        /// For programs, such as `FutureCursor`.
        name: String,
        /// For people.
        message: Option<String>,
    },
    /// A type of message that this code does not know; consumers skip it.
    Unknown(String),
}

impl Message {
    /// Reads one frame.
    ///
    /// Fields that this code does not know are skipped, as the protocol asks.
    ///
    /// # Errors
    /// [`EventError`] for a frame that is too large, is not canonical, or lacks
    /// a field.
    pub fn decode(frame: &[u8]) -> Result<Self, EventError> {
        unreachable!("being written {}", frame.len())
    }

    /// Returns the message's place in the stream, if it has one.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Commit(seq, _)
            | Self::Sync(seq, _)
            | Self::Identity(seq, _)
            | Self::Account(seq, _) => Some(*seq),
            _ => None,
        }
    }
}
