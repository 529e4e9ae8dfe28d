//! An account moves from one server to another, whole.
//!
//! A client of both servers and nothing more: whatever it does, the protocol
//! allows to anybody who has the password. Nothing is remembered between two
//! runs. Both servers know how far the move is, and each step asks them first
//! and does what is still to do, so a move that broke off is begun again and
//! goes on.
//!
//! It does not know who looks on: a terminal or a page follows as a
//! [`Watcher`]. How calls travel is a [`Carrier`]'s business.
//!
//! Steps: <https://atproto.com/guides/account-migration>

mod carrier;
mod identity;
mod moves;
mod plan;
mod proof;
mod side;
mod steps;

use std::fmt;

use crate::repo::car::CarError;
use crate::repo::verify::VerifyError;
use crate::world::http::HttpError;

pub use carrier::{Carrier, Far, Sent};
pub use identity::Directory;
pub use moves::{Both, Follower, Moves, Moving, Needs, Stage, Step, Way};
pub use plan::{Invite, Plan, Wishes};
pub use proof::{Holdings, Tally};
pub use side::{CallError, Login, Refusal, Side};
pub use steps::{Move, Standing};

/// What a long step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The repository's records.
    Records,
    /// Blobs.
    Blobs,
}

/// Whoever follows a move.
pub trait Watcher: Send + Sync {
    /// A step begins, with so much to do.
    fn begins(&self, part: Part, total: u64);
    /// So much more of it is done.
    fn advances(&self, more: u64);
    /// The step has ended.
    fn ends(&self);
    /// Something happened that people should know.
    fn notes(&self, note: Note);
    /// How long this may take at the moment.
    fn patience(&self) -> Patience;
}

/// How long a move may wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Somebody looks at a page that does not come: not at all.
    None,
    /// It goes on in the background: as long as the server says.
    Long,
}

/// Something that happened on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A server wants no more calls for now.
    Waiting {
        /// Which one.
        side: String,
        /// For how many seconds.
        seconds: u64,
    },
    /// The old server does not give a blob that its records name.
    Lost {
        /// Which server.
        side: String,
        /// The blob's CID.
        cid: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { side, seconds } => {
                write!(f, "{side} wants no more calls for now; going on in {seconds} s")
            }
            Self::Lost { side, cid } => {
                write!(f, "{side} does not give the blob {cid}; it cannot come along")
            }
        }
    }
}

/// Why a move did not go on.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A server said no, or nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An answer lacks what it must have.
    #[error("an answer has no {0}")]
    Answer(&'static str),
    /// The handle cannot come along.
    #[error("the new server offers no handles; give one of your own")]
    HandleNeeded,
    /// The address cannot come along.
    #[error("the old server names no e-mail address; give one")]
    EmailNeeded,
    /// A blob is not what its CID says.
    #[error("{side} gives other bytes for the blob {cid}")]
    Blob {
        /// Which server.
        side: String,
        /// The blob's CID.
        cid: String,
    },
    /// The archive of a repository has not one root.
    #[error("the archive of the repository has no single root")]
    Roots,
    /// The archive of a repository cannot be read.
    #[error("the archive of the repository cannot be read")]
    Archive(#[from] CarError),
    /// What the archive holds is not a repository.
    #[error("the archive does not hold a whole repository")]
    Repository(#[from] VerifyError),
    /// The two sides do not hold the same.
    #[error("the two sides differ; nothing is final yet: begin again to go on")]
    Different,
    /// The owner of a did:web identity has still to change its document.
    #[error("the identity is a document of yours, and it does not name the new server yet")]
    DocumentUnchanged,
    /// The directory of identities does not answer.
    #[error("the directory of identities does not answer")]
    Directory(#[source] HttpError),
    /// Reading an archive broke down.
    #[error("reading the archive broke down")]
    Broken(#[from] tokio::task::JoinError),
}
