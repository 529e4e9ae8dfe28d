//! Assertions: a confidential client proves who it is by a JWT of its own key.
//!
//! Whether the assertion was used before is asked by whoever remembers.
//!
//! Spec: <https://atproto.com/specs/oauth#confidential-client-authentication>,
//! RFC 7523

use std::time::Duration;

use serde::Deserialize;

use super::jwk::{Jwk, Jwks};
use crate::atproto::Moment;
use crate::atproto::compact::{Compact, MalformedJws};

/// How an assertion is called where one is sent.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How old an assertion may be.
const AGE_MAX: Duration = Duration::from_secs(60);
/// How far the clock of a client may run ahead.
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// Characters of an assertion's own name.
const JTI_CHARS_MAX: usize = 512;
/// How long an assertion must be remembered so that it is not used twice.
pub const MEMORY: Duration = Duration::from_secs(120);

/// An assertion whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Its own name.
    pub jti: String,
    /// What stands for the key that signed it.
    pub thumbprint: String,
}

/// Why an assertion is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssertion {
    /// It is no assertion.
    #[error("the client assertion is not a JWT with iss, sub, aud, jti and iat")]
    Malformed,
    /// It speaks of another client.
    #[error("the client assertion is of another client")]
    Client,
    /// It is for another server.
    #[error("the client assertion is for another server")]
    Audience,
    /// It is too old, or from the future.
    #[error("the client assertion was not made now")]
    Time,
    /// None of the client's keys signed it.
    #[error("the client assertion is not signed by a key of the client")]
    Untrue,
}

impl From<MalformedJws> for InvalidAssertion {
    fn from(_: MalformedJws) -> Self {
        Self::Malformed
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    jti: String,
    iat: i64,
    exp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads an assertion of the client `client_id` with these keys, for the
/// server whose issuer is `audience`.
///
/// # Errors
/// See [`InvalidAssertion`].
pub fn read(
    text: &str,
    client_id: &str,
    keys: &Jwks,
    (audience, now): (&str, Moment),
) -> Result<Assertion, InvalidAssertion> {
    let token = Compact::<Claims>::parse(text)?;
    let Claims { iss, sub, aud, jti, iat, exp } = &token.claims;
    if jti.is_empty() || jti.len() > JTI_CHARS_MAX {
        return Err(InvalidAssertion::Malformed);
    }
    if iss != client_id || sub != client_id {
        return Err(InvalidAssertion::Client);
    }
    let meant = match aud {
        OneOrMany::One(one) => one == audience,
        OneOrMany::Many(many) => many.iter().any(|one| one == audience),
    };
    if !meant {
        return Err(InvalidAssertion::Audience);
    }
    let issued = Moment::from_unix_ms(iat.saturating_mul(1_000));
    let ended = exp.is_some_and(|exp| exp.saturating_mul(1_000) <= now.unix_ms());
    if ended || issued < now.minus(AGE_MAX) || issued > now.plus(AHEAD_MAX) {
        return Err(InvalidAssertion::Time);
    }
    let header = &token.header;
    let signed = |key: &&Jwk| token.verify(&key.key).is_ok();
    let key = keys.matching(header.kid.as_deref(), &header.alg).find(signed);
    let key = key.ok_or(InvalidAssertion::Untrue)?;
    Ok(Assertion { jti: jti.clone(), thumbprint: key.thumbprint.clone() })
}
