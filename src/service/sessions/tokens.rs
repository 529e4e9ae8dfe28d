//! The tokens of password sessions, as text and back.
//!
//! The format is that of the official server to the letter (HS256 over the
//! operator's secret, the same claims), so that a session outlives a change
//! from one to the other. Reading checks signature, type, audience and time;
//! whether a refresh token still has its row is for [`super`] to ask.
//!
//! Spec: <https://atproto.com/specs/xrpc#authentication>

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::atproto::Moment;
use crate::atproto::scope::Scopes;
use crate::atproto::syntax::Did;
use crate::service::grants::Grant;

/// Life of an access token.
pub const ACCESS: Duration = Duration::from_secs(2 * 60 * 60);
/// Life of a refresh token.
pub const REFRESH: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Characters of a token that is looked at: real ones have a few hundred.
const TOKEN_CHARS_MAX: usize = 8_192;

const ACCESS_TYPE: &str = "at+jwt";
const REFRESH_TYPE: &str = "refresh+jwt";
const REFRESH_SCOPE: &str = "com.atproto.refresh";

/// Makes and reads session tokens; cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    signing: EncodingKey,
    verifying: DecodingKey,
    audience: Did,
}

/// What an access token says, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The account.
    pub did: Did,
    /// What the session was opened with.
    pub grant: Grant,
}

/// What a refresh token says, verified; its row decides the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The account.
    pub did: Did,
    /// The token's name.
    pub jti: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("Token has expired")]
    Expired,
    /// It is not one of ours, or not for us.
    #[error("Token could not be verified")]
    Unverified,
    /// It is ours and has what a session token never has.
    #[error("Malformed token")]
    Malformed,
    /// It is ours and for something else.
    #[error("Bad token scope")]
    WrongScope,
}

/// Whether the time of a token matters to the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// A token past its time is refused.
    Checked,
    /// So is not the one with which a session is closed.
    Ignored,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    scope: String,
    sub: String,
    aud: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    iat: i64,
    exp: i64,
    /// Of service tokens; never ours.
    #[serde(default, skip_serializing)]
    lxm: Option<serde_json::Value>,
    /// Of OAuth tokens, which are bound to a key; never these.
    #[serde(default, skip_serializing)]
    cnf: Option<serde_json::Value>,
}

impl Tokens {
    /// Uses the operator's secret for sessions at `audience`, this server.
    pub fn new(secret: &[u8], audience: Did) -> Self {
        // Once per process; a second server in the same one finds it done.
        let _ = PROVIDER.install_default();
        Self(Arc::new(Inner {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            audience,
        }))
    }

    /// Makes the access token of a session, good from one moment to another.
    ///
    /// # Errors
    /// When the token library fails, which it has no reason to.
    pub fn access(
        &self,
        token: &AccessToken,
        life: (Moment, Moment),
    ) -> Result<String, TokenError> {
        let scope = scope_of(&token.grant).ok_or(TokenError::WrongScope)?;
        self.sign(ACCESS_TYPE, self.claims(&scope, &token.did, life))
    }

    /// Makes the refresh token of a session, good from one moment to another.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub fn refresh(
        &self,
        token: &RefreshToken,
        life: (Moment, Moment),
    ) -> Result<String, TokenError> {
        let claims = self.claims(REFRESH_SCOPE, &token.did, life);
        self.sign(REFRESH_TYPE, Claims { jti: Some(token.jti.clone()), ..claims })
    }

    /// Reads an access token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn read_access(&self, text: &str, now: Moment) -> Result<AccessToken, TokenError> {
        let claims = self.read(text, ACCESS_TYPE)?;
        let did = self.subject(&claims)?;
        in_time(&claims, now)?;
        let grant = grant_of(&claims.scope).ok_or(TokenError::WrongScope)?;
        Ok(AccessToken { did, grant })
    }

    /// Reads a refresh token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn read_refresh(
        &self,
        text: &str,
        expiry: Expiry,
        now: Moment,
    ) -> Result<RefreshToken, TokenError> {
        let claims = self.read(text, REFRESH_TYPE)?;
        let did = self.subject(&claims)?;
        if expiry == Expiry::Checked {
            in_time(&claims, now)?;
        }
        if claims.scope != REFRESH_SCOPE {
            return Err(TokenError::WrongScope);
        }
        let jti = claims.jti.ok_or(TokenError::Malformed)?;
        Ok(RefreshToken { did, jti })
    }

    fn claims(&self, scope: &str, did: &Did, (start, end): (Moment, Moment)) -> Claims {
        Claims {
            scope: scope.to_owned(),
            sub: did.to_string(),
            aud: self.0.audience.to_string(),
            jti: None,
            iat: start.unix_secs(),
            exp: end.unix_secs(),
            lxm: None,
            cnf: None,
        }
    }

    fn sign(&self, typ: &str, claims: Claims) -> Result<String, TokenError> {
        let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.0.signing).map_err(|_| TokenError::Unverified)
    }

    /// Verifies the signature and the type.
    fn read(&self, text: &str, typ: &str) -> Result<Claims, TokenError> {
        if text.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Unverified);
        }
        let token = jsonwebtoken::decode::<Claims>(text, &self.0.verifying, &validation())
            .map_err(|_| TokenError::Unverified)?;
        if token.header.typ.as_deref() == Some(typ) {
            return Ok(token.claims);
        }
        // The wrong one of a pair is named as such; anything else is foreign.
        match token.header.typ.as_deref() {
            Some(ACCESS_TYPE | REFRESH_TYPE) => Err(TokenError::WrongScope),
            _ => Err(TokenError::Unverified),
        }
    }

    fn subject(&self, claims: &Claims) -> Result<Did, TokenError> {
        if claims.lxm.is_some() || claims.cnf.is_some() {
            return Err(TokenError::Malformed);
        }
        if claims.aud != self.0.audience.as_str() {
            return Err(TokenError::Unverified);
        }
        Did::new(claims.sub.clone()).map_err(|_| TokenError::Malformed)
    }
}

/// Only the signature: the house's own clock decides about time.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn in_time(claims: &Claims, now: Moment) -> Result<(), TokenError> {
    if claims.exp.saturating_mul(1_000) > now.unix_ms() { Ok(()) } else { Err(TokenError::Expired) }
}

/// The scope that a session of this grant carries; service tokens are none. That
/// of an app password with scopes is their list, which the official server does
/// not know and refuses.
fn scope_of(grant: &Grant) -> Option<Cow<'static, str>> {
    match grant {
        Grant::Scoped(scopes) => Some(scopes.to_string().into()),
        other => SCOPES.iter().find(|(known, _)| known == other).map(|(_, scope)| (*scope).into()),
    }
}

fn grant_of(scope: &str) -> Option<Grant> {
    let known = SCOPES.iter().find(|(_, known)| *known == scope).map(|(grant, _)| grant.clone());
    known.or_else(|| {
        let scopes = Scopes::parse(scope);
        scopes.is_atproto().then(|| Grant::Scoped(Arc::new(scopes)))
    })
}

const SCOPES: [(Grant, &str); 5] = [
    (Grant::Full, "com.atproto.access"),
    (Grant::PrivilegedAppPassword, "com.atproto.appPassPrivileged"),
    (Grant::AppPassword, "com.atproto.appPass"),
    (Grant::Takendown, "com.atproto.takendown"),
    (Grant::SignupQueued, "com.atproto.signupQueued"),
];

/// HS256 and nothing else, over the hash functions that the house uses anyway.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        let hmac = Hmac::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(hmac))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let expected = self.0.clone().chain_update(message);
        expected.verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    const SECRET: &[u8] = b"a secret of the operator";

    fn did(text: &str) -> Did {
        Did::new(text.to_owned()).expect("a DID")
    }

    fn tokens() -> Tokens {
        Tokens::new(SECRET, did("did:web:pds.test"))
    }

    fn now() -> Moment {
        Moment::from_unix_ms(1_767_323_045_000)
    }

    fn access_life() -> (Moment, Moment) {
        (now(), now().plus(ACCESS))
    }

    fn refresh_life() -> (Moment, Moment) {
        (now(), now().plus(REFRESH))
    }

    fn alice(grant: Grant) -> AccessToken {
        AccessToken { did: did("did:plc:alice"), grant }
    }

    /// A token with any header and claims, signed with the right secret.
    fn forged(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let hmac = Hs256::new(SECRET).expect("any key");
        let signature = hmac.try_sign(message.as_bytes()).expect("signs");
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    const CLAIMS: &str = r#"{"scope":"com.atproto.access","sub":"did:plc:alice",
        "aud":"did:web:pds.test","iat":1767323045,"exp":1767330245}"#;

    #[test]
    fn each_grant_of_a_session_survives_its_token() {
        for (grant, _) in SCOPES {
            let text = tokens().access(&alice(grant.clone()), access_life()).expect("signs");
            assert_eq!(tokens().read_access(&text, now()), Ok(alice(grant)));
        }
    }

    #[test]
    fn the_official_servers_tokens_are_read() {
        let text = forged(r#"{"typ":"at+jwt","alg":"HS256"}"#, CLAIMS);
        assert_eq!(tokens().read_access(&text, now()), Ok(alice(Grant::Full)));
    }

    #[test]
    fn a_token_ends_after_its_two_hours() {
        let text = tokens().access(&alice(Grant::Full), access_life()).expect("signs");
        let last = now().plus(ACCESS).minus(Duration::from_millis(1));
        assert!(tokens().read_access(&text, last).is_ok());
        let end = now().plus(ACCESS);
        assert_eq!(tokens().read_access(&text, end), Err(TokenError::Expired));
    }

    #[test]
    fn a_refresh_token_may_be_read_past_its_time_where_asked() {
        let token = RefreshToken { did: did("did:plc:alice"), jti: "one".to_owned() };
        let text = tokens().refresh(&token, refresh_life()).expect("signs");
        let end = now().plus(REFRESH);
        let read = |expiry| tokens().read_refresh(&text, expiry, end);
        assert_eq!(read(Expiry::Checked), Err(TokenError::Expired));
        assert_eq!(read(Expiry::Ignored), Ok(token));
    }

    #[test]
    fn one_kind_of_token_does_not_pass_for_the_other() {
        let token = RefreshToken { did: did("did:plc:alice"), jti: "one".to_owned() };
        let refresh = tokens().refresh(&token, refresh_life()).expect("signs");
        assert_eq!(tokens().read_access(&refresh, now()), Err(TokenError::WrongScope));
        let access = tokens().access(&alice(Grant::Full), access_life()).expect("signs");
        let read = tokens().read_refresh(&access, Expiry::Checked, now());
        assert_eq!(read, Err(TokenError::WrongScope));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let check = |header: &str, claims: &str, expected: TokenError| {
            let read = tokens().read_access(&forged(header, claims), now());
            assert_eq!(read, Err(expected), "{header} {claims}");
        };
        let header = r#"{"typ":"at+jwt","alg":"HS256"}"#;
        check(r#"{"typ":"at+jwt","alg":"none"}"#, CLAIMS, TokenError::Unverified);
        check(r#"{"typ":"at+jwt","alg":"HS512"}"#, CLAIMS, TokenError::Unverified);
        check(r#"{"typ":"JWT","alg":"HS256"}"#, CLAIMS, TokenError::Unverified);
        check(r#"{"alg":"HS256"}"#, CLAIMS, TokenError::Unverified);
        check(header, "{}", TokenError::Unverified);
        check(header, &CLAIMS.replace("pds.test", "other.test"), TokenError::Unverified);
        check(header, &CLAIMS.replace("did:plc:alice", "alice"), TokenError::Malformed);
        check(
            header,
            &CLAIMS.replace("\"iat\"", "\"lxm\":\"a.b.c\",\"iat\""),
            TokenError::Malformed,
        );
        check(header, &CLAIMS.replace("\"iat\"", "\"cnf\":{},\"iat\""), TokenError::Malformed);
        check(header, &CLAIMS.replace("proto.access", "proto.all"), TokenError::WrongScope);
    }

    #[test]
    fn another_secret_opens_nothing() {
        let other = Tokens::new(b"another secret", did("did:web:pds.test"));
        let text = other.access(&alice(Grant::Full), access_life()).expect("signs");
        assert_eq!(tokens().read_access(&text, now()), Err(TokenError::Unverified));
    }
}
