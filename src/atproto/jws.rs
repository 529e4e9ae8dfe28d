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

use super::compact::{self, Compact, Header, MalformedJws, VerifyError};
use super::crypto::{PublicKey, SigningKey};

/// The name of the key that signs for an account, when the header names none.
const KEY_ID_DEFAULT: &str = "#atproto";

/// Types of other tokens, which must not pass for service tokens.
const TYPES_REFUSED: [&str; 3] = ["at+jwt", "refresh+jwt", "dpop+jwt"];

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
#[derive(Clone)]
pub struct Token<'t>(Compact<'t, Claims>);

/// Why a text is not a service token, or not a true one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url with the claims and the header in JSON.
    #[error("not a compact JWS with the claims of a service token")]
    Malformed,
    /// It is a token of another kind, such as a session's.
    #[error("a token of the type {0} is not a service token")]
    Type(String),
    /// The issuer's key did not sign it.
    #[error(transparent)]
    Untrue(#[from] VerifyError),
}

impl From<MalformedJws> for JwsError {
    fn from(_: MalformedJws) -> Self {
        Self::Malformed
    }
}

/// Signs `claims` and returns the token.
pub fn sign(key: &SigningKey, claims: &Claims) -> String {
    let header = Header {
        typ: Some("JWT".to_owned()),
        alg: key.curve().jwt_alg().to_owned(),
        ..Header::default()
    };
    compact::write(&header, claims, |message| key.sign(message))
}

impl<'t> Token<'t> {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] and [`JwsError::Type`].
    pub fn parse(text: &'t str) -> Result<Self, JwsError> {
        let token = Compact::parse(text)?;
        match token.typ() {
            Some(typ) if TYPES_REFUSED.contains(&typ.as_str()) => Err(JwsError::Type(typ)),
            _ => Ok(Self(token)),
        }
    }

    /// Returns what the token claims; believe it after [`Token::verify`].
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Returns the claims of a token that is no longer needed.
    pub fn into_claims(self) -> Claims {
        self.0.claims
    }

    /// Returns the DID of the issuer, without the name of a key.
    pub fn issuer(&self) -> &str {
        let iss = &self.0.claims.iss;
        iss.split_once('#').map_or(iss, |(did, _)| did)
    }

    /// Returns the name of the issuer's key in its DID document, with no `#`
    /// before it: from the header, or `atproto` by default. The older way,
    /// a name after the issuer's DID, is read too.
    pub fn key_id(&self) -> &str {
        let kid = self.0.header.kid.as_deref();
        let named = kid.or_else(|| self.0.claims.iss.find('#').map(|at| &self.0.claims.iss[at..]));
        let id = named.unwrap_or(KEY_ID_DEFAULT);
        id.rsplit_once('#').map_or(id, |(_, name)| name)
    }

    /// Checks the signature, and that the algorithm in the header is the one
    /// of the key: a token cannot choose how it is verified.
    ///
    /// # Errors
    /// [`JwsError::Untrue`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        Ok(self.0.verify(key)?)
    }
}

impl std::fmt::Debug for Token<'_> {
    /// Leaves the signature out, without which the token is worth nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("claims", &self.0.claims).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::atproto::crypto::{BadSignature, Curve};

    const UNTRUE: Result<(), JwsError> =
        Err(JwsError::Untrue(VerifyError::Signature(BadSignature)));

    fn write_part(part: &impl Serialize) -> String {
        BASE64URL_NOPAD.encode(&serde_json::to_vec(part).expect("JSON"))
    }

    fn read_part(part: &str) -> Value {
        let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn key(curve: Curve) -> SigningKey {
        SigningKey::from_secret(curve, &[0x42; 32]).expect("a secret")
    }

    fn claims() -> Claims {
        Claims {
            iss: "did:plc:44ybard66vv44zksje25o7dz".to_owned(),
            aud: "did:web:pds.example.com#atproto_pds".to_owned(),
            exp: 1_700_000_060,
            iat: Some(1_700_000_000),
            lxm: Some("com.atproto.server.createAccount".to_owned()),
            jti: Some("00112233445566778899aabbccddeeff".to_owned()),
        }
    }

    /// Signs any header and any claims, as anybody could.
    fn signed(header: &Value, claims: &Value, key: &SigningKey) -> String {
        let signed = format!("{}.{}", write_part(header), write_part(claims));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    #[test]
    fn a_token_says_what_was_signed() {
        for curve in [Curve::K256, Curve::P256] {
            let key = key(curve);
            let text = sign(&key, &claims());
            let token = Token::parse(&text).expect("a token");
            assert_eq!(token.verify(key.public()), Ok(()));
            assert_eq!(*token.claims(), claims());
            assert_eq!(token.key_id(), "atproto");
            let header = read_part(text.split('.').next().expect("a part"));
            assert_eq!(header, json!({ "typ": "JWT", "alg": curve.jwt_alg() }));
        }
    }

    #[test]
    fn another_key_or_another_claim_does_not_verify() {
        let (mine, other) = (key(Curve::K256), [0x43; 32]);
        let other = SigningKey::from_secret(Curve::K256, &other).expect("a secret");
        let text = sign(&mine, &claims());
        let token = Token::parse(&text).expect("a token");
        assert_eq!(token.verify(other.public()), UNTRUE);
        let mut later = claims();
        later.exp += 1;
        let parts: Vec<&str> = text.split('.').collect();
        let text = format!("{}.{}.{}", parts[0], write_part(&later), parts[2]);
        let token = Token::parse(&text).expect("a token");
        assert_eq!(token.verify(mine.public()), UNTRUE);
    }

    #[test]
    fn the_key_decides_the_algorithm() {
        let key = key(Curve::K256);
        for alg in ["none", "ES256", "HS256", "es256k", ""] {
            let header = json!({ "typ": "JWT", "alg": alg });
            let text = signed(&header, &json!(claims()), &key);
            let token = Token::parse(&text).expect("a token");
            let expected = VerifyError::Algorithm { expected: "ES256K", found: alg.to_owned() };
            assert_eq!(token.verify(key.public()), Err(expected.into()));
        }
    }

    #[test]
    fn tokens_of_other_kinds_are_refused() {
        let key = key(Curve::K256);
        for typ in ["at+jwt", "refresh+jwt", "dpop+jwt", "AT+JWT", "application/at+jwt"] {
            let header = json!({ "typ": typ, "alg": "ES256K" });
            let text = signed(&header, &json!(claims()), &key);
            assert!(matches!(Token::parse(&text), Err(JwsError::Type(_))), "{typ}");
        }
        let header = json!({ "alg": "ES256K" });
        let text = signed(&header, &json!(claims()), &key);
        assert!(Token::parse(&text).is_ok(), "a type may be missing");
    }

    #[test]
    fn texts_that_are_no_tokens_are_refused() {
        let key = key(Curve::K256);
        let good = sign(&key, &claims());
        let mut no_exp = json!(claims());
        no_exp.as_object_mut().expect("an object").remove("exp");
        let header = json!({ "typ": "JWT", "alg": "ES256K" });
        let critical = json!({ "typ": "JWT", "alg": "ES256K", "crit": ["x"] });
        for text in [
            String::new(),
            "..".to_owned(),
            good.replacen('.', "", 1),
            format!("{good}."),
            format!("{good}="),
            good.replace('.', " ."),
            signed(&header, &no_exp, &key),
            signed(&header, &json!([]), &key),
            signed(&critical, &json!(claims()), &key),
            "a".repeat(16 * 1024 + 1),
        ] {
            assert!(matches!(Token::parse(&text), Err(JwsError::Malformed)), "{text}");
        }
    }

    #[test]
    fn the_issuers_key_is_named_in_the_header_or_after_the_issuer() {
        let key = key(Curve::K256);
        let mut labeler = claims();
        labeler.iss.push_str("#atproto_labeler");
        for (kid, claims, id) in [
            (json!({ "kid": "#atproto" }), claims(), "atproto"),
            (json!({ "kid": "#atproto_label" }), claims(), "atproto_label"),
            (json!({ "kid": "did:plc:x#atproto_label" }), claims(), "atproto_label"),
            (json!({}), labeler.clone(), "atproto_labeler"),
            (json!({ "kid": "#atproto" }), labeler, "atproto"),
        ] {
            let mut header = json!({ "typ": "JWT", "alg": "ES256K" });
            if let Some(kid) = kid.get("kid") {
                header["kid"] = kid.clone();
            }
            let text = signed(&header, &json!(claims), &key);
            let token = Token::parse(&text).expect("a token");
            assert_eq!(token.key_id(), id);
            assert_eq!(token.issuer(), "did:plc:44ybard66vv44zksje25o7dz");
        }
    }

    #[test]
    fn a_high_s_is_accepted_in_tokens() {
        // Made with WebCrypto, which does not choose the lower one: here the
        // order of P-256 less the `s` that we sign.
        let key = key(Curve::P256);
        let text = sign(&key, &claims());
        let (signed, _) = text.rsplit_once('.').expect("three parts");
        let signature = high(&key.sign(signed.as_bytes()));
        let text = format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature));
        let token = Token::parse(&text).expect("a token");
        assert_eq!(token.verify(key.public()), Ok(()));
    }

    fn high(signature: &[u8; 64]) -> Vec<u8> {
        let signature = p256::ecdsa::Signature::from_slice(signature).expect("a signature");
        let (r, s) = signature.split_scalars();
        let high = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes());
        high.expect("a signature").to_bytes().to_vec()
    }
}
