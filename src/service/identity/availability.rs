//! Whether a handle can still be had, and what could be had in its place.

use crate::{
    atproto::syntax::{Handle, normalize_handle},
    store::{Batch, RunError, StoreError, accounts, reserved_handles},
};

use super::{AskedBy, HandleRefused, Identity, Permitted};

/// Handles that are suggested in place of one.
const SUGGESTIONS_MAX: usize = 4;
/// Numbers that are tried behind a name.
const NUMBERS_TRIED: u32 = 8;
/// The number behind a name has two or three digits.
const NUMBER_MIN: u32 = 10;
const NUMBERS: u32 = 990;

/// Whether a handle can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Available,
    /// It cannot; these could.
    Taken(Vec<Suggestion>),
}

/// A handle that can be had in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The handle.
    pub handle: Handle,
    /// How it was found.
    pub method: &'static str,
}

/// Why nothing is said of a handle.
#[derive(Debug, thiserror::Error)]
pub enum AvailabilityError {
    /// It is not one that is given out here.
    #[error(transparent)]
    Refused(#[from] HandleRefused),
    /// It lies elsewhere.
    #[error("Not a supported handle domain")]
    Elsewhere,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for AvailabilityError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(unmet) => StoreError::Unexpected(unmet).into(),
            RunError::Store(error) => error.into(),
        }
    }
}

impl Identity {
    /// Says whether a handle under a domain of this server can be had, and
    /// suggests others where it cannot. `nickname` is another name that its
    /// owner goes by.
    ///
    /// # Errors
    /// [`AvailabilityError`].
    pub async fn availability(
        &self,
        text: &str,
        nickname: Option<&str>,
    ) -> Result<Availability, AvailabilityError> {
        let handle = match self.check_handle(text, AskedBy::Owner) {
            Ok(Permitted::Hosted(handle)) => {
                if self.is_free(&handle).await? {
                    return Ok(Availability::Available);
                }
                handle
            }
            Ok(Permitted::External(_)) => return Err(AvailabilityError::Elsewhere),
            // Reserved names are as good as taken.
            Err(HandleRefused::Reserved) => {
                normalize_handle(text).map_err(|_| HandleRefused::Syntax)?
            }
            Err(refused) => return Err(refused.into()),
        };
        Ok(Availability::Taken(self.suggestions(&handle, nickname).await?))
    }

    /// Keeps a handle under a domain of this server from being taken. Whoever
    /// has it keeps it.
    ///
    /// # Errors
    /// [`AvailabilityError`].
    pub async fn reserve(&self, text: &str) -> Result<(), AvailabilityError> {
        let Permitted::Hosted(handle) = self.check_handle(text, AskedBy::Operator)? else {
            return Err(AvailabilityError::Elsewhere);
        };
        let mut batch = Batch::new();
        reserved_handles::insert(&mut batch, &handle, self.world.clock.now());
        Ok(self.store.db.run(batch).await?)
    }

    /// Says whether the operator keeps a handle from being taken.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_reserved(&self, handle: &Handle) -> Result<bool, StoreError> {
        reserved_handles::exists(&self.store.db, handle).await
    }

    async fn is_free(&self, handle: &Handle) -> Result<bool, StoreError> {
        let taken = accounts::find_by_handle(&self.store.db, handle).await?.is_some();
        Ok(!taken && !self.is_reserved(handle).await?)
    }

    async fn suggestions(
        &self,
        handle: &Handle,
        nickname: Option<&str>,
    ) -> Result<Vec<Suggestion>, StoreError> {
        let Some((label, domain)) = handle.as_str().split_once('.') else { return Ok(Vec::new()) };
        let nickname: String = nickname.unwrap_or_default().to_ascii_lowercase();
        let nickname: String = nickname.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut tried = vec![(nickname.clone(), "nickname")];
        tried.push((format!("{label}-{nickname}"), "both-names"));
        for _ in 0..NUMBERS_TRIED {
            let number = NUMBER_MIN + self.world.entropy.below(NUMBERS);
            tried.push((format!("{label}{number}"), "number"));
        }
        let mut found: Vec<Suggestion> = Vec::new();
        for (label, method) in tried {
            let permitted = self.check_handle(&format!("{label}.{domain}"), AskedBy::Owner);
            let Ok(Permitted::Hosted(handle)) = permitted else { continue };
            let new = found.iter().all(|other| other.handle != handle);
            if new && self.is_free(&handle).await? {
                found.push(Suggestion { handle, method });
            }
            if found.len() >= SUGGESTIONS_MAX {
                break;
            }
        }
        Ok(found)
    }
}
