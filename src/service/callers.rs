//! Who calls: from a credential to an [`Actor`], or to a reason why not.
//!
//! The only place where a token becomes somebody. It verifies the credential,
//! asks the access matrix, and looks at how the account stands.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::grants::{Access, Actor, Grant, MissingScope, Rule, Scoped};
use super::identity::Identity;
use super::oauth::{Bearer, OAuth, OAuthError, Shown};
use super::service_tokens::{ServiceTokenError, ServiceTokens, Verified, is_service_token};
use super::sessions::tokens::{TokenError, Tokens};
use crate::atproto::syntax::{Did, Nsid};
use crate::store::accounts::{self, Account, Status};
use crate::store::{Store, StoreError};
use crate::world::World;

/// Finds out who calls.
pub struct Callers {
    store: Store,
    world: World,
    tokens: Tokens,
    oauth: Arc<OAuth>,
    service_tokens: ServiceTokens,
    /// The digest of the administrator's password: of one length, so that
    /// comparing takes one time.
    admin: [u8; 32],
    moderation: Option<Did>,
}

/// What [`Callers`] works with.
pub struct CallerParts {
    /// Where accounts are kept.
    pub store: Store,
    /// Time.
    pub world: World,
    /// For the keys of other servers' accounts.
    pub identity: Arc<Identity>,
    /// For reading the tokens of sessions.
    pub tokens: Tokens,
    /// For reading the tokens of apps.
    pub oauth: Arc<OAuth>,
    /// This server, for which service tokens must be meant.
    pub service_did: Did,
    /// The moderation service, whose tokens open what moderators need.
    pub moderation: Option<Did>,
}

/// What is being called.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// The method, if it is one of this server's own.
    pub nsid: Option<&'c Nsid>,
    /// What it asks of its caller.
    pub access: Access,
}

/// Why a caller is refused.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The session's token is refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The service token is refused.
    #[error(transparent)]
    ServiceToken(#[from] ServiceTokenError),
    /// The token of an app is refused, or its proof.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The app was not allowed to do this.
    #[error(transparent)]
    MissingScope(#[from] MissingScope),
    /// This is not for apps, whatever they were allowed.
    #[error("OAuth credentials are not supported for this endpoint")]
    NotForApps,
    /// The token is good and its account is not here.
    #[error("Account not found")]
    NoAccount,
    /// The operator took the account down.
    #[error("Account has been taken down")]
    TakenDown,
    /// The operator suspended the account.
    #[error("Account has been suspended")]
    Suspended,
    /// Its owner deactivated the account.
    #[error("Account is deactivated")]
    Deactivated,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Callers {
    /// Makes the service; `admin_password` opens the operator's methods.
    pub fn new(parts: CallerParts, admin_password: &str) -> Self {
        let CallerParts { store, world, identity, tokens, oauth, service_did, moderation } = parts;
        let (db, admin) = (store.db.clone(), Sha256::digest(admin_password.as_bytes()).into());
        let service_tokens = ServiceTokens::new(db, world.clone(), identity, service_did);
        Self { store, world, tokens, oauth, service_tokens, admin, moderation }
    }

    /// Whether the password is the administrator's; takes the same time for
    /// every wrong one.
    pub fn is_admin(&self, password: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(password.as_bytes()).into();
        given.ct_eq(&self.admin).into()
    }

    /// The account behind a bearer token, if the token opens the method and
    /// the account stands as the method wants.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub async fn actor(&self, bearer: &str, call: Call<'_>) -> Result<Actor, CallerError> {
        let rule = call.access.rule().ok_or(TokenError::WrongScope)?;
        let (did, grant) = match call.nsid {
            Some(nsid) if rule.grants.contains(&Grant::Service) && is_service_token(bearer) => {
                let verified = self.service_tokens.verify(bearer, nsid).await?;
                self.service_tokens.use_up(&verified).await?;
                (verified.did, Grant::Service)
            }
            _ => {
                let token = self.tokens.read_access(bearer, self.world.clock.now())?;
                (token.did, token.grant)
            }
        };
        opens(&grant, &rule)?;
        self.admitted(did, grant, &rule).await
    }

    /// The account behind the access token of an app, if what its owner agreed
    /// to opens the method and the account stands as the method wants.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub async fn app(
        &self,
        token: &str,
        shown: &Shown<'_>,
        access: Access,
    ) -> Result<Actor, CallerError> {
        let rule = access.rule().ok_or(TokenError::WrongScope)?;
        let Bearer { did, grant } = self.oauth.bearer(token, shown).await?;
        opens(&grant, &rule)?;
        self.admitted(did, grant, &rule).await
    }

    /// The account, if it stands as the method wants.
    async fn admitted(&self, did: Did, grant: Grant, rule: &Rule) -> Result<Actor, CallerError> {
        let account = accounts::find_by_did(&self.store.db, &did).await?;
        let account = account.ok_or(CallerError::NoAccount)?;
        if !rule.standing.admits(account.status()) {
            return Err(refused(&account));
        }
        Ok(Actor { did, account: account.id, grant, status: account.status() })
    }

    /// Admits the moderation service, by a token for this one call.
    ///
    /// # Errors
    /// [`CallerError::ServiceToken`].
    pub async fn moderator(&self, bearer: &str, nsid: &Nsid) -> Result<(), CallerError> {
        let issuer = self.moderation.as_ref();
        let verified = self.service_tokens.verify_of(bearer, nsid, issuer).await?;
        Ok(self.service_tokens.use_up(&verified).await?)
    }

    /// The DID that wants to move here, by a token of its present server. The
    /// token is not used up yet: the account's creation does that.
    ///
    /// # Errors
    /// [`CallerError::ServiceToken`].
    pub async fn newcomer(&self, bearer: &str, nsid: &Nsid) -> Result<Verified, CallerError> {
        Ok(self.service_tokens.verify(bearer, nsid).await?)
    }
}

/// Asks whether a grant opens a method, as far as that does not depend on the
/// request.
fn opens(grant: &Grant, rule: &Rule) -> Result<(), CallerError> {
    if !matches!(grant, Grant::Scoped(_)) {
        let opened = rule.grants.contains(grant);
        return if opened { Ok(()) } else { Err(TokenError::WrongScope.into()) };
    }
    match rule.scoped {
        Scoped::Refused => Err(CallerError::NotForApps),
        Scoped::Any | Scoped::ByRequest => Ok(()),
        Scoped::Needs(need) => Ok(grant.permits(&need)?),
    }
}

fn refused(account: &Account) -> CallerError {
    match account.status() {
        Status::TakenDown => CallerError::TakenDown,
        Status::Suspended => CallerError::Suspended,
        Status::Deactivated | Status::Active => CallerError::Deactivated,
    }
}
