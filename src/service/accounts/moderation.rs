//! What the operator decides about accounts, records and blobs.
//!
//! A takedown hides and never deletes: lifting it brings everything back, and
//! the owner can still leave with all of it. The network is told how an account
//! stands after each decision about one, also where that changes nothing: it is
//! the lever that sets relays right which lost track.
//!
//! Spec: <https://atproto.com/specs/account#hosting-status>

use super::Accounts;
use crate::atproto::Cid;
use crate::atproto::event::{AccountEvent, Frame};
use crate::atproto::syntax::{Did, RecordPath};
use crate::service::hosting::status_of;
use crate::service::repos::{Owner, RepoError};
use crate::store::accounts::{self, Account, Status};
use crate::store::{Batch, Commit, CommitError, StoreError, Unmet, blobs, records, sessions};
use crate::store::{RunError, takedowns};

/// What a decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account.
    Account(Did),
    /// A record, whether or not it is there still.
    Record(Did, RecordPath),
    /// A blob.
    Blob(Did, Cid),
}

/// Whether something applies from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It does; with the moderator's reference, if there is one.
    Apply(Option<String>),
    /// It does no longer.
    Lift,
}

/// What a moderator changes; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    /// Whether the subject is hidden.
    pub takedown: Option<Decision>,
    /// Whether the account rests; asked of accounts only.
    pub deactivated: Option<Decision>,
    /// Whether the account is suspended; asked of accounts only.
    pub suspended: Option<Decision>,
}

/// How a subject stands.
#[derive(Debug, Clone)]
pub struct SubjectStatus {
    /// The takedown, with the moderator's reference, or that there is none.
    pub takedown: Decision,
    /// Whether it rests, of accounts.
    pub deactivated: Option<Decision>,
}

/// Why a decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ModerationError {
    /// It is not here.
    #[error("Subject not found")]
    Missing,
    /// A record or a blob cannot rest.
    #[error("Only an account can be deactivated or suspended")]
    NotAnAccount,
    /// The repository cannot be signed anew.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for ModerationError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::BlobMissing | Unmet::AccountMissing) => Self::Missing,
            RunError::Unmet(unmet) => StoreError::Unexpected(unmet).into(),
            RunError::Store(error) => error.into(),
        }
    }
}

impl Accounts {
    /// Carries out what was decided about `subject`.
    ///
    /// # Errors
    /// [`ModerationError`]; then nothing has changed.
    pub async fn decide(
        &self,
        subject: &Subject,
        decisions: &Decisions,
    ) -> Result<(), ModerationError> {
        if let Subject::Account(did) = subject {
            return self.decide_about_account(did, decisions).await;
        }
        if decisions.deactivated.is_some() || decisions.suspended.is_some() {
            return Err(ModerationError::NotAnAccount);
        }
        let Some(takedown) = &decisions.takedown else { return Ok(()) };
        let now = self.world.clock.now();
        let reference = takedown.reference(|| now.to_string());
        let mut batch = Batch::new();
        match subject {
            Subject::Record(did, path) => {
                let account = self.known(did).await?.id;
                match &reference {
                    Some(reference) => takedowns::put(&mut batch, account, path, now, reference),
                    None => takedowns::delete(&mut batch, account, path),
                }
            }
            Subject::Blob(did, cid) => {
                let account = self.known(did).await?.id;
                let takedown = reference.as_deref().map(|reference| (now, reference));
                takedowns::set_blob(&mut batch, account, *cid, takedown);
            }
            Subject::Account(_) => {}
        }
        Ok(self.store.db.run(batch).await?)
    }

    /// Says how a subject stands.
    ///
    /// # Errors
    /// [`ModerationError::Missing`] and the store's.
    pub async fn subject_status(
        &self,
        subject: &Subject,
    ) -> Result<SubjectStatus, ModerationError> {
        let db = &self.store.db;
        let (takedown, deactivated) = match subject {
            Subject::Account(did) => {
                let account = self.known(did).await?;
                let down = account.taken_down_at.map(|_| account.takedown_ref.clone());
                (down, Some(account.deactivated_at.map(|_| None)))
            }
            Subject::Record(did, path) => {
                let account = self.known(did).await?.id;
                let down = takedowns::find(db, account, path).await?;
                if down.is_none() && records::find(db, account, path).await?.is_none() {
                    return Err(ModerationError::Missing);
                }
                (down.map(Some), None)
            }
            Subject::Blob(did, cid) => {
                let account = self.known(did).await?.id;
                blobs::find(db, account, *cid).await?.ok_or(ModerationError::Missing)?;
                (takedowns::find_blob(db, account, *cid).await?, None)
            }
        };
        Ok(SubjectStatus {
            takedown: takedown.into(),
            deactivated: deactivated.map(Decision::from),
        })
    }

    /// The version of a record that is here now, also where it is hidden.
    ///
    /// # Errors
    /// [`ModerationError::Missing`] and the store's.
    pub async fn version_of(&self, subject: &Subject) -> Result<Cid, ModerationError> {
        let Subject::Record(did, path) = subject else { return Err(ModerationError::Missing) };
        let account = self.known(did).await?.id;
        let record = records::find(&self.store.db, account, path).await?;
        record.map(|record| record.cid).ok_or(ModerationError::Missing)
    }

    async fn decide_about_account(
        &self,
        did: &Did,
        decisions: &Decisions,
    ) -> Result<(), ModerationError> {
        let account = self.known(did).await?;
        let owner = Owner { account: account.id, did: did.clone() };
        let wanted = self.after(&account, decisions);
        // Coming into use takes a signature and more news than a status.
        if wanted.status() == Status::Active && account.status() == Status::Deactivated {
            let batch = || {
                let mut batch = Batch::new();
                accounts::activate(&mut batch, account.id);
                batch
            };
            self.repos.activate(&owner, &account.handle, batch).await?;
            return Ok(());
        }
        let _guard = self.repos.lock(account.id).await;
        let event = AccountEvent {
            did: did.clone(),
            status: status_of(&wanted),
            time: self.world.clock.now(),
        };
        let commit = Commit {
            account: account.id,
            batch: self.moves(&account, &wanted),
            repo: None,
            frames: vec![Frame::account(&event)],
        };
        match self.store.db.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Stale | CommitError::Unmet(Unmet::AccountMissing)) => {
                Err(ModerationError::Missing)
            }
            Err(CommitError::Unmet(unmet)) => Err(StoreError::Unexpected(unmet).into()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// The account as it is to stand.
    fn after(&self, account: &Account, decisions: &Decisions) -> Account {
        let now = self.world.clock.now();
        let mut wanted = account.clone();
        if let Some(takedown) = &decisions.takedown {
            wanted.takedown_ref = takedown.reference(|| now.to_string());
            let since = account.taken_down_at.unwrap_or(now);
            wanted.taken_down_at = wanted.takedown_ref.as_ref().map(|_| since);
        }
        match decisions.deactivated {
            Some(Decision::Apply(_)) => {
                wanted.deactivated_at = account.deactivated_at.or(Some(now));
            }
            Some(Decision::Lift) => {
                (wanted.deactivated_at, wanted.delete_after) = (None, None);
            }
            None => {}
        }
        match decisions.suspended {
            Some(Decision::Apply(_)) => wanted.suspended_at = account.suspended_at.or(Some(now)),
            Some(Decision::Lift) => wanted.suspended_at = None,
            None => {}
        }
        wanted
    }

    /// The statements from one standing to another. Whoever is taken down or
    /// suspended is logged out everywhere.
    fn moves(&self, account: &Account, wanted: &Account) -> Batch {
        let mut batch = Batch::new();
        match (wanted.taken_down_at, &wanted.takedown_ref) {
            (Some(at), Some(reference)) => {
                accounts::take_down(&mut batch, account.id, at, reference);
                sessions::delete_of_account(&mut batch, account.id);
            }
            _ => accounts::reinstate(&mut batch, account.id),
        }
        accounts::set_suspended(&mut batch, account.id, wanted.suspended_at);
        if wanted.suspended_at.is_some() {
            sessions::delete_of_account(&mut batch, account.id);
        }
        match wanted.deactivated_at {
            Some(at) => accounts::deactivate(&mut batch, account.id, at, wanted.delete_after),
            None => accounts::activate(&mut batch, account.id),
        }
        batch
    }

    async fn known(&self, did: &Did) -> Result<Account, ModerationError> {
        let account = accounts::find_by_did(&self.store.db, did).await?;
        account.ok_or(ModerationError::Missing)
    }
}

impl Decision {
    /// The reference of a takedown that applies; one is made where none is given.
    fn reference(&self, otherwise: impl FnOnce() -> String) -> Option<String> {
        match self {
            Self::Apply(reference) => Some(reference.clone().unwrap_or_else(otherwise)),
            Self::Lift => None,
        }
    }
}

impl From<Option<Option<String>>> for Decision {
    fn from(applied: Option<Option<String>>) -> Self {
        match applied {
            Some(reference) => Self::Apply(reference),
            None => Self::Lift,
        }
    }
}
