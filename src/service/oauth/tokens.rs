//! The texts of codes and tokens, and what is kept of them.
//!
//! An access token is a JWT that names its session; whether the session lives,
//! and what it may do, is looked up each time, so that its end is its end. Codes
//! and refresh tokens are random, and known by their digests.
//!
//! Spec: <https://atproto.com/specs/oauth#tokens-and-session-lifetime>

use std::time::Duration;

use data_encoding::HEXLOWER;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::OAuthError;
use crate::atproto::Moment;
use crate::service::Host;
use crate::store::oauth::sessions::Session;
use crate::store::vault::{DIGEST_BYTES, Vault};
use crate::world::Entropy;

/// Life of an access token.
// spec: oauth#tokens-and-session-lifetime
pub const ACCESS_LIFE: Duration = Duration::from_secs(30 * 60);

/// Bytes of randomness in a code, a refresh token, the name of a request.
const SECRET_BYTES: usize = 32;
/// Bytes of randomness in names that are no secrets.
const NAME_BYTES: usize = 16;
/// Characters of a token that is looked at.
const TOKEN_CHARS_MAX: usize = 8_192;
const ACCESS_TYPE: &str = "at+jwt";
const CODE: &str = "cod-";
const REFRESH: &str = "ref-";
const REQUEST: &str = "urn:ietf:params:oauth:request_uri:req-";

/// Makes and reads the texts.
pub struct Texts {
    vault: Vault,
    entropy: Entropy,
    signing: EncodingKey,
    verifying: DecodingKey,
    issuer: String,
    audience: String,
}

/// A random text, and what is kept of it.
pub struct Secret {
    /// The text.
    pub text: String,
    /// What is kept.
    pub digest: [u8; DIGEST_BYTES],
}

/// What an access token says, verified.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    iss: String,
    aud: String,
    /// The account.
    pub sub: String,
    jti: String,
    iat: i64,
    exp: i64,
    /// The session.
    pub sid: String,
    client_id: String,
    /// The key that must prove its possession.
    pub cnf: Confirmation,
}

/// To which key a token is bound.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its thumbprint.
    pub jkt: String,
}

impl Texts {
    /// Signs with the operator's secret, for this server.
    pub fn new(secret: &[u8], vault: Vault, entropy: Entropy, host: &Host) -> Self {
        Self {
            vault,
            entropy,
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            issuer: host.public_url.clone(),
            audience: host.service_did.as_str().to_owned(),
        }
    }

    /// A code.
    pub fn new_code(&self) -> Secret {
        self.secret(CODE)
    }

    /// A refresh token.
    pub fn new_refresh(&self) -> Secret {
        self.secret(REFRESH)
    }

    /// The name of a session.
    pub fn new_session(&self) -> String {
        self.entropy.token_hex(NAME_BYTES)
    }

    /// The name of a request, and its `request_uri`.
    pub fn new_request(&self) -> (String, String) {
        let id = self.entropy.token_hex(SECRET_BYTES / 2);
        let uri = format!("{REQUEST}{id}");
        (id, uri)
    }

    /// What is kept of a code or a refresh token that somebody shows.
    pub fn digest(&self, text: &str) -> [u8; DIGEST_BYTES] {
        self.vault.digest("oauth", text.as_bytes())
    }

    /// The access token of a session.
    ///
    /// # Errors
    /// When the token library fails, which it has no reason to.
    pub fn access(&self, session: &Session, did: &str, now: Moment) -> Result<String, OAuthError> {
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: did.to_owned(),
            jti: self.entropy.token_hex(NAME_BYTES),
            iat: now.unix_secs(),
            exp: now.plus(ACCESS_LIFE).unix_secs(),
            sid: session.id.clone(),
            client_id: session.client_id.clone(),
            cnf: Confirmation { jkt: session.dpop_key.clone() },
        };
        let header = Header { typ: Some(ACCESS_TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|_| OAuthError::Token("the access token could not be signed"))
    }

    /// Reads an access token that is still in time.
    ///
    /// # Errors
    /// [`OAuthError::Token`].
    pub fn read_access(&self, text: &str, now: Moment) -> Result<AccessClaims, OAuthError> {
        let claims = self.verified(text).ok_or(OAuthError::Token("not an access token of ours"))?;
        match claims.exp > now.unix_secs() {
            true => Ok(claims),
            false => Err(OAuthError::Token("the access token has expired")),
        }
    }

    /// Reads an access token, whatever its time.
    pub fn verified(&self, text: &str) -> Option<AccessClaims> {
        if text.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let token =
            jsonwebtoken::decode::<AccessClaims>(text, &self.verifying, &validation).ok()?;
        let ours = token.header.typ.as_deref() == Some(ACCESS_TYPE)
            && token.claims.iss == self.issuer
            && token.claims.aud == self.audience;
        ours.then_some(token.claims)
    }

    fn secret(&self, prefix: &str) -> Secret {
        let random = self.entropy.bytes::<SECRET_BYTES>();
        let text = format!("{prefix}{}", HEXLOWER.encode(&random));
        let digest = self.digest(&text);
        Secret { text, digest }
    }
}

/// The name of a request, from its `request_uri`.
pub fn request_id(uri: &str) -> Option<&str> {
    uri.strip_prefix(REQUEST)
}
