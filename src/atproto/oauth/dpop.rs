//! DPoP: whoever sends a token holds the key that it was given to.
//!
//! A proof is a JWT over the request in hand, signed with a key that stands in
//! its header. [`Proof::parse`] verifies it; [`Proof::check`] holds it to the
//! request. Whether its nonce is one of ours, and whether it was seen before,
//! is asked by whoever remembers such things.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc9449>

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::jwk::{InvalidJwk, Jwk};
use crate::atproto::Moment;
use crate::atproto::compact::{Compact, MalformedJws, VerifyError};

/// The type of a proof.
const TYPE: &str = "dpop+jwt";
/// How far the clock of a client may be off, either way. That a proof is fresh
/// is shown by its nonce; its time only keeps nonsense out.
pub const DRIFT_MAX: Duration = Duration::from_secs(3 * 60);
/// Characters of a proof's own name.
const JTI_CHARS_MAX: usize = 512;

/// A proof whose signature is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// What stands for the key that signed it.
    pub thumbprint: String,
    /// The proof's own name.
    pub jti: String,
    /// The nonce that this server gave out.
    pub nonce: Option<String>,
    method: String,
    url: String,
    issued_at: i64,
    token_hash: Option<String>,
}

/// The request that a proof must be about.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Its HTTP method.
    pub method: &'r str,
    /// Its address as clients see it; a query or a fragment does not matter.
    pub url: &'r str,
    /// The access token that it carries.
    pub token: Option<&'r str>,
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// It is no proof.
    #[error("the DPoP proof is not a JWT of the type dpop+jwt with jti, htm, htu and iat")]
    Malformed,
    /// Its key cannot be used.
    #[error("the key of the DPoP proof: {0}")]
    Key(#[from] InvalidJwk),
    /// Its key did not sign it.
    #[error("the DPoP proof is not signed by its key: {0}")]
    Untrue(#[from] VerifyError),
    /// It is about another method.
    #[error("the DPoP proof is for another HTTP method")]
    Method,
    /// It is about another address.
    #[error("the DPoP proof is for another address")]
    Url,
    /// It was made too long ago, or in the future.
    #[error("the DPoP proof was not made now")]
    Time,
    /// It is about another token, or about none.
    #[error("the DPoP proof is not for this access token")]
    Token,
}

impl From<MalformedJws> for InvalidProof {
    fn from(_: MalformedJws) -> Self {
        Self::Malformed
    }
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    nonce: Option<String>,
    ath: Option<String>,
}

impl Proof {
    /// Reads a proof and verifies its signature.
    ///
    /// # Errors
    /// [`InvalidProof`], about the proof itself.
    pub fn parse(text: &str) -> Result<Self, InvalidProof> {
        let token = Compact::<Claims>::parse(text)?;
        if token.typ().as_deref() != Some(TYPE) {
            return Err(InvalidProof::Malformed);
        }
        let jwk = token.header.jwk.as_ref().ok_or(InvalidProof::Malformed)?;
        let jwk = Jwk::read(jwk)?;
        token.verify(&jwk.key)?;
        let Claims { jti, htm, htu, iat, nonce, ath } = token.claims;
        if jti.is_empty() || jti.len() > JTI_CHARS_MAX {
            return Err(InvalidProof::Malformed);
        }
        Ok(Self {
            thumbprint: jwk.thumbprint,
            jti,
            nonce,
            method: htm,
            url: htu,
            issued_at: iat,
            token_hash: ath,
        })
    }

    /// Holds the proof to the request in hand.
    ///
    /// # Errors
    /// [`InvalidProof`], about how the two differ.
    pub fn check(&self, request: &Request<'_>, now: Moment) -> Result<(), InvalidProof> {
        if self.method != request.method {
            return Err(InvalidProof::Method);
        }
        if bare(&self.url).is_none() || bare(&self.url) != bare(request.url) {
            return Err(InvalidProof::Url);
        }
        let off = now.unix_ms().abs_diff(self.issued_at.saturating_mul(1_000));
        if u128::from(off) > DRIFT_MAX.as_millis() {
            return Err(InvalidProof::Time);
        }
        let expected = request.token.map(hash);
        if expected != self.token_hash {
            return Err(InvalidProof::Token);
        }
        Ok(())
    }
}

fn hash(token: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(token.as_bytes()))
}

/// The address without what does not matter.
fn bare(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::atproto::compact::{self, Header};
    use crate::atproto::crypto::{Curve, SigningKey};

    const NOW: Moment = Moment::from_unix_ms(1_767_323_045_678);
    const REQUEST: Request<'_> =
        Request { method: "POST", url: "https://pds.test/oauth/token?a=b", token: None };

    fn key(fill: u8) -> SigningKey {
        SigningKey::from_secret(Curve::P256, &[fill; 32]).expect("a secret")
    }

    fn jwk(key: &SigningKey) -> Value {
        let compressed = key.public().as_bytes();
        let point = p256::ecdsa::VerifyingKey::from_sec1_bytes(compressed).expect("a point");
        let point = point.to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let text = |bytes| BASE64URL_NOPAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
    }

    fn claims() -> Value {
        json!({ "jti": "one", "htm": "POST", "htu": "https://pds.test/oauth/token", "iat": 1_767_323_045 })
    }

    fn proof(claims: &Value) -> String {
        let key = key(7);
        let header = Header {
            typ: Some(TYPE.to_owned()),
            alg: "ES256".to_owned(),
            jwk: Some(jwk(&key)),
            ..Header::default()
        };
        compact::write(&header, claims, |message| key.sign(message))
    }

    #[test]
    fn a_proof_is_held_to_its_request() {
        let check = |change: &dyn Fn(&mut Value), request: Request<'_>, expected| {
            let mut claims = claims();
            change(&mut claims);
            let proof = Proof::parse(&proof(&claims)).expect("a proof");
            assert_eq!(proof.check(&request, NOW), expected, "{claims}");
        };
        check(&|_| {}, REQUEST, Ok(()));
        check(
            &|claims| claims["htu"] = json!("https://PDS.test:443/oauth/token?x#y"),
            REQUEST,
            Ok(()),
        );
        check(&|claims| claims["htm"] = json!("GET"), REQUEST, Err(InvalidProof::Method));
        check(&|claims| claims["htm"] = json!("post"), REQUEST, Err(InvalidProof::Method));
        check(
            &|claims| claims["htu"] = json!("https://pds.test/oauth/par"),
            REQUEST,
            Err(InvalidProof::Url),
        );
        check(
            &|claims| claims["htu"] = json!("http://pds.test/oauth/token"),
            REQUEST,
            Err(InvalidProof::Url),
        );
        check(&|claims| claims["htu"] = json!("/oauth/token"), REQUEST, Err(InvalidProof::Url));
        check(
            &|claims| claims["iat"] = json!(1_767_323_045 - 190),
            REQUEST,
            Err(InvalidProof::Time),
        );
        check(
            &|claims| claims["iat"] = json!(1_767_323_045 + 190),
            REQUEST,
            Err(InvalidProof::Time),
        );
        check(&|claims| claims["iat"] = json!(i64::MAX), REQUEST, Err(InvalidProof::Time));
        check(&|claims| claims["ath"] = json!(hash("token")), REQUEST, Err(InvalidProof::Token));
        let with_token = Request { token: Some("token"), ..REQUEST };
        check(&|claims| claims["ath"] = json!(hash("token")), with_token, Ok(()));
        check(&|claims| claims["ath"] = json!(hash("other")), with_token, Err(InvalidProof::Token));
        check(&|_| {}, with_token, Err(InvalidProof::Token));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let key = key(7);
        let check = |header: Value, expected: &InvalidProof| {
            let header: Header = serde_json::from_value(header).expect("a header");
            let text = compact::write(&header, &claims(), |message| key.sign(message));
            assert_eq!(Proof::parse(&text).as_ref(), Err(expected));
        };
        check(json!({ "typ": "JWT", "alg": "ES256", "jwk": jwk(&key) }), &InvalidProof::Malformed);
        check(json!({ "typ": TYPE, "alg": "ES256" }), &InvalidProof::Malformed);
        let untrue = VerifyError::Algorithm { expected: "ES256", found: "none".to_owned() };
        check(json!({ "typ": TYPE, "alg": "none", "jwk": jwk(&key) }), &untrue.into());
        let mut secret = jwk(&key);
        secret["d"] = json!("AA");
        check(json!({ "typ": TYPE, "alg": "ES256", "jwk": secret }), &InvalidJwk::Secret.into());
        let other = jwk(&super::tests::key(8));
        let header = json!({ "typ": TYPE, "alg": "ES256", "jwk": other });
        let untrue = crate::atproto::crypto::BadSignature;
        check(header, &InvalidProof::Untrue(VerifyError::Signature(untrue)));
        let mut nameless = claims();
        nameless["jti"] = json!("");
        assert_eq!(Proof::parse(&proof(&nameless)), Err(InvalidProof::Malformed));
        assert_eq!(Proof::parse("a.b.c"), Err(InvalidProof::Malformed));
    }
}
