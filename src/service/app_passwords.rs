//! App passwords: further passwords of an account, with less power.
//!
//! One is made of 80 random bits, so a plain hash keeps it as safe as a slow
//! one would, and many log-ins of bots cost little. The official server's are
//! scrypt with a salt of the account; they stay good.
//!
//! One may be held to a list of scopes. What permission sets stand for is put in
//! their place when it is made and stays: a password that somebody has handed out
//! does not come to allow more because a set has grown.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::grants::Actor;
use super::oauth::permission_sets::{PermissionSetError, PermissionSets};
use crate::atproto::Moment;
use crate::atproto::scope::{Scope, Scopes};
use crate::atproto::syntax::Did;
use crate::store::app_passwords::{self, AppPassword, Power};
use crate::store::{Batch, RunError, Store, StoreError, Unmet};
use crate::world::World;

/// Characters of an app password's name.
pub const NAME_CHARS_MAX: usize = 256;
/// App passwords of one account.
pub const PER_ACCOUNT_MAX: usize = 100;
/// Characters of a list of scopes; it is part of every access token.
pub const SCOPE_CHARS_MAX: usize = 4_096;

/// Characters of randomness, five bits each.
const RANDOM_CHARS: usize = 16;
/// Where the dashes go.
const GROUP_CHARS: usize = 4;
/// How a hash of our own begins, and what keeps it apart from other hashes.
const HASH_PREFIX: &str = "sha256:";
/// Bytes of an account's hashed DID in the official salt.
const OFFICIAL_SALT_BYTES: usize = 16;

/// Makes, lists and revokes app passwords.
pub struct AppPasswords {
    store: Store,
    world: World,
    sets: Arc<PermissionSets>,
}

/// An app password that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPassword {
    /// Its name, unique in the account.
    pub name: String,
    /// What it may do.
    pub power: Power,
    /// When it ends, if it does so by itself.
    pub expires_at: Option<Moment>,
}

/// An app password just made: the only time that its text is known.
pub struct Made {
    /// The password.
    pub password: String,
    /// What is kept of it.
    pub kept: AppPassword,
}

/// Why an app password was not made.
#[derive(Debug, thiserror::Error)]
pub enum AppPasswordError {
    /// The account has one of this name.
    #[error("An app password with this name already exists")]
    NameTaken,
    /// The name is empty or too long.
    #[error("The name of an app password must have 1 to {NAME_CHARS_MAX} characters")]
    Name,
    /// The account has enough of them.
    #[error("An account can have at most {PER_ACCOUNT_MAX} app passwords")]
    TooMany,
    /// What it may do is said in no scope.
    #[error("\"{0}\" is no scope")]
    Scope(String),
    /// It would not allow anything, or more than a token can hold.
    #[error("The scopes of an app password must have 1 to {SCOPE_CHARS_MAX} characters")]
    ScopeLength,
    /// A permission set is not known.
    #[error("A permission set is not known: {0}")]
    PermissionSet(PermissionSetError),
    /// It would be over before it begins.
    #[error("An app password cannot end in the past")]
    Past,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for AppPasswordError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::AppPasswordNameTaken) => Self::NameTaken,
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl From<PermissionSetError> for AppPasswordError {
    fn from(error: PermissionSetError) -> Self {
        match error {
            PermissionSetError::Store(error) => Self::Store(error),
            unknown => Self::PermissionSet(unknown),
        }
    }
}

impl AppPasswords {
    /// Makes the service.
    pub fn new(store: Store, world: World, sets: Arc<PermissionSets>) -> Self {
        Self { store, world, sets }
    }

    /// Makes an app password.
    ///
    /// # Errors
    /// See [`AppPasswordError`].
    pub async fn create(
        &self,
        actor: &Actor,
        wanted: WantedPassword,
    ) -> Result<Made, AppPasswordError> {
        let WantedPassword { name, power, expires_at } = wanted;
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return Err(AppPasswordError::Name);
        }
        if expires_at.is_some_and(|end| end <= self.world.clock.now()) {
            return Err(AppPasswordError::Past);
        }
        let power = match power {
            Power::Scoped(scope) => Power::Scoped(self.held_to(&scope).await?),
            other => other,
        };
        if self.list(actor).await?.len() >= PER_ACCOUNT_MAX {
            return Err(AppPasswordError::TooMany);
        }
        let password = grouped(&self.world.entropy.token_base32(RANDOM_CHARS));
        let kept = AppPassword {
            account: actor.account,
            name,
            password_hash: hash(&actor.did, &password),
            power,
            created_at: self.world.clock.now(),
            expires_at,
        };
        let mut batch = Batch::new();
        app_passwords::insert(&mut batch, &kept);
        self.store.db.run(batch).await?;
        Ok(Made { password, kept })
    }

    /// Reads a list of scopes, and puts what permission sets hold in their place.
    async fn held_to(&self, text: &str) -> Result<String, AppPasswordError> {
        let words = || text.split_whitespace();
        if words().next().is_none() || text.len() > SCOPE_CHARS_MAX {
            return Err(AppPasswordError::ScopeLength);
        }
        if let Some(unknown) = words().find(|word| Scope::parse(word).is_none()) {
            return Err(AppPasswordError::Scope(unknown.to_owned()));
        }
        let wanted: Scopes =
            [Scope::Atproto].into_iter().chain(words().filter_map(Scope::parse)).collect();
        let held = self.sets.expand(&wanted).await?.to_string();
        if held.len() > SCOPE_CHARS_MAX { Err(AppPasswordError::ScopeLength) } else { Ok(held) }
    }

    /// Lists the account's app passwords, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<AppPassword>, StoreError> {
        app_passwords::list(&self.store.db, actor.account).await
    }

    /// Revokes an app password and ends its sessions; one that is not there is
    /// revoked already.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke(&self, actor: &Actor, name: &str) -> Result<(), AppPasswordError> {
        let mut batch = Batch::new();
        app_passwords::delete(&mut batch, actor.account, name);
        Ok(self.store.db.run(batch).await?)
    }
}

/// What is stored of an app password made here.
pub fn hash(did: &Did, password: &str) -> String {
    let digest = Sha256::new()
        .chain_update(did.as_str().as_bytes())
        .chain_update([0])
        .chain_update(password.as_bytes())
        .finalize();
    format!("{HASH_PREFIX}{}", HEXLOWER.encode(&digest))
}

/// Whether a password has the form of app passwords: four groups of four.
pub fn is_plausible(password: &str) -> bool {
    let mut groups = 0;
    let fits = |group: &str| group.len() == GROUP_CHARS && group.is_ascii();
    password.split('-').inspect(|_| groups += 1).all(fits) && groups == RANDOM_CHARS / GROUP_CHARS
}

/// Whether a stored hash is one of the official server's.
pub fn is_official(stored: &str) -> bool {
    !stored.starts_with(HASH_PREFIX)
}

/// The salt of the official server's app passwords, which is the account's.
pub fn official_salt(did: &Did) -> String {
    HEXLOWER.encode(&Sha256::digest(did.as_str().as_bytes())[..OFFICIAL_SALT_BYTES])
}

fn grouped(random: &str) -> String {
    let groups = random.as_bytes().chunks(GROUP_CHARS).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("-")
}
