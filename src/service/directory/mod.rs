//! An embedded did:plc directory: the network's book of identities, for a
//! network that fits on one machine.
//!
//! The rules are those of [`crate::atproto::plc`]; here they meet a log that
//! is kept. Each identity's log is numbered, so of two operations for one
//! place the store takes one: that is the whole of its locking, and it holds
//! for several processes too.
//!
//! Spec: <https://web.plc.directory/spec/v0.1/did-plc>

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    atproto::{
        Cid, Moment,
        did_doc::DidDocument,
        plc::{
            InvalidOperation, Operation, State,
            log::{self, Accepted, Entry, Refused},
        },
        syntax::Did,
    },
    store::{
        Batch, Db, RunError, StoreError, Unmet,
        plc_operations::{self, Exported, PlcOperation},
    },
    world::Clock,
};

/// Operations that one identity may have in a window of time, as the
/// network's directory counts them. Recoveries do not count: whoever stole a
/// key could else lock the owner out by being busy.
const RATES: [(u32, Duration, &str); 3] = [
    (10, Duration::from_hours(1), "hour"),
    (30, Duration::from_hours(24), "day"),
    (100, Duration::from_hours(24 * 7), "week"),
];

/// Entries of one page of the export.
pub const EXPORT_ENTRIES_MAX: u32 = 1000;

/// How often an operation is judged anew because others were written while it
/// was judged. They may be of other identities, which costs nothing but the
/// next try.
const TRIES_MAX: u32 = 16;

/// Whether [`RATES`] are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rates {
    /// As in the network.
    #[default]
    Kept,
    /// For a developer, who does in a minute what others do in a year.
    Free,
}

/// The directory.
#[derive(Clone, Debug)]
pub struct Directory {
    db: Db,
    clock: Clock,
    rates: Rates,
}

/// Why the directory does not do or does not have something.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The name is not one of this method.
    #[error("not a did:plc: {0}")]
    NotADid(String),
    /// There is no such identity.
    #[error("DID not registered: {}", .0.as_str())]
    NotRegistered(Did),
    /// The identity was ended.
    #[error("DID not available: {}", .0.as_str())]
    Tombstoned(Did),
    /// What was posted is not an operation that is accepted.
    #[error("not a valid operation: {0}")]
    Invalid(#[from] InvalidOperation),
    /// The log does not allow the operation.
    #[error("operation refused: {0}")]
    Refused(#[from] Refused),
    /// The identity has had too many operations.
    #[error("too many operations within the last {window} (max {max})")]
    TooMany {
        /// How many are allowed.
        max: u32,
        /// In which time.
        window: &'static str,
    },
    /// Another operation came in between.
    #[error("another operation for this DID came first; read the log again")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state of an identity, with its name.
#[derive(Debug, Serialize)]
pub struct DidState {
    /// The identity.
    pub did: Did,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
}

/// An operation and what the directory knows of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audited {
    /// The identity.
    pub did: Did,
    /// The signed operation.
    pub operation: Box<RawValue>,
    /// The identifier of the signed operation.
    pub cid: Cid,
    /// Whether a recovery undid it.
    pub nullified: bool,
    /// When it was accepted.
    pub created_at: Moment,
}

/// An operation and its place among those of all identities.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequenced {
    /// What kind of line this is: an operation.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The identity.
    pub did: Did,
    /// The signed operation.
    pub operation: Box<RawValue>,
    /// The identifier of the signed operation.
    pub cid: Cid,
    /// When it was accepted.
    pub created_at: Moment,
    /// Its place.
    pub seq: i64,
}

impl Directory {
    /// Opens the directory that is kept in `db`.
    pub fn new(db: Db, clock: Clock, rates: Rates) -> Self {
        Self { db, clock, rates }
    }

    /// Returns the DID document.
    ///
    /// # Errors
    /// [`DirectoryError::NotRegistered`], [`DirectoryError::Tombstoned`].
    pub async fn document(&self, did: &str) -> Result<DidDocument, DirectoryError> {
        let DidState { did, state } = self.state(did).await?;
        Ok(DidDocument::for_plc_state(&did, &state))
    }

    /// Returns the state that the document shows, and the rotation keys.
    ///
    /// # Errors
    /// [`DirectoryError::NotRegistered`], [`DirectoryError::Tombstoned`].
    pub async fn state(&self, did: &str) -> Result<DidState, DirectoryError> {
        let did = parse_did(did)?;
        let stored = self.stored_log(&did).await?;
        let last = stored.iter().rev().find(|entry| entry.nullified_at.is_none());
        let last = last.ok_or_else(|| DirectoryError::NotRegistered(did.clone()))?;
        match read(last)?.state() {
            Some(state) => Ok(DidState { did, state: state.clone() }),
            None => Err(DirectoryError::Tombstoned(did)),
        }
    }

    /// Returns the operations in force, in order; a tombstone is one of them.
    ///
    /// # Errors
    /// [`DirectoryError::NotRegistered`].
    pub async fn log(&self, did: &str) -> Result<Vec<Box<RawValue>>, DirectoryError> {
        let audited = self.audit_log(did).await?;
        let in_force = audited.into_iter().filter(|entry| !entry.nullified);
        Ok(in_force.map(|entry| entry.operation).collect())
    }

    /// Returns the last operation in force.
    ///
    /// # Errors
    /// [`DirectoryError::NotRegistered`].
    pub async fn last(&self, did: &str) -> Result<Box<RawValue>, DirectoryError> {
        let mut log = self.log(did).await?;
        Ok(log.pop().expect("the log of a registered identity has an operation in force"))
    }

    /// Returns everything that was ever accepted, in order.
    ///
    /// # Errors
    /// [`DirectoryError::NotRegistered`].
    pub async fn audit_log(&self, did: &str) -> Result<Vec<Audited>, DirectoryError> {
        let did = parse_did(did)?;
        let stored = self.stored_log(&did).await?;
        if stored.is_empty() {
            return Err(DirectoryError::NotRegistered(did));
        }
        stored.into_iter().map(audited).collect()
    }

    /// Accepts an operation, or says why not.
    ///
    /// # Errors
    /// All but [`DirectoryError::NotRegistered`] and
    /// [`DirectoryError::Tombstoned`].
    pub async fn submit(&self, did: &str, operation: Value) -> Result<Cid, DirectoryError> {
        let did = parse_did(did)?;
        let operation = Operation::from_json(operation)?;
        operation.check_incoming()?;
        let mut judged = None;
        for _ in 0..TRIES_MAX {
            let stored = self.stored_log(&did).await?;
            if judged.is_some_and(|length| length != stored.len()) {
                return Err(DirectoryError::Conflict);
            }
            judged = Some(stored.len());
            let log = stored.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            let now = self.moment_after(&log);
            let accepted = log::validate_next(&did, &log, &operation, now)?;
            self.check_rates(&log, &accepted, now)?;
            match self.append(&did, &log, &operation, (&accepted, now)).await {
                Err(RunError::Unmet(Unmet::PlcLogMoved)) => {}
                Err(RunError::Unmet(_)) => return Err(DirectoryError::Conflict),
                Err(RunError::Store(error)) => return Err(error.into()),
                Ok(()) => return Ok(accepted.cid),
            }
        }
        Err(DirectoryError::Conflict)
    }

    /// Returns operations of all identities in the order in which they came,
    /// from behind the place `after`.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn export(&self, after: i64, count: u32) -> Result<Vec<Sequenced>, DirectoryError> {
        let count = count.min(EXPORT_ENTRIES_MAX);
        let exported = plc_operations::export(&self.db, after, count).await?;
        exported.into_iter().map(sequenced).collect()
    }

    /// Returns operations of all identities that were accepted after a moment.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn export_since(
        &self,
        after: Moment,
        count: u32,
    ) -> Result<Vec<Audited>, DirectoryError> {
        let count = count.min(EXPORT_ENTRIES_MAX);
        let exported = plc_operations::export_after(&self.db, after, count).await?;
        exported.into_iter().map(|exported| audited(exported.operation)).collect()
    }

    async fn stored_log(&self, did: &Did) -> Result<Vec<PlcOperation>, StoreError> {
        plc_operations::list(&self.db, did).await
    }

    /// Every entry of a log has a moment of its own, also where the clock
    /// stands still or was set back.
    fn moment_after(&self, log: &[Entry]) -> Moment {
        let least = log.last().map(|last| last.created_at.plus(Duration::from_millis(1)));
        least.map_or(self.clock.now(), |least| least.max(self.clock.now()))
    }

    fn check_rates(
        &self,
        log: &[Entry],
        accepted: &Accepted,
        now: Moment,
    ) -> Result<(), DirectoryError> {
        if self.rates == Rates::Free || !accepted.nullified.is_empty() {
            return Ok(());
        }
        for (max, period, window) in RATES {
            let since = now.minus(period);
            let recent = log.iter().filter(|e| e.nullified_at.is_none() && e.created_at > since);
            if recent.count() >= max as usize {
                return Err(DirectoryError::TooMany { max, window });
            }
        }
        Ok(())
    }

    async fn append(
        &self,
        did: &Did,
        log: &[Entry],
        operation: &Operation,
        (accepted, now): (&Accepted, Moment),
    ) -> Result<(), RunError> {
        let mut batch = Batch::new();
        let number = i64::try_from(log.len()).unwrap_or(i64::MAX);
        let new = PlcOperation {
            did: did.clone(),
            number,
            cid: accepted.cid,
            operation: operation.to_json().to_string(),
            created_at: now,
            nullified_at: None,
        };
        plc_operations::insert(&mut batch, &new);
        for cid in &accepted.nullified {
            plc_operations::nullify(&mut batch, did, *cid, now);
        }
        self.db.run(batch).await
    }
}

fn parse_did(text: &str) -> Result<Did, DirectoryError> {
    let is_identifier = |id: &str| {
        id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    };
    text.strip_prefix("did:plc:")
        .filter(|id| is_identifier(id))
        .and_then(|_| Did::new(text.to_owned()).ok())
        .ok_or_else(|| DirectoryError::NotADid(text.to_owned()))
}

fn entry(stored: &PlcOperation) -> Result<Entry, StoreError> {
    Ok(Entry {
        operation: read(stored)?,
        created_at: stored.created_at,
        nullified_at: stored.nullified_at,
    })
}

fn read(stored: &PlcOperation) -> Result<Operation, StoreError> {
    let json = serde_json::from_str(&stored.operation).map_err(|error| corrupt(stored, error))?;
    Operation::from_json(json).map_err(|error| corrupt(stored, error))
}

fn audited(stored: PlcOperation) -> Result<Audited, DirectoryError> {
    Ok(Audited {
        operation: raw(&stored)?,
        did: stored.did,
        cid: stored.cid,
        nullified: stored.nullified_at.is_some(),
        created_at: stored.created_at,
    })
}

fn sequenced(exported: Exported) -> Result<Sequenced, DirectoryError> {
    let stored = exported.operation;
    Ok(Sequenced {
        kind: "sequenced_op",
        operation: raw(&stored)?,
        did: stored.did,
        cid: stored.cid,
        created_at: stored.created_at,
        seq: exported.position,
    })
}

fn raw(stored: &PlcOperation) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(stored.operation.clone()).map_err(|error| corrupt(stored, error))
}

fn corrupt(stored: &PlcOperation, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        table: "plc_operations".to_owned(),
        key: format!("{} {}", stored.did.as_str(), stored.number),
        what: what.to_string(),
    }
}
