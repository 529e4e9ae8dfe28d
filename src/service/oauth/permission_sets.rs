//! Permission sets: what `include:` scopes stand for today.
//!
//! A set is kept for a day and then looked up again; where that fails, the old
//! one is good for longer, since apps that people use must not stop because a
//! domain is down.
//!
//! Spec: <https://atproto.com/specs/permission#resolution-and-caching>

use std::time::Duration;

use crate::atproto::Moment;
use crate::atproto::scope::{Include, PermissionSet, Scope, Scopes};
use crate::atproto::syntax::Nsid;
use crate::service::lexicons::{LexiconError, Lexicons};
use crate::store::permission_sets::{self, KeptSet};
use crate::store::{Batch, RunError, Store, StoreError};
use crate::world::World;

/// How long a set is good without a look.
// spec: permission#resolution-and-caching
const GOOD: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is good where nobody answers.
const GOOD_IF_FAILING: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Sets in one list of scopes: each may cost a look-up.
const SETS_MAX: usize = 10;

/// Knows permission sets.
pub struct PermissionSets {
    store: Store,
    world: World,
    lexicons: Lexicons,
}

/// Why a set is not known.
#[derive(Debug, thiserror::Error)]
pub enum PermissionSetError {
    /// It was not found.
    #[error(transparent)]
    Unresolved(#[from] LexiconError),
    /// What was found is something else.
    #[error("the lexicon {0} is not a permission set")]
    NotASet(String),
    /// Too many at once.
    #[error("more than {SETS_MAX} permission sets in one request")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for PermissionSetError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl PermissionSets {
    /// Makes the service.
    pub fn new(store: Store, world: World, lexicons: Lexicons) -> Self {
        Self { store, world, lexicons }
    }

    /// The sets that a list of scopes includes, each with the scope that does.
    ///
    /// # Errors
    /// [`PermissionSetError`], for the first one that is not known.
    pub async fn included(
        &self,
        scopes: &Scopes,
    ) -> Result<Vec<(Include, PermissionSet)>, PermissionSetError> {
        let mut sets = Vec::new();
        for scope in scopes.iter() {
            let Scope::Include(include) = scope else { continue };
            if sets.len() >= SETS_MAX {
                return Err(PermissionSetError::TooMany);
            }
            sets.push((include.clone(), self.set(&include.nsid).await?));
        }
        Ok(sets)
    }

    /// A list of scopes with what its sets hold in their place.
    ///
    /// # Errors
    /// [`PermissionSetError`].
    pub async fn expand(&self, scopes: &Scopes) -> Result<Scopes, PermissionSetError> {
        let sets = self.included(scopes).await?;
        let plain = scopes.iter().filter(|scope| !matches!(scope, Scope::Include(_))).cloned();
        let held = sets.iter().flat_map(|(include, set)| set.scopes(include));
        Ok(plain.chain(held).collect())
    }

    /// Forgets sets that are too old for anything.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_old(&self) -> Result<(), RunError> {
        let mut batch = Batch::new();
        permission_sets::delete_before(&mut batch, self.now().minus(GOOD_IF_FAILING));
        self.store.db.run(batch).await
    }

    async fn set(&self, nsid: &Nsid) -> Result<PermissionSet, PermissionSetError> {
        let now = self.now();
        let kept = permission_sets::find(&self.store.db, nsid).await?;
        let kept = kept.filter(|kept| kept.fetched_at.plus(GOOD_IF_FAILING) > now);
        if let Some(kept) = &kept
            && kept.fetched_at.plus(GOOD) > now
        {
            return read_kept(nsid, kept);
        }
        match (self.lexicons.resolve(nsid).await, kept) {
            (Ok(published), _) => {
                let set = PermissionSet::read(nsid, &published.document);
                let not_a_set = |_| PermissionSetError::NotASet(nsid.as_str().to_owned());
                let set = set.map_err(not_a_set)?;
                let document = published.document.to_string();
                let mut batch = Batch::new();
                let kept = KeptSet { document, fetched_at: now };
                permission_sets::put(&mut batch, nsid, &kept);
                self.store.db.run(batch).await?;
                Ok(set)
            }
            (Err(error), Some(kept)) => {
                tracing::warn!(nsid = nsid.as_str(), %error, "A permission set is not refreshed.");
                read_kept(nsid, &kept)
            }
            (Err(error), None) => Err(error.into()),
        }
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}

fn read_kept(nsid: &Nsid, kept: &KeptSet) -> Result<PermissionSet, PermissionSetError> {
    let corrupt = |what: String| StoreError::Corrupt {
        table: "permission_sets".to_owned(),
        key: nsid.as_str().to_owned(),
        what,
    };
    let document = serde_json::from_str(&kept.document);
    let document = document.map_err(|error| corrupt(error.to_string()))?;
    let set = PermissionSet::read(nsid, &document);
    Ok(set.map_err(|error| corrupt(error.to_string()))?)
}
