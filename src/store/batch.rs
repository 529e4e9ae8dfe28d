//! Batches: transactions as data.
//!
//! A batch is a list of statements, each with what it must affect. It runs in
//! one transaction; where an expectation fails, all of it is rolled back and
//! the expectation's name is the answer. Batches are put together by the nouns
//! of this room and run by `service/`, so that no logic ever stands inside a
//! transaction and batches can share one.

use super::engine::Statement;

/// An expectation that did not hold: the caller's protocol-level reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unmet {
    /// The DID, handle or e-mail address of a new account is in use.
    #[error("the DID, handle or e-mail address is in use")]
    AccountTaken,
    /// The handle is in use by another account.
    #[error("the handle is in use")]
    HandleTaken,
    /// The e-mail address is in use by another account.
    #[error("the e-mail address is in use")]
    EmailTaken,
    /// The code that was sent by e-mail was used or replaced.
    #[error("the e-mailed code was used or replaced")]
    EmailTokenGone,
    /// There is no such account.
    #[error("there is no such account")]
    AccountMissing,
    /// The invite code does not exist, is disabled or is used up.
    #[error("the invite code is not available")]
    InviteUnavailable,
    /// An app password of this name exists.
    #[error("an app password of this name exists")]
    AppPasswordNameTaken,
    /// The session ended, or has already been continued by another token.
    #[error("the session was continued or ended by someone else")]
    SessionMoved,
    /// The code of an authenticator app or the recovery code was used before.
    #[error("the second factor was used before")]
    FactorUsed,
    /// The app's request was ended, opened elsewhere, or agreed to already.
    #[error("the request of the app was moved on or ended by someone else")]
    RequestMoved,
    /// A blob that a record refers to is not there, or was taken down.
    #[error("a blob is missing")]
    BlobMissing,
    /// This nonce was used before.
    #[error("the nonce was used before")]
    NonceUsed,
    /// A DID's log of operations has grown since it was read.
    #[error("the operation log has moved on")]
    PlcLogMoved,
    /// The journal of an unfinished undertaking is not where it should be.
    #[error("the undertaking was moved on or ended by someone else")]
    IntentMoved,
    /// A reserved key is gone or was taken by another.
    #[error("the reserved key is not available")]
    ReservedKeyUnavailable,
    /// The row is there already.
    #[error("it exists already")]
    Exists,
    /// The row is not there.
    #[error("it does not exist")]
    Missing,
}

/// What a statement must affect.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Expect {
    /// Any number of rows.
    Anything,
    /// Exactly this number of rows (returned ones, for a SELECT).
    Rows(u64, Unmet),
}

/// Statements that run together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    pub(in crate::store) statements: Vec<(Statement, Expect)>,
}

impl Batch {
    /// Starts an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Adds all statements of `other`, after ours.
    pub fn append(&mut self, other: Self) {
        self.statements.extend(other.statements);
    }

    /// Adds a statement that may affect any number of rows.
    pub(in crate::store) fn add(&mut self, statement: Statement) {
        self.statements.push((statement, Expect::Anything));
    }

    /// Adds a statement that must affect exactly one row.
    pub(in crate::store) fn add_one(&mut self, statement: Statement, otherwise: Unmet) {
        self.add_exactly(1, statement, otherwise);
    }

    /// Adds a statement that must affect (or find) exactly `rows` rows.
    pub(in crate::store) fn add_exactly(
        &mut self,
        rows: u64,
        statement: Statement,
        otherwise: Unmet,
    ) {
        self.statements.push((statement, Expect::Rows(rows, otherwise)));
    }

    pub(in crate::store) fn size_bytes(&self) -> usize {
        let values = |(statement, _): &(Statement, Expect)| statement.size_bytes();
        self.statements.iter().map(values).sum()
    }
}
