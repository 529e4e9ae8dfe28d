//! Sessions of passwords: opened, renewed, closed.
//!
//! A session is a pair of tokens. The access token stands alone; the refresh
//! token has a row, and each use of it replaces it by the next. Using one again
//! within the grace gives the same next one, so that a client whose connection
//! broke at the wrong moment is not logged out.
//!
//! Spec: <https://atproto.com/specs/xrpc#authentication>

mod credentials;
mod error;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;

use super::Host;
use super::accounts::find_named;
use super::factors::{FactorError, Factors, Wanted};
use super::grants::{Actor, Grant};
use super::identity::{Freshness, Identity};
use super::lockouts::Lockouts;
use super::passwords::{self, Passwords};
use crate::atproto::Moment;
use crate::atproto::syntax::{Did, Handle, INVALID_HANDLE};
use crate::store::accounts::{self, Account, Status};
use crate::store::app_passwords;
use crate::store::sessions::{self, Session};
use crate::store::{AccountId, Batch, RunError, Store, StoreError, Unmet, nonces};
use crate::world::World;
use credentials::credential_of;
pub use credentials::{Credential, Place, Proof};
pub use error::SessionError;
use tokens::{ACCESS, AccessToken, Expiry, REFRESH, RefreshToken, TokenError, Tokens};

/// How long a refresh token may be used again after its first use.
const GRACE: Duration = Duration::from_secs(2 * 60 * 60);
/// Bytes of randomness in a refresh token's name.
const JTI_BYTES: usize = 32;
/// Tries to renew a token that somebody else renews at the same moment.
const RENEWALS_MAX: usize = 3;

/// How sessions are held here; the operator's choice.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// Time that a log-in takes at least, so that how long it took tells
    /// nothing about what was wrong.
    pub login_time_min: Duration,
}

/// Opens, renews and closes sessions.
pub struct Sessions {
    store: Store,
    world: World,
    host: Host,
    identity: Arc<Identity>,
    passwords: Passwords,
    tokens: Tokens,
    factors: Arc<Factors>,
    lockouts: Arc<Lockouts>,
    settings: SessionSettings,
}

/// Somebody wants to log in.
pub struct Login {
    /// A handle, a DID or an e-mail address.
    pub identifier: String,
    /// The account's password, or one of its app passwords.
    pub password: String,
    /// The code beside the password, if one was given.
    pub factor_code: Option<String>,
    /// Where they are, as far as it is known.
    pub address: String,
    /// What is wanted of an account that was taken down.
    pub if_taken_down: IfTakenDown,
}

/// What a log-in wants of an account that was taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfTakenDown {
    /// Nothing.
    Refuse,
    /// A session that is good for leaving.
    Admit,
}

/// A session that was opened or renewed.
pub struct Opened {
    /// Whose it is.
    pub account: Account,
    /// What it lets one do.
    pub grant: Grant,
    /// The tokens.
    pub tokens: TokenPair,
}

/// The two tokens of a session.
pub struct TokenPair {
    /// Good for two hours, for every method.
    pub access: String,
    /// Good for ninety days, for the next pair.
    pub refresh: String,
}

/// What [`Sessions`] works with.
pub struct SessionParts {
    /// Where sessions are kept.
    pub store: Store,
    /// Time and randomness.
    pub world: World,
    /// Where this server is reached.
    pub host: Host,
    /// For DID documents.
    pub identity: Arc<Identity>,
    /// For checking passwords.
    pub passwords: Passwords,
    /// For making and reading tokens.
    pub tokens: Tokens,
    /// What is shown beside a password.
    pub factors: Arc<Factors>,
    /// Who has tried too often.
    pub lockouts: Arc<Lockouts>,
}

impl Sessions {
    /// Makes the service.
    pub fn new(parts: SessionParts, settings: SessionSettings) -> Self {
        let SessionParts { store, world, host, identity, passwords, tokens, .. } = parts;
        let (factors, lockouts) = (parts.factors, parts.lockouts);
        Self { store, world, host, identity, passwords, tokens, factors, lockouts, settings }
    }

    /// Opens a session, in a time that does not depend on why it failed.
    ///
    /// # Errors
    /// [`SessionError::Wrong`] for a wrong password and for nobody alike.
    pub async fn open(&self, login: &Login) -> Result<Opened, SessionError> {
        let floor = self.world.clock.sleep(self.settings.login_time_min);
        let outcome = self.log_in(login).await;
        floor.await;
        outcome
    }

    /// Opens a session of somebody who has shown in another way who they are: the
    /// pages, which act as their owner's client.
    ///
    /// # Errors
    /// The store's.
    pub async fn open_for(&self, account: &Account) -> Result<TokenPair, SessionError> {
        let (session, tokens) = self.prepare(account.id, &account.did, &Credential::own())?;
        let mut batch = Batch::new();
        sessions::insert(&mut batch, &session);
        self.store.db.run(batch).await?;
        Ok(tokens)
    }

    /// Continues a session: the next pair of tokens.
    ///
    /// # Errors
    /// [`SessionError::Revoked`] for a token whose session has ended or whose
    /// grace is over.
    pub async fn renew(&self, refresh: &str) -> Result<Opened, SessionError> {
        let token = self.tokens.read_refresh(refresh, Expiry::Checked, self.now())?;
        for _ in 0..RENEWALS_MAX {
            if let Some(opened) = self.try_renew(&token).await? {
                return Ok(opened);
            }
        }
        Err(SessionError::Revoked)
    }

    /// Ends the session of a refresh token, which may have expired.
    ///
    /// # Errors
    /// [`SessionError::Token`] for anything but a refresh token.
    pub async fn close(&self, refresh: &str) -> Result<(), SessionError> {
        let token = self.tokens.read_refresh(refresh, Expiry::Ignored, self.now())?;
        let mut batch = Batch::new();
        sessions::delete(&mut batch, &token.jti);
        Ok(self.store.db.run(batch).await?)
    }

    /// Ends every session of an account: of passwords, of apps, in browsers.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_all(&self, account: AccountId) -> Result<(), SessionError> {
        let mut batch = Batch::new();
        sessions::delete_of_account(&mut batch, account);
        Ok(self.store.db.run(batch).await?)
    }

    /// The account whose session it is; none if it was taken down since.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self, actor: &Actor) -> Result<Option<Account>, SessionError> {
        let account = accounts::find(&self.store.db, actor.account).await?;
        Ok(account.filter(|account| !is_barred(account)))
    }

    /// Forgets sessions that have ended, and the nonces of service tokens that
    /// have expired.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_ended(&self) -> Result<(), SessionError> {
        let mut batch = Batch::new();
        sessions::delete_expired(&mut batch, self.now());
        nonces::delete_expired(&mut batch, self.now());
        Ok(self.store.db.run(batch).await?)
    }

    /// The account's DID document, where it can be had and names this server:
    /// clients send everything that follows to the server it names, and whoever
    /// moves in or has moved away wants to talk to this one.
    pub async fn document(&self, did: &Did) -> Option<Value> {
        let document = self.identity.document(did, Freshness::Cached).await.ok()?;
        let here = document.pds_endpoint().map(|endpoint| endpoint.trim_end_matches('/'));
        (here == Some(self.host.public_url.as_str())).then(|| document.to_json().clone())
    }

    /// The handle under which an account is shown to its client: its own, or
    /// `handle.invalid` where its DID document names another one. An account
    /// that moves in has a document that does not know of it yet.
    // spec: handle#invalid-handles
    pub async fn shown_handle(&self, account: &Account) -> Handle {
        if account.status() != Status::Active {
            return account.handle.clone();
        }
        match self.identity.document(&account.did, Freshness::Cached).await {
            Ok(document) if document.handle() != Some(&account.handle) => {
                Handle::new(INVALID_HANDLE.to_owned()).expect("a literal of the right form")
            }
            _ => account.handle.clone(),
        }
    }

    /// Prepares a session: its first row, for a batch, and its tokens.
    ///
    /// # Errors
    /// When a token cannot be made, which it has no reason to.
    pub fn prepare(
        &self,
        account: AccountId,
        did: &Did,
        credential: &Credential,
    ) -> Result<(Session, TokenPair), SessionError> {
        let now = self.now();
        let jti = self.new_jti();
        let session = Session {
            family: jti.clone(),
            id: jti,
            account,
            app_password: credential.app_password.clone(),
            created_at: now,
            expires_at: refresh_end(now, credential),
            next_id: None,
        };
        let tokens = self.token_pair(did, credential, &session.id)?;
        Ok((session, tokens))
    }

    async fn log_in(&self, login: &Login) -> Result<Opened, SessionError> {
        if login.password.chars().count() > passwords::CHARS_MAX {
            return Err(SessionError::PasswordTooLong);
        }
        let Some(account) = self.find(&login.identifier).await? else {
            let Login { identifier, password, address, .. } = login;
            return Err(self.nobody(&Proof { identifier, password, address, device: "" }).await);
        };
        let known = self.known(account.id, Place::Address(&login.address)).await?;
        let from = (&*login.address, known);
        let credential = self.credential(&account, &login.password, from).await?;
        let credential = credential.ok_or(SessionError::Wrong)?;
        if credential.grant == Grant::Full {
            self.check_factor(&account, login).await?;
        }
        if is_barred(&account) {
            return self.open_barred(account, &credential, login.if_taken_down);
        }
        let (session, tokens) = self.prepare(account.id, &account.did, &credential)?;
        let mut batch = Batch::new();
        sessions::insert(&mut batch, &session);
        self.store.db.run(batch).await?;
        Ok(Opened { account, grant: credential.grant, tokens })
    }

    /// Asks for the second factor, where the account has one; one that is mailed is
    /// mailed when it is missing.
    async fn check_factor(&self, account: &Account, login: &Login) -> Result<(), SessionError> {
        let wanted = self.factors.wanted(account.id).await?;
        match login.factor_code.as_deref().map(str::trim).filter(|code| !code.is_empty()) {
            _ if wanted == Wanted::Nothing => Ok(()),
            Some(code) => Ok(self.factors.check(account, (wanted, code), &login.address).await?),
            None => {
                self.factors.send_code(account, wanted).await?;
                Err(FactorError::Missing.into())
            }
        }
    }

    async fn find(&self, identifier: &str) -> Result<Option<Account>, StoreError> {
        find_named(&self.store.db, identifier).await
    }

    /// The session of an account that was taken down: without a row, so that
    /// it ends with its access token.
    fn open_barred(
        &self,
        account: Account,
        credential: &Credential,
        wanted: IfTakenDown,
    ) -> Result<Opened, SessionError> {
        if wanted == IfTakenDown::Refuse || credential.grant != Grant::Full {
            return Err(SessionError::TakenDown);
        }
        let leaving = Credential { grant: Grant::Takendown, ..Credential::own() };
        let tokens = self.token_pair(&account.did, &leaving, &self.new_jti())?;
        Ok(Opened { account, grant: leaving.grant, tokens })
    }

    /// One try; `None` when somebody else continued the session meanwhile.
    async fn try_renew(&self, token: &RefreshToken) -> Result<Option<Opened>, SessionError> {
        let now = self.now();
        let found = sessions::find(&self.store.db, &token.jti).await?;
        let previous = found.filter(|row| row.expires_at > now).ok_or(SessionError::Revoked)?;
        let account = accounts::find(&self.store.db, previous.account).await?;
        let account =
            account.filter(|account| account.did == token.did).ok_or(SessionError::Revoked)?;
        if is_barred(&account) {
            return Err(SessionError::TakenDown);
        }
        let credential = self.credential_of_session(&previous).await?;
        let next = Session {
            id: previous.next_id.clone().unwrap_or_else(|| self.new_jti()),
            created_at: now,
            expires_at: refresh_end(now, &credential),
            next_id: None,
            ..previous
        };
        let mut batch = Batch::new();
        sessions::rotate(&mut batch, &token.jti, &next, now.plus(GRACE));
        match self.store.db.run(batch).await {
            Ok(()) => {
                let tokens = self.token_pair(&account.did, &credential, &next.id)?;
                Ok(Some(Opened { account, grant: credential.grant, tokens }))
            }
            Err(RunError::Unmet(Unmet::SessionMoved)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn credential_of_session(&self, session: &Session) -> Result<Credential, SessionError> {
        let Some(name) = &session.app_password else { return Ok(Credential::own()) };
        let found = app_passwords::find(&self.store.db, session.account, name).await?;
        let found = found.map(credential_of).filter(|found| !found.is_over(self.now()));
        found.ok_or(SessionError::Revoked)
    }

    fn token_pair(
        &self,
        did: &Did,
        credential: &Credential,
        jti: &str,
    ) -> Result<TokenPair, TokenError> {
        let now = self.now();
        let access = AccessToken { did: did.clone(), grant: credential.grant.clone() };
        let refresh = RefreshToken { did: did.clone(), jti: jti.to_owned() };
        let access_end = credential.end(now.plus(ACCESS));
        Ok(TokenPair {
            access: self.tokens.access(&access, (now, access_end))?,
            refresh: self.tokens.refresh(&refresh, (now, refresh_end(now, credential)))?,
        })
    }

    fn new_jti(&self) -> String {
        BASE64.encode(&self.world.entropy.bytes::<JTI_BYTES>())
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}

/// Whether the operator keeps the account out.
fn is_barred(account: &Account) -> bool {
    matches!(account.status(), Status::TakenDown | Status::Suspended)
}

/// When a refresh token that is made now ends.
fn refresh_end(now: Moment, credential: &Credential) -> Moment {
    credential.end(now.plus(REFRESH))
}
