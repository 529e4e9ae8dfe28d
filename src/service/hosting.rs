//! Hosting: which repositories this server shows, and to whom.
//!
//! Everybody sees what is active. The owner and the administrator also see what
//! is deactivated, suspended or taken down, because leaving with one's data is
//! possible in every state.
//!
//! Spec: <https://atproto.com/specs/account#hosting-status>

use crate::{
    atproto::{event::HostingStatus, syntax::Did},
    store::{
        Db, StoreError,
        accounts::{self, Account, Status},
    },
};

/// Who asks for what an account has here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The public.
    Anyone,
    /// An account of this server.
    Account(Did),
    /// The administrator.
    Admin,
}

/// Why something of an account is not shown.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// No such account is here.
    #[error("there is no repository of {} here", .0.as_str())]
    Unknown(Did),
    /// The account is there, and not active.
    #[error("the repository of {} is {}", did.as_str(), status.word().unwrap_or("active"))]
    Inactive {
        /// Whose.
        did: Did,
        /// How it stands; never active.
        status: HostingStatus,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Asker {
    /// Says whether this one sees what an account has whatever its state.
    fn sees_everything_of(&self, did: &Did) -> bool {
        match self {
            Self::Anyone => false,
            Self::Account(asker) => asker == did,
            Self::Admin => true,
        }
    }
}

/// Finds an account whose data `asker` may see.
///
/// # Errors
/// [`NotShown`].
pub async fn find_shown(db: &Db, did: &Did, asker: &Asker) -> Result<Account, NotShown> {
    let account = find_hosted(db, did).await?;
    let status = status_of(&account);
    match status.is_active() || asker.sees_everything_of(did) {
        true => Ok(account),
        false => Err(NotShown::Inactive { did: did.clone(), status }),
    }
}

/// Finds an account in whatever state.
///
/// # Errors
/// [`NotShown::Unknown`] and [`NotShown::Store`].
pub async fn find_hosted(db: &Db, did: &Did) -> Result<Account, NotShown> {
    let account = accounts::find_by_did(db, did).await?;
    account.ok_or_else(|| NotShown::Unknown(did.clone()))
}

/// Returns how an account stands with this host, in the stream's words.
pub fn status_of(account: &Account) -> HostingStatus {
    match account.status() {
        Status::Active => HostingStatus::Active,
        Status::Deactivated => HostingStatus::Deactivated,
        Status::Suspended => HostingStatus::Suspended,
        Status::TakenDown => HostingStatus::TakenDown,
    }
}
