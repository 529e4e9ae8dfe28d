//! Tokens by which an account of this server calls other services.
//!
//! Each is signed with the account's own key and opens one method of one
//! service for a minute. Some methods are too dangerous for such a token, some
//! are not for every session: both lists stand here, because calling a service
//! through this server and asking for a token are two ways to the same thing.
//!
//! Spec: <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

use std::time::Duration;

use crate::{
    atproto::{
        jws::{self, Claims},
        scope::Need,
        syntax::{Did, Nsid},
    },
    store::{
        Db, StoreError,
        accounts::{self, Account},
    },
    world::World,
};

use super::{
    grants::{Actor, Grant, MissingScope},
    keys::{AccountKeys, KeyError},
};

/// How long a token is good for when nobody says otherwise, and the longest for
/// one that names no method.
const LIFETIME: Duration = Duration::from_secs(60);
/// The longest that a token may be good for.
const LIFETIME_MAX: Duration = Duration::from_secs(60 * 60);
/// Random bytes of a token's own name.
const JTI_BYTES: usize = 16;
/// Characters of an audience.
const AUDIENCE_CHARS_MAX: usize = 2_048;
/// Methods that open this server to its moderation service. In lower case.
const ADMINISTRATION: &str = "com.atproto.admin.";
/// What somebody who was taken down may still do: leave.
const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";

/// Methods that only the account's own session may call, here. In lower case.
const PROTECTED: [&str; 16] = [
    "com.atproto.admin.sendemail",
    "com.atproto.identity.requestplcoperationsignature",
    "com.atproto.identity.signplcoperation",
    "com.atproto.identity.updatehandle",
    "com.atproto.server.activateaccount",
    "com.atproto.server.confirmemail",
    "com.atproto.server.createapppassword",
    "com.atproto.server.deactivateaccount",
    "com.atproto.server.getaccountinvitecodes",
    "com.atproto.server.getsession",
    "com.atproto.server.listapppasswords",
    "com.atproto.server.requestaccountdelete",
    "com.atproto.server.requestemailconfirmation",
    "com.atproto.server.requestemailupdate",
    "com.atproto.server.revokeapppassword",
    "com.atproto.server.updateemail",
];

/// Makes service tokens.
#[derive(Clone)]
pub struct ServiceAuth {
    db: Db,
    keys: AccountKeys,
    world: World,
    service_did: Did,
}

/// What a token is asked for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The service: a DID, with `#` and the service's name or without.
    pub audience: String,
    /// The method; without one, any.
    pub method: Option<Nsid>,
    /// When the token is to end, in seconds since 1970.
    pub expires_at: Option<i64>,
}

/// A token is not given.
#[derive(Debug, thiserror::Error)]
pub enum ServiceAuthError {
    /// The audience is not a DID with or without the name of a service.
    #[error("the audience is not the DID of a service")]
    Audience,
    /// The end lies in the past, or too far ahead.
    #[error("{0}")]
    Expiration(&'static str),
    /// No token opens this method.
    #[error("no token may be made for this method")]
    Protected,
    /// This session may not call this method.
    #[error("this session may not call this method")]
    NotPrivileged,
    /// The app was not allowed to call this method of this service.
    #[error(transparent)]
    MissingScope(#[from] MissingScope),
    /// There is no such account.
    #[error("there is no such account")]
    AccountMissing,
    /// The account's key was not found or does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceAuth {
    /// Returns the service of the server `service_did`.
    pub fn new(db: Db, keys: AccountKeys, world: World, service_did: Did) -> Self {
        Self { db, keys, world, service_did }
    }

    /// Makes the token that `actor` asks for, if it may.
    ///
    /// # Errors
    /// [`ServiceAuthError`].
    // spec: xrpc#inter-service-authentication-jwt
    pub async fn token(
        &self,
        actor: &Actor,
        request: &TokenRequest,
    ) -> Result<String, ServiceAuthError> {
        check_audience(&request.audience)?;
        check_grant(&actor.grant, request.method.as_ref())?;
        let need = Need::Call { method: request.method.as_ref(), audience: &request.audience };
        actor.grant.permits(&need)?;
        self.check_administration(&request.audience, request.method.as_ref())?;
        let expires_at = self.expires_at(request)?;
        let account = accounts::find_by_did(&self.db, &actor.did).await?;
        let account = account.ok_or(ServiceAuthError::AccountMissing)?;
        let method = request.method.as_ref();
        Ok(self.sign(&account, &request.audience, method, expires_at).await?)
    }

    /// Makes a token of a minute for a call that this server makes itself.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn token_for_call(
        &self,
        account: &Account,
        audience: &str,
        method: &Nsid,
    ) -> Result<String, KeyError> {
        let expires_at = self.world.clock.now().plus(LIFETIME).unix_secs();
        self.sign(account, audience, Some(method), expires_at).await
    }

    /// Refuses a token that would open this server's administration: where the
    /// moderation service's DID is an account here, its sessions and app
    /// passwords are not the service.
    ///
    /// # Errors
    /// [`ServiceAuthError::Protected`].
    pub fn check_administration(
        &self,
        audience: &str,
        method: Option<&Nsid>,
    ) -> Result<(), ServiceAuthError> {
        let service = audience.split_once('#').map_or(audience, |(did, _)| did);
        let method = method.map(|method| method.as_str().to_ascii_lowercase());
        let administers = method.is_none_or(|method| method.starts_with(ADMINISTRATION));
        match administers && service == self.service_did.as_str() {
            true => Err(ServiceAuthError::Protected),
            false => Ok(()),
        }
    }

    async fn sign(
        &self,
        account: &Account,
        audience: &str,
        method: Option<&Nsid>,
        expires_at: i64,
    ) -> Result<String, KeyError> {
        let key = self.keys.signing_key(account.id, &account.did).await?;
        let claims = Claims {
            iss: account.did.as_str().to_owned(),
            aud: audience.to_owned(),
            exp: expires_at,
            iat: Some(self.world.clock.now().unix_secs()),
            lxm: method.map(|method| method.as_str().to_owned()),
            jti: Some(self.world.entropy.token_hex(JTI_BYTES)),
        };
        Ok(jws::sign(&key, &claims))
    }

    fn expires_at(&self, request: &TokenRequest) -> Result<i64, ServiceAuthError> {
        let now = self.world.clock.now();
        let Some(expires_at) = request.expires_at else {
            return Ok(now.plus(LIFETIME).unix_secs());
        };
        let refused = |why| Err(ServiceAuthError::Expiration(why));
        if expires_at < now.unix_secs() {
            return refused("expiration is in past");
        }
        if expires_at > now.plus(LIFETIME_MAX).unix_secs() {
            return refused(
                "cannot request a token with an expiration more than an hour in the future",
            );
        }
        if request.method.is_none() && expires_at > now.plus(LIFETIME).unix_secs() {
            return refused(
                "cannot request a method-less token with an expiration more than a minute in the future",
            );
        }
        Ok(expires_at)
    }
}

/// Refuses methods that no token and no proxied call may reach. NSIDs of other
/// spelling reach the same method elsewhere, so case is no excuse.
///
/// # Errors
/// [`ServiceAuthError::Protected`].
pub fn check_method(method: &Nsid) -> Result<(), ServiceAuthError> {
    let method = method.as_str().to_ascii_lowercase();
    if PROTECTED.contains(&method.as_str()) {
        return Err(ServiceAuthError::Protected);
    }
    Ok(())
}

/// Decides whether a session may ask for `method` in the account's name.
///
/// # Errors
/// [`ServiceAuthError::Protected`] and [`ServiceAuthError::NotPrivileged`].
pub fn check_grant(grant: &Grant, method: Option<&Nsid>) -> Result<(), ServiceAuthError> {
    if let Some(method) = method {
        check_method(method)?;
    }
    let may = match (grant, method) {
        // Scopes are asked on their own, with the service that is called.
        (Grant::Full | Grant::PrivilegedAppPassword | Grant::Scoped(_), _) => true,
        // A token without a method opens the privileged ones too, at some services.
        (Grant::AppPassword, None) => false,
        (Grant::AppPassword, Some(method)) => !is_privileged(method),
        (Grant::Takendown, Some(method)) => method.as_str().eq_ignore_ascii_case(CREATE_ACCOUNT),
        (Grant::Takendown, None) | (Grant::SignupQueued | Grant::Service, _) => false,
    };
    if may { Ok(()) } else { Err(ServiceAuthError::NotPrivileged) }
}

/// Says whether a method needs more than a plain app password: direct messages,
/// and moving the account elsewhere.
fn is_privileged(method: &Nsid) -> bool {
    let method = method.as_str().to_ascii_lowercase();
    method.starts_with("chat.bsky.") || method.eq_ignore_ascii_case(CREATE_ACCOUNT)
}

fn check_audience(audience: &str) -> Result<(), ServiceAuthError> {
    let (did, service) = match audience.split_once('#') {
        None => (audience, None),
        Some((did, service)) => (did, Some(service)),
    };
    let named = service.is_none_or(|id| !id.is_empty() && !id.contains(['#', ' ']));
    if !named || audience.len() > AUDIENCE_CHARS_MAX || Did::new(did.to_owned()).is_err() {
        return Err(ServiceAuthError::Audience);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nsid(text: &str) -> Nsid {
        Nsid::new(text.to_owned()).expect("an NSID")
    }

    #[test]
    fn protected_methods_are_refused_in_any_case() {
        for method in [
            "com.atproto.server.getSession",
            "com.atproto.SERVER.updateEmail",
            "COM.atproto.identity.SIGNPLCOPERATION",
        ] {
            let refused = check_grant(&Grant::Full, Some(&nsid(method)));
            assert!(matches!(refused, Err(ServiceAuthError::Protected)), "{method}");
        }
        assert!(check_method(&nsid("com.atproto.repo.uploadBlob")).is_ok());
    }

    #[test]
    fn a_session_asks_for_what_it_may() {
        let check = |grant: Grant, method: Option<&str>, expected: bool| {
            let answer = check_grant(&grant, method.map(nsid).as_ref());
            assert_eq!(answer.is_ok(), expected, "{grant:?} {method:?}");
        };
        let feed = Some("app.bsky.feed.getTimeline");
        let chat = Some("chat.bsky.convo.listConvos");
        let odd_chat = Some("CHAT.bsky.convo.listConvos");
        let leave = Some("com.atproto.server.createAccount");
        for method in [feed, chat, leave, None] {
            check(Grant::Full, method, true);
            check(Grant::PrivilegedAppPassword, method, true);
            check(Grant::SignupQueued, method, false);
            check(Grant::Service, method, false);
        }
        check(Grant::AppPassword, feed, true);
        check(Grant::AppPassword, chat, false);
        check(Grant::AppPassword, odd_chat, false);
        check(Grant::AppPassword, leave, false);
        check(Grant::AppPassword, None, false);
        check(Grant::Takendown, leave, true);
        check(Grant::Takendown, feed, false);
        check(Grant::Takendown, None, false);
    }

    #[test]
    fn an_audience_is_a_did_with_or_without_a_service() {
        let check = |audience: &str, expected: bool| {
            assert_eq!(check_audience(audience).is_ok(), expected, "{audience}");
        };
        check("did:web:api.bsky.app", true);
        check("did:web:api.bsky.app#bsky_appview", true);
        check("did:web:api.bsky.app#", false);
        check("did:web:api.bsky.app#a#b", false);
        check("#bsky_appview", false);
        check("api.bsky.app", false);
        check(&format!("did:web:{}", "a".repeat(2_048)), false);
    }
}
