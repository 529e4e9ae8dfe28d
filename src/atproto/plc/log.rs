//! The rules of a log: which operation may come next.

use super::Operation;
use crate::atproto::{Cid, Moment, syntax::Did};

/// One operation that a directory has accepted.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The operation.
    pub operation: Operation,
    /// Its identifier.
    pub cid: Cid,
    /// When the directory accepted it.
    pub created_at: Moment,
    /// When a recovery made it void.
    pub nullified_at: Option<Moment>,
}

/// What accepting an operation changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The identifier of the new operation.
    pub cid: Cid,
    /// Entries that become void.
    pub nullified: Vec<Cid>,
}

/// Why an operation may not come next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `prev` is not the last operation.
    #[error("prev does not name an operation that may be followed")]
    Misordered,
}

/// Decides whether `operation` may come next in the log of `did`.
///
/// # Errors
/// See [`Refused`].
pub fn validate_next(
    _did: &Did,
    _log: &[Entry],
    _operation: &Operation,
    _now: Moment,
) -> Result<Accepted, Refused> {
    unreachable!("being written")
}
