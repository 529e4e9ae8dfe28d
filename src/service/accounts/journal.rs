//! The journal of creations: no DID is left behind without its account.
//!
//! Creating an account makes a DID in a directory that knows nothing of our
//! transactions. So the intent is written down first and struck out by the very
//! transaction that makes the account. An intent that is still there when
//! nobody can be working on it any more is undone: its DID, which this server
//! made and nobody has used, is ended in the directory.

use std::time::Duration;

use serde_json::Value;

use super::Accounts;
use crate::atproto::plc::{InvalidOperation, Operation, Unsigned};
use crate::atproto::syntax::Did;
use crate::atproto::{Cid, Moment};
use crate::service::identity::PlcError;
use crate::store::intents::{self, Intent};
use crate::store::{Batch, RunError, StoreError, Unmet};
use crate::world::crash;

/// Age at which nobody works on an intent any more, on any node that shares
/// the database: far beyond the time limits of its steps.
pub const DEAD_AFTER: Duration = Duration::from_secs(10 * 60);

const KIND: &str = "create_account";
/// The directory is being told, the account does not exist.
const BEGUN: &str = "begun";
/// The account is there; the intent goes in the same transaction.
const DONE: &str = "done";
/// The DID is being ended; no account may appear any more.
const UNDOING: &str = "undoing";
/// Intents looked at in one go.
const INTENTS_MAX: u32 = 100;

/// Why a creation could not be undone; it is tried again later.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The directory does not answer or refuses.
    #[error("the directory does not end the DID: {0}")]
    Directory(#[from] PlcError),
    /// The journal holds no operation.
    #[error("the journal of {} cannot be read", .0.as_str())]
    Unreadable(Did),
    /// The end of the DID could not be written.
    #[error(transparent)]
    Operation(#[from] InvalidOperation),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A creation that has begun.
pub(super) struct Begun {
    intent: Intent,
}

impl Begun {
    /// Strikes the intent out, as part of the transaction that makes the
    /// account; fails where somebody has begun to undo it.
    pub(super) fn finish(&self, batch: &mut Batch) {
        intents::advance(batch, &self.intent, DONE);
        intents::delete(batch, &self.intent.did, KIND);
    }
}

impl Accounts {
    /// Writes down that `genesis` is about to be submitted.
    pub(super) async fn begin(&self, did: &Did, genesis: &Operation) -> Result<Begun, StoreError> {
        let intent = Intent {
            did: did.clone(),
            kind: KIND.to_owned(),
            step: BEGUN.to_owned(),
            body: genesis.to_json().to_string(),
            created_at: self.world.clock.now(),
        };
        let mut batch = Batch::new();
        intents::insert(&mut batch, &intent);
        match self.store.db.run(batch).await {
            Ok(()) => Ok(Begun { intent }),
            Err(RunError::Unmet(unmet)) => Err(StoreError::Unexpected(unmet)),
            Err(RunError::Store(error)) => Err(error),
        }
    }

    /// Strikes out an intent of which nothing came: the directory refused.
    pub(super) async fn give_up(&self, begun: &Begun) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        intents::delete(&mut batch, &begun.intent.did, KIND);
        self.run_unless_gone(batch).await
    }

    /// Ends the DID of a creation that failed after the directory knew it.
    pub(super) async fn undo(&self, begun: &Begun) -> Result<(), UndoError> {
        self.undo_intent(&begun.intent).await
    }

    /// Undoes creations that began before `moment` and did not end. One that
    /// cannot be undone now is logged and stays for the next time.
    ///
    /// # Errors
    /// The store's.
    pub async fn undo_begun_before(&self, moment: Moment) -> Result<(), StoreError> {
        let unfinished = intents::list_of_kind(&self.store.db, KIND, "", INTENTS_MAX).await?;
        let dead = |intent: &Intent| intent.created_at < moment;
        for intent in unfinished.into_iter().filter(dead) {
            let did = &intent.did;
            match self.undo_intent(&intent).await {
                Ok(()) => tracing::warn!(did = %did.as_str(), "Undid a creation that was cut off."),
                Err(error) => {
                    let did = did.as_str();
                    tracing::warn!(did, "Could not undo a creation that was cut off: {error}.");
                }
            }
        }
        Ok(())
    }

    async fn undo_intent(&self, intent: &Intent) -> Result<(), UndoError> {
        if intent.step != UNDOING {
            let mut batch = Batch::new();
            intents::advance(&mut batch, intent, UNDOING);
            match self.store.db.run(batch).await {
                Ok(()) => {}
                // It was finished, or somebody else undoes it.
                Err(RunError::Unmet(_)) => return Ok(()),
                Err(RunError::Store(error)) => return Err(error.into()),
            }
        }
        crash::point("undo: nothing may come of it any more");
        let genesis =
            genesis_of(intent).ok_or_else(|| UndoError::Unreadable(intent.did.clone()))?;
        self.end_did(&intent.did, genesis).await?;
        crash::point("undo: the DID is ended");
        let mut batch = Batch::new();
        intents::delete(&mut batch, &intent.did, KIND);
        Ok(self.run_unless_gone(batch).await?)
    }

    /// Ends a DID at whose genesis nothing was added: whoever has changed it
    /// since has made it theirs.
    async fn end_did(&self, did: &Did, genesis: Cid) -> Result<(), UndoError> {
        let last = match self.identity.plc().last_operation(did).await {
            Ok(last) => last,
            Err(PlcError::NotFound | PlcError::Tombstoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if last.cid() != genesis {
            return Ok(());
        }
        let end = Unsigned::Tombstone { prev: genesis }.sign(self.identity.rotation_key())?;
        Ok(self.identity.plc().submit(did, &end).await?)
    }

    pub(super) async fn run_unless_gone(&self, batch: Batch) -> Result<(), StoreError> {
        match self.store.db.run(batch).await {
            Ok(()) | Err(RunError::Unmet(Unmet::IntentMoved)) => Ok(()),
            Err(RunError::Unmet(unmet)) => Err(StoreError::Unexpected(unmet)),
            Err(RunError::Store(error)) => Err(error),
        }
    }
}

fn genesis_of(intent: &Intent) -> Option<Cid> {
    let json: Value = serde_json::from_str(&intent.body).ok()?;
    Some(Operation::from_json(json).ok()?.cid())
}
