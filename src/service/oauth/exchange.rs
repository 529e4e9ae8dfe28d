//! Codes for tokens, tokens for the next ones, and their end.
//!
//! Whatever is wrong with a code or a refresh token ends what it belongs to: it
//! may be in the wrong hands. A refresh token that is shown a second time ends
//! its session too, since one of the two who showed it is a thief.
//!
//! Spec: <https://atproto.com/specs/oauth#tokens-and-session-lifetime>

use std::time::Duration;

use super::authentication::{Authenticated, Shown};
use super::parameters::{Form, Parameters, field};
use super::tokens::ACCESS_LIFE;
use super::{OAuth, OAuthError, is_barred};
use crate::atproto::oauth::client::Refreshes;
use crate::atproto::oauth::pkce;
use crate::atproto::scope::Scopes;
use crate::atproto::syntax::Did;
use crate::store::accounts::{self, Account};
use crate::store::oauth::requests::{self, Request};
use crate::store::oauth::sessions::{self, Proofs, Rotation, Session};
use crate::store::vault::DIGEST_BYTES;
use crate::store::{Batch, RunError, Unmet};

/// How long an app that cannot prove who it is may go on, from its beginning and
/// from its last refresh.
// spec: oauth#tokens-and-session-lifetime
const PUBLIC_SESSION: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// See [`PUBLIC_SESSION`].
const PUBLIC_REFRESH: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long an app that can may go on.
const CONFIDENTIAL_SESSION: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);
/// See [`CONFIDENTIAL_SESSION`].
const CONFIDENTIAL_REFRESH: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What an app gets.
pub struct Tokens {
    /// For requests.
    pub access: String,
    /// How long that is good.
    pub expires_in: Duration,
    /// For the next ones, if the app may go on by itself.
    pub refresh: Option<String>,
    /// What was agreed to.
    pub scope: String,
    /// By whom.
    pub did: Did,
}

impl OAuth {
    /// Answers at the token endpoint.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn token(&self, form: &Form, shown: &Shown<'_>) -> Result<Tokens, OAuthError> {
        let grant_type = field(form, "grant_type")?;
        let client = self.authenticate(form, shown).await?;
        match grant_type {
            "authorization_code" => self.redeem(form, &client).await,
            "refresh_token" if client.client.refreshes == Refreshes::No => {
                Err(OAuthError::UnauthorizedClient)
            }
            "refresh_token" => self.refresh(field(form, "refresh_token")?, &client).await,
            _ => Err(OAuthError::GrantType),
        }
    }

    /// Ends the session of a token. A token that is not known has no session.
    ///
    /// # Errors
    /// [`OAuthError`]; RFC 7009 has none for a token that is not good.
    pub async fn revoke(&self, form: &Form) -> Result<(), OAuthError> {
        let token = field(form, "token")?;
        let mut batch = Batch::new();
        sessions::delete_by_token(&mut batch, &self.texts.digest(token));
        if let Some(claims) = self.texts.verified(token) {
            sessions::delete(&mut batch, &claims.sid);
        }
        Ok(self.store.db.run(batch).await?)
    }

    async fn redeem(&self, form: &Form, client: &Authenticated) -> Result<Tokens, OAuthError> {
        let digest = self.texts.digest(field(form, "code")?);
        let found = requests::find_by_code(&self.store.db, &digest).await?;
        let Some(request) = found else { return self.replayed(&digest).await };
        match self.check_code(form, client, &request) {
            Ok(()) => self.begin(client, &request, &digest).await,
            Err(error) => {
                let mut batch = Batch::new();
                requests::delete(&mut batch, &request.id);
                self.store.db.run(batch).await?;
                Err(error)
            }
        }
    }

    /// A code that is not there: if it was, what came of it ends.
    async fn replayed(&self, digest: &[u8; DIGEST_BYTES]) -> Result<Tokens, OAuthError> {
        let mut batch = Batch::new();
        sessions::delete_by_code(&mut batch, digest);
        self.store.db.run(batch).await?;
        Err(OAuthError::Grant("the code is not known, or was used before"))
    }

    fn check_code(
        &self,
        form: &Form,
        client: &Authenticated,
        request: &Request,
    ) -> Result<(), OAuthError> {
        let parameters: Parameters = serde_json::from_str(&request.parameters)
            .map_err(|error| OAuthError::request(error.to_string()))?;
        if request.expires_at <= self.now() {
            return Err(OAuthError::Grant("the code has expired"));
        }
        if request.client_id != client.client.id || request.client_key != client.client_key {
            return Err(OAuthError::Grant("the code was given to another client"));
        }
        if request.dpop_key.as_ref().is_some_and(|key| *key != client.dpop_key) {
            return Err(OAuthError::Grant("the code was given to the holder of another DPoP key"));
        }
        if field(form, "redirect_uri")? != parameters.redirect_uri {
            return Err(OAuthError::Grant("redirect_uri is not the one of the request"));
        }
        match pkce::verify(&parameters.code_challenge, field(form, "code_verifier")?) {
            true => Ok(()),
            false => Err(OAuthError::Grant("code_verifier does not fit the challenge")),
        }
    }

    /// Begins a session in the place of a code.
    async fn begin(
        &self,
        client: &Authenticated,
        request: &Request,
        code: &[u8; DIGEST_BYTES],
    ) -> Result<Tokens, OAuthError> {
        let gone = || OAuthError::Grant("the account is not here any more");
        let account = match request.account {
            Some(id) => accounts::find(&self.store.db, id).await?,
            None => None,
        };
        let account = account.filter(|account| !is_barred(account)).ok_or_else(gone)?;
        let scope = request.scope.clone().unwrap_or_default();
        let permissions = self.sets.expand(&Scopes::parse(&scope)).await?.to_string();
        let now = self.now();
        let (life, refresh_life) = lives(client);
        let session = Session {
            id: self.texts.new_session(),
            account: account.id,
            client_id: client.client.id.clone(),
            client_key: client.client_key.clone(),
            dpop_key: client.dpop_key.clone(),
            scope,
            permissions,
            refresh_until: now.plus(refresh_life),
            created_at: now,
            used_at: now,
            expires_at: now.plus(life),
        };
        let refresh = match client.client.refreshes {
            Refreshes::Yes => Some(self.texts.new_refresh()),
            Refreshes::No => None,
        };
        let proofs = Proofs { code, refresh: refresh.as_ref().map(|refresh| &refresh.digest) };
        let mut batch = Batch::new();
        requests::consume(&mut batch, code);
        sessions::insert(&mut batch, &session, &proofs);
        match self.store.db.run(batch).await {
            Ok(()) => self.tokens(&session, &account, refresh.map(|refresh| refresh.text)),
            // Two have come with one code.
            Err(RunError::Unmet(Unmet::RequestMoved | Unmet::Exists)) => self.replayed(code).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn refresh(&self, token: &str, client: &Authenticated) -> Result<Tokens, OAuthError> {
        let digest = self.texts.digest(token);
        let found = sessions::find_by_refresh(&self.store.db, &digest).await?;
        let Some(session) = found else {
            return self.punished(&digest, "the refresh token is not known, or was used").await;
        };
        if let Err(why) = self.check_refresh(client, &session) {
            return self.punished(&digest, why).await;
        }
        let account = accounts::find(&self.store.db, session.account).await?;
        let Some(account) = account.filter(|account| !is_barred(account)) else {
            return self.punished(&digest, "the account is not here any more").await;
        };
        let permissions = self.sets.expand(&Scopes::parse(&session.scope)).await?.to_string();
        let (now, fresh) = (self.now(), self.texts.new_refresh());
        let refresh_until = now.plus(lives(client).1).min(session.expires_at);
        let rotation = Rotation {
            id: &session.id,
            spent: &digest,
            fresh: &fresh.digest,
            permissions: &permissions,
            refresh_until,
            at: now,
        };
        let mut batch = Batch::new();
        sessions::rotate(&mut batch, &rotation);
        match self.store.db.run(batch).await {
            Ok(()) => self.tokens(&session, &account, Some(fresh.text)),
            Err(RunError::Unmet(Unmet::SessionMoved)) => {
                self.punished(&digest, "the refresh token was used twice at once").await
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check_refresh(&self, client: &Authenticated, session: &Session) -> Result<(), &'static str> {
        if session.client_id != client.client.id || session.client_key != client.client_key {
            return Err("the refresh token was given to another client, or for another key");
        }
        if session.dpop_key != client.dpop_key {
            return Err("the refresh token was given to the holder of another DPoP key");
        }
        match self.now() < session.refresh_until.min(session.expires_at) {
            true => Ok(()),
            false => Err("the refresh token has expired"),
        }
    }

    /// Ends the session whose token this is or was.
    async fn punished(
        &self,
        digest: &[u8; DIGEST_BYTES],
        why: &'static str,
    ) -> Result<Tokens, OAuthError> {
        let mut batch = Batch::new();
        sessions::delete_by_token(&mut batch, digest);
        self.store.db.run(batch).await?;
        Err(OAuthError::Grant(why))
    }

    fn tokens(
        &self,
        session: &Session,
        account: &Account,
        refresh: Option<String>,
    ) -> Result<Tokens, OAuthError> {
        Ok(Tokens {
            access: self.texts.access(session, account.did.as_str(), self.now())?,
            expires_in: ACCESS_LIFE,
            refresh,
            scope: session.scope.clone(),
            did: account.did.clone(),
        })
    }
}

/// How long a session of this client may last in all, and between two refreshes.
fn lives(client: &Authenticated) -> (Duration, Duration) {
    match client.client_key {
        Some(_) => (CONFIDENTIAL_SESSION, CONFIDENTIAL_REFRESH),
        None => (PUBLIC_SESSION, PUBLIC_REFRESH),
    }
}
