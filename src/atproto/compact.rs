//! Compact JWS: a header, claims and an ECDSA signature, in base64url.
//!
//! Service tokens, DPoP proofs and the assertions of OAuth clients all have this
//! form. Reading is in two steps, because what is inside decides whose key
//! verifies: [`Compact::parse`] reads without trust, [`Compact::verify`] checks.
//! What the claims mean is the caller's question.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7515>

use data_encoding::BASE64URL_NOPAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::crypto::{BadSignature, HighS, PublicKey};

/// The most characters that are read: a token may name two DIDs of 2,048
/// characters each.
const CHARS_MAX: usize = 16 * 1024;

/// What a header says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Header {
    /// What kind of token it is, as a media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// How it is signed.
    pub alg: String,
    /// The name of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Value>,
    /// Extensions that a reader must understand; we understand none.
    #[serde(default, skip_serializing)]
    pub(in crate::atproto) crit: Option<IgnoredAny>,
}

/// A token that was read but not believed.
#[derive(Clone)]
pub struct Compact<'t, C> {
    /// Its header.
    pub header: Header,
    /// Its claims; believe them after [`Compact::verify`].
    pub claims: C,
    /// The first two parts, which are what is signed.
    signed: &'t str,
    signature: Vec<u8>,
}

/// The text is not three parts of base64url with JSON in the first two, or asks
/// for an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a compact JWS with the claims of its kind")]
pub struct MalformedJws;

/// Why a token is not what the holder of a key has signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The algorithm is not the one of the key.
    #[error("the token is signed with {found}, the key is for {expected}")]
    Algorithm {
        /// What the key is for.
        expected: &'static str,
        /// What the header says.
        found: String,
    },
    /// The signature does not match.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl<'t, C: DeserializeOwned> Compact<'t, C> {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// [`MalformedJws`].
    pub fn parse(text: &'t str) -> Result<Self, MalformedJws> {
        if text.len() > CHARS_MAX {
            return Err(MalformedJws);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(MalformedJws)?;
        let (header, claims) = signed.split_once('.').ok_or(MalformedJws)?;
        let header: Header = read_part(header)?;
        if header.crit.is_some() {
            return Err(MalformedJws);
        }
        Ok(Self { header, claims: read_part(claims)?, signed, signature: decode(signature)? })
    }
}

impl<C> Compact<'_, C> {
    /// Returns the type in lower case, without the `application/` that may be
    /// left out.
    pub fn typ(&self) -> Option<String> {
        self.header.typ.as_deref().map(media_type)
    }

    /// Checks the signature, and that the algorithm in the header is the one
    /// of the key: a token cannot choose how it is verified.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        let expected = key.curve().jwt_alg();
        if self.header.alg != expected {
            let found = self.header.alg.clone();
            return Err(VerifyError::Algorithm { expected, found });
        }
        key.verify(self.signed.as_bytes(), &self.signature, HighS::Accept)?;
        Ok(())
    }
}

/// A JWT's type is a media type whose `application/` may be left out.
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
}

/// Writes a token that `sign` signs.
pub fn write(
    header: &Header,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> [u8; super::crypto::SIGNATURE_BYTES],
) -> String {
    let mut token = format!("{}.{}", write_part(header), write_part(claims));
    let signature = sign(token.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    token
}

fn write_part(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("a struct of texts and numbers has a JSON form");
    BASE64URL_NOPAD.encode(&json)
}

fn read_part<T: DeserializeOwned>(part: &str) -> Result<T, MalformedJws> {
    serde_json::from_slice(&decode(part)?).map_err(|_| MalformedJws)
}

fn decode(part: &str) -> Result<Vec<u8>, MalformedJws> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| MalformedJws)
}
