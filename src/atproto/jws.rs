//! Tokens that servers sign for one another: compact JWS with ES256K or ES256.
//!
//! One service asks another in an account's name with a short-lived JWT that
//! the account's key signs. Reading is in two steps, because the issuer named
//! inside decides whose key verifies: [`Token::parse`] reads without trust,
//! [`Token::verify`] checks. Whether a token is for us, for this method and
//! still in time is the caller's question: this module has no clock.
//!
//! Spec: <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

use serde::{Deserialize, Serialize};

use super::crypto::{PublicKey, SigningKey};

/// What a service token claims. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account's DID; older services add `#` and a key's name.
    pub iss: String,
    /// The DID of the service that is asked, with `#` and the service's name.
    pub aud: String,
    /// When the token ends.
    pub exp: i64,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// The one method that it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lxm: Option<String>,
    /// A name that no other token of this issuer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// A token that was read but not believed.
#[derive(Clone, Debug)]
pub struct Token<'t> {
    text: &'t str,
}

/// Why a token is not a service token, or not a true one.
#[derive(Debug, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url with JSON in the first two.
    #[error("not a compact JWS")]
    Malformed,
}

/// Signs `claims` and returns the token.
pub fn sign(_key: &SigningKey, _claims: &Claims) -> String {
    unreachable!("being written")
}

impl<'t> Token<'t> {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn parse(text: &'t str) -> Result<Self, JwsError> {
        Ok(Self { text })
    }

    /// Returns what the token claims; believe it after [`Token::verify`].
    pub fn claims(&self) -> &Claims {
        unreachable!("being written {}", self.text)
    }

    /// Returns the name of the key in the issuer's DID document, from the
    /// header, or the default `#atproto`.
    pub fn key_id(&self) -> &str {
        unreachable!("being written")
    }

    /// Checks the signature and that `alg` is the one of the key's curve.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn verify(&self, _key: &PublicKey) -> Result<(), JwsError> {
        unreachable!("being written")
    }
}
