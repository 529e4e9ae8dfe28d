//! The rules of a log: which operation may come next.
//!
//! Operations form a chain by `prev`, each signed with a rotation key of the
//! one before. A key of higher authority may within 72 hours fork from before
//! an operation that a lower one signed; what it forks from is void then.

use std::time::Duration;

use super::{Operation, State};
use crate::atproto::{Cid, Moment, syntax::Did};

/// How long a key of higher authority may undo an operation; exactly this
/// long is still in time.
pub const RECOVERY_WINDOW: Duration = Duration::from_hours(72);

/// One operation that a directory has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The operation.
    pub operation: Operation,
    /// When the directory accepted it.
    pub created_at: Moment,
    /// When a recovery made it void.
    pub nullified_at: Option<Moment>,
}

/// What accepting an operation changes in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The identifier of the new operation.
    pub cid: Cid,
    /// The operation in force that it follows; `None` for a genesis.
    pub prev: Option<Cid>,
    /// Entries that become void, in the order of the log.
    pub nullified: Vec<Cid>,
}

/// How an identity stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'l> {
    /// The log is empty.
    Unknown,
    /// This is its state.
    Active(&'l State),
    /// It was ended.
    Tombstoned,
}

/// Why an operation may not come next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The log is empty, and this is no genesis.
    #[error("the DID is not registered, and the operation does not create it")]
    NotAGenesis,
    /// The log has a genesis already.
    #[error("the DID is registered already")]
    Registered,
    /// The genesis creates another DID.
    #[error("the operation creates {0}")]
    OtherDid(String),
    /// `prev` names nothing in the log that is in force.
    #[error("prev does not name an operation of this DID that is in force")]
    UnknownPrev,
    /// Nothing follows a tombstone.
    #[error("the DID has been tombstoned; only a recovery within 72 hours brings it back")]
    Tombstoned,
    /// No rotation key in force made the signature.
    #[error("the signature was not made with a rotation key of the previous operation")]
    Signature,
    /// It forks, and its key has no higher authority than the one it undoes.
    #[error("the operation undoes others, for which its key has not the authority")]
    Authority,
    /// It forks later than 72 hours after what it would undo.
    #[error("the operation undoes others, which only goes within 72 hours after them")]
    TooLate,
    /// The log is not older than the operation.
    #[error("the operation is not newer than the log")]
    NotNewer,
}

/// Decides whether `operation` may come next in the log of `did`, of which
/// `log` are all entries in order, void ones included.
///
/// Limits of size are not looked at: a log may hold operations from before
/// there were any.
///
/// # Errors
/// See [`Refused`].
pub fn validate_next(
    did: &Did,
    log: &[Entry],
    operation: &Operation,
    now: Moment,
) -> Result<Accepted, Refused> {
    let in_force: Vec<&Entry> = log.iter().filter(|e| e.nullified_at.is_none()).collect();
    if in_force.is_empty() {
        return validate_genesis(did, operation);
    }
    if log.iter().any(|entry| entry.created_at >= now) {
        return Err(Refused::NotNewer);
    }
    let prev = operation.prev().ok_or(Refused::Registered)?;
    let place = in_force
        .iter()
        .position(|entry| entry.operation.cid() == prev)
        .ok_or(Refused::UnknownPrev)?;
    let state = in_force[place].operation.state().ok_or(Refused::Tombstoned)?;
    let undone = &in_force[place + 1..];
    let signer = operation.signer(&state.rotation_keys).ok_or(Refused::Signature);
    match undone.first() {
        None => signer.map(|_| ())?,
        Some(first) => validate_recovery(state, first, signer, now)?,
    }
    Ok(Accepted {
        cid: operation.cid(),
        prev: Some(prev),
        nullified: undone.iter().map(|entry| entry.operation.cid()).collect(),
    })
}

/// Says how the identity stands after all of `log`.
pub fn standing(log: &[Entry]) -> Standing<'_> {
    match last_in_force(log).map(|entry| entry.operation.state()) {
        None => Standing::Unknown,
        Some(None) => Standing::Tombstoned,
        Some(Some(state)) => Standing::Active(state),
    }
}

/// Returns the newest entry that is not void.
pub fn last_in_force(log: &[Entry]) -> Option<&Entry> {
    log.iter().rev().find(|entry| entry.nullified_at.is_none())
}

/// Replays a whole log, as an auditor does: every entry must have been
/// allowed when it came, and exactly the right ones must be void.
///
/// # Errors
/// The place of the first entry that is wrong, and why; a wrong mark of
/// voidness is [`Refused::UnknownPrev`] at the end of the log.
pub fn audit(did: &Did, log: &[Entry]) -> Result<(), (usize, Refused)> {
    let mut replayed: Vec<Entry> = Vec::with_capacity(log.len());
    for (place, entry) in log.iter().enumerate() {
        let accepted = validate_next(did, &replayed, &entry.operation, entry.created_at)
            .map_err(|refused| (place, refused))?;
        for earlier in &mut replayed {
            if accepted.nullified.contains(&earlier.operation.cid()) {
                earlier.nullified_at = Some(entry.created_at);
            }
        }
        replayed.push(Entry { nullified_at: None, ..entry.clone() });
    }
    let marks = |log: &[Entry]| log.iter().map(|e| e.nullified_at.is_some()).collect::<Vec<_>>();
    match marks(&replayed) == marks(log) {
        true => Ok(()),
        false => Err((log.len(), Refused::UnknownPrev)),
    }
}

fn validate_genesis(did: &Did, operation: &Operation) -> Result<Accepted, Refused> {
    let state = operation.state().ok_or(Refused::NotAGenesis)?;
    let created = operation.did().ok_or(Refused::NotAGenesis)?;
    operation.signer(&state.rotation_keys).ok_or(Refused::Signature)?;
    if created != *did {
        return Err(Refused::OtherDid(created.as_str().to_owned()));
    }
    Ok(Accepted { cid: operation.cid(), prev: None, nullified: Vec::new() })
}

/// `first` is the first operation that would become void, `state` the one
/// before it, whose keys decide who has the higher authority.
fn validate_recovery(
    state: &State,
    first: &Entry,
    signer: Result<usize, Refused>,
    now: Moment,
) -> Result<(), Refused> {
    let disputed = first.operation.signer(&state.rotation_keys).ok_or(Refused::Signature)?;
    if signer? >= disputed {
        return Err(Refused::Authority);
    }
    if now.since(first.created_at) > RECOVERY_WINDOW {
        return Err(Refused::TooLate);
    }
    Ok(())
}
