//! The authorization server: apps ask, people agree, tokens follow.
//!
//! The journey of an app has a verb for each station: [`OAuth::push`] takes its
//! request, [`OAuth::open`] and [`OAuth::next`] lead a person through it,
//! [`OAuth::agree`] gives the code, [`OAuth::token`] turns that into tokens and
//! those into the next ones, [`OAuth::revoke`] ends it. Pages, forms and
//! headers are not known here.
//!
//! Spec: <https://atproto.com/specs/oauth>

mod access;
mod authentication;
pub mod clients;
mod error;
mod exchange;
pub mod parameters;
pub mod permission_sets;
mod proofs;
mod requests;
mod tokens;

use std::sync::Arc;

use crate::atproto::Moment;
use crate::store::accounts::{Account, Status};
use crate::store::oauth::sessions::{self, Session};
use crate::store::oauth::{consents, requests as requests_stored};
use crate::store::vault::Vault;
use crate::store::{AccountId, Batch, Store, StoreError};
use crate::world::World;

use super::Host;
pub use access::Bearer;
pub use authentication::Shown;
use clients::Clients;
pub use error::OAuthError;
pub use exchange::Tokens;
pub use parameters::{Form, Parameters, Prompt, ResponseMode};
use permission_sets::PermissionSets;
use proofs::Proofs;
pub use requests::{Agreement, Asked, OpenError, Pushed, Step};
use tokens::Texts;

/// The authorization server.
pub struct OAuth {
    store: Store,
    world: World,
    host: Host,
    /// Who asks.
    pub clients: Clients,
    /// What bundles of scopes stand for.
    pub sets: Arc<PermissionSets>,
    proofs: Proofs,
    texts: Texts,
}

/// What [`OAuth`] works with.
pub struct OAuthParts {
    /// Where everything is kept.
    pub store: Store,
    /// Time, randomness, and the way to clients.
    pub world: World,
    /// What this server is called.
    pub host: Host,
    /// For what stands for codes and tokens at rest.
    pub vault: Vault,
    /// What bundles of scopes stand for.
    pub sets: Arc<PermissionSets>,
    /// Clients of the operator's own.
    pub trusted_clients: Vec<String>,
}

impl OAuth {
    /// Makes the service; `secret` signs access tokens.
    pub fn new(parts: OAuthParts, secret: &[u8]) -> Self {
        let OAuthParts { store, world, host, vault, sets, trusted_clients } = parts;
        Self {
            clients: Clients::new(world.clone(), trusted_clients),
            proofs: Proofs::new(&world),
            texts: Texts::new(secret, vault, world.entropy.clone(), &host),
            sets,
            store,
            world,
            host,
        }
    }

    /// The nonce that the next proof of possession must carry.
    pub fn nonce(&self) -> String {
        self.proofs.nonce()
    }

    /// Who this authorization server is.
    pub fn issuer(&self) -> &str {
        &self.host.public_url
    }

    /// The sessions of apps that act for an account, the last used first.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions_of(&self, account: AccountId) -> Result<Vec<Session>, StoreError> {
        let now = self.now();
        let all = sessions::list_of_account(&self.store.db, account).await?;
        Ok(all.into_iter().filter(|one| now < one.refresh_until.min(one.expires_at)).collect())
    }

    /// Ends a session of an app that acts for this account, and forgets what the
    /// account has agreed to for it; one that is not there has ended already.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_session(&self, account: AccountId, id: &str) -> Result<(), OAuthError> {
        let found = sessions::find(&self.store.db, id).await?;
        let Some(session) = found.filter(|session| session.account == account) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        sessions::delete(&mut batch, id);
        consents::delete(&mut batch, account, &session.client_id);
        Ok(self.store.db.run(batch).await?)
    }

    /// Forgets requests and sessions that are over.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_expired(&self) -> Result<(), OAuthError> {
        let now = self.now();
        let mut batch = Batch::new();
        requests_stored::delete_expired(&mut batch, now);
        sessions::delete_expired(&mut batch, now);
        self.store.db.run(batch).await?;
        Ok(self.sets.delete_old().await?)
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}

/// Whether the operator keeps the account out.
fn is_barred(account: &Account) -> bool {
    matches!(account.status(), Status::TakenDown | Status::Suspended)
}
