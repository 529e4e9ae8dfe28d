//! Accounts: how they begin, how they stand, how they rest.
//!
//! An account is several things that must agree: a row here, a repository, a
//! signing key, an identity in a directory that is not ours. Each verb says in
//! which order they change and what happens when it is cut off halfway.
//!
//! Spec: <https://atproto.com/specs/account>

mod administration;
mod announce;
mod create;
mod delete;
mod email;
mod journal;
mod moderation;
mod named;
mod plc_operations;
mod recovery;
mod rotation;
mod sign_up;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use super::Host;
use super::email_tokens::EmailTokens;
use super::factors::Factors;
use super::identity::Identity;
use super::keys::AccountKeys;
use super::outbox::Outbox;
use super::passwords::Passwords;
use super::repos::Repos;
use super::sessions::Sessions;
use crate::atproto::crypto::DidKey;
use crate::store::Store;
use crate::world::World;

pub use administration::AdministrationError;
pub use announce::AnnounceError;
pub use create::Created;
pub use delete::DeleteError;
pub use email::{EmailError, EmailFactor, EmailUpdate, UpdateCode, Written};
pub use journal::{DEAD_AFTER, UndoError};
pub use moderation::{Decision, Decisions, ModerationError, Subject, SubjectStatus};
pub use named::find_named;
pub use plc_operations::{Changes, PlcOperationError};
pub use recovery::{PasswordChangeError, ResetError};
pub use rotation::{Rotation, RotationError};
pub use sign_up::{CreateError, OpenedBy, SignUp, checked_email};
pub use standing::{AccountStatus, IdentityFault, StandingError};

/// Creates accounts and changes how they stand.
pub struct Accounts {
    store: Store,
    world: World,
    host: Host,
    identity: Arc<Identity>,
    keys: AccountKeys,
    repos: Arc<Repos>,
    passwords: Passwords,
    sessions: Arc<Sessions>,
    email_tokens: Arc<EmailTokens>,
    outbox: Arc<Outbox>,
    factors: Arc<Factors>,
    settings: AccountSettings,
}

/// What [`Accounts`] works with.
pub struct AccountParts {
    /// Where accounts are kept.
    pub store: Store,
    /// Time and randomness.
    pub world: World,
    /// What this server is called.
    pub host: Host,
    /// The directory, and who is who.
    pub identity: Arc<Identity>,
    /// The accounts' signing keys.
    pub keys: AccountKeys,
    /// An account has a repository from its first moment.
    pub repos: Arc<Repos>,
    /// For hashing passwords.
    pub passwords: Passwords,
    /// A new account begins with a session.
    pub sessions: Arc<Sessions>,
    /// Codes that go to an account's address.
    pub email_tokens: Arc<EmailTokens>,
    /// Letters without codes.
    pub outbox: Arc<Outbox>,
    /// What is shown beside a password.
    pub factors: Arc<Factors>,
}

/// Who may come; the operator's choice.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// Whether a new account needs an invite code.
    pub invites: InviteRule,
    /// A key of the operator that may repair the identities made here.
    pub recovery_key: Option<DidKey>,
    /// Time that asking for a new password takes at least, so that how long it
    /// took tells nothing about who is here.
    pub reset_time_min: Duration,
}

/// Whether a new account needs an invite code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteRule {
    /// Anybody may come.
    Open,
    /// Only with a code.
    Required,
}

impl Accounts {
    /// Makes the service.
    pub fn new(parts: AccountParts, settings: AccountSettings) -> Self {
        let AccountParts { store, world, host, identity, keys, repos, .. } = parts;
        let AccountParts { passwords, sessions, email_tokens, outbox, factors, .. } = parts;
        Self {
            store,
            world,
            host,
            identity,
            keys,
            repos,
            passwords,
            sessions,
            email_tokens,
            outbox,
            factors,
            settings,
        }
    }

    /// Whether a new account needs an invite code.
    pub fn invites(&self) -> InviteRule {
        self.settings.invites
    }
}
