//! Public keys as JSON: of clients, and in DPoP proofs.
//!
//! Only the protocol's two curves are read; `ES256` is the one that every
//! client has. A key that carries its secret is refused: it is none any more.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7517>, thumbprints RFC 7638

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::atproto::crypto::{Curve, PublicKey};

/// Keys of one client that are read.
pub const KEYS_MAX: usize = 32;

/// A public key.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwk {
    /// Its name among its owner's keys.
    pub kid: Option<String>,
    /// The key.
    pub key: PublicKey,
    /// What stands for it: the SHA-256 of its usual form, in base64url.
    pub thumbprint: String,
}

/// The keys of a client, those that are understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Jwks(Vec<Jwk>);

/// Why a key is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwk {
    /// Its secret stands beside it.
    #[error("a public key must not come with its secret")]
    Secret,
    /// It is of another kind, or no point of its curve.
    #[error("not a public key for ES256 or ES256K")]
    Kind,
    /// Too many of them.
    #[error("more than {KEYS_MAX} keys")]
    TooMany,
}

#[derive(Deserialize)]
struct Fields {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    /// Reads a key.
    ///
    /// # Errors
    /// See [`InvalidJwk`].
    pub fn read(value: &Value) -> Result<Self, InvalidJwk> {
        let fields = Fields::deserialize(value).map_err(|_| InvalidJwk::Kind)?;
        if fields.d.is_some() {
            return Err(InvalidJwk::Secret);
        }
        let (curve, name) = match (fields.kty.as_str(), fields.crv.as_str()) {
            ("EC", "P-256") => (Curve::P256, "P-256"),
            ("EC", "secp256k1") => (Curve::K256, "secp256k1"),
            _ => return Err(InvalidJwk::Kind),
        };
        let signs = fields.usage.as_deref().is_none_or(|usage| usage == "sig");
        if !signs || fields.alg.as_deref().is_some_and(|alg| alg != curve.jwt_alg()) {
            return Err(InvalidJwk::Kind);
        }
        let coordinate = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let (x, y) = coordinate(&fields.x).zip(coordinate(&fields.y)).ok_or(InvalidJwk::Kind)?;
        if x.len() != 32 || y.len() != 32 {
            return Err(InvalidJwk::Kind);
        }
        let point = [&[4], &*x, &*y].concat();
        let key = PublicKey::from_point(curve, &point).map_err(|_| InvalidJwk::Kind)?;
        let usual =
            format!(r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#, fields.x, fields.y);
        let thumbprint = BASE64URL_NOPAD.encode(&Sha256::digest(usual.as_bytes()));
        Ok(Self { kid: fields.kid, key, thumbprint })
    }
}

impl Jwks {
    /// Reads a set of keys; those of other kinds are left out.
    ///
    /// # Errors
    /// [`InvalidJwk::Kind`] for something that is no set, [`InvalidJwk::Secret`]
    /// for one that gives a secret away, [`InvalidJwk::TooMany`].
    pub fn read(value: &Value) -> Result<Self, InvalidJwk> {
        let keys = value.get("keys").and_then(Value::as_array).ok_or(InvalidJwk::Kind)?;
        if keys.len() > KEYS_MAX {
            return Err(InvalidJwk::TooMany);
        }
        let mut read = Vec::new();
        for key in keys {
            match Jwk::read(key) {
                Ok(key) => read.push(key),
                Err(InvalidJwk::Secret) => return Err(InvalidJwk::Secret),
                Err(_) => {}
            }
        }
        Ok(Self(read))
    }

    /// The keys that a token may be signed with, by what its header says.
    pub fn matching<'k>(
        &'k self,
        kid: Option<&'k str>,
        alg: &'k str,
    ) -> impl Iterator<Item = &'k Jwk> {
        self.0.iter().filter(move |key| {
            let named = kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
            named && key.key.curve().jwt_alg() == alg
        })
    }

    /// Whether one of the keys has this thumbprint.
    pub fn has(&self, thumbprint: &str) -> bool {
        self.0.iter().any(|key| key.thumbprint == thumbprint)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 7517, appendix A.1; its thumbprint was computed with
    /// Node's `crypto` over the members that RFC 7638 names.
    fn known() -> Value {
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        })
    }

    #[test]
    fn a_key_is_read_if_it_signs_and_keeps_its_secret() {
        assert_eq!(Jwk::read(&known()), Err(InvalidJwk::Kind));
        let mut key = known();
        key["use"] = json!("sig");
        let read = Jwk::read(&key).expect("a key");
        assert_eq!(read.kid.as_deref(), Some("1"));
        assert_eq!(read.thumbprint, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
        key["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
        assert_eq!(Jwk::read(&key), Err(InvalidJwk::Secret));
        assert_eq!(Jwks::read(&json!({ "keys": [key] })), Err(InvalidJwk::Secret));
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let mut good = known();
        good["use"] = json!("sig");
        let mut off_curve = good.clone();
        off_curve["y"] = good["x"].clone();
        let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        let keys = Jwks::read(&json!({ "keys": [rsa, off_curve, 1, good] })).expect("a set");
        assert_eq!(keys.matching(Some("1"), "ES256").count(), 1);
        assert_eq!(keys.matching(None, "ES256").count(), 1);
        assert_eq!(keys.matching(Some("2"), "ES256").count(), 0);
        assert_eq!(keys.matching(None, "ES256K").count(), 0);
        assert_eq!(Jwks::read(&json!([])), Err(InvalidJwk::Kind));
    }
}
