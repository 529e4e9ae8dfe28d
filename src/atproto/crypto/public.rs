//! Public keys: reading and writing them, and verifying with them.
//!
//! P-256 signatures are verified by ring, which does it five times faster
//! than p256; ring does not look at which of the two `s` it got, so that check
//! is ours.
//!
//! Spec: <https://atproto.com/specs/cryptography#public-key-encoding>

use std::{fmt, str::FromStr};

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256};

use super::{Curve, HighS, SIGNATURE_BYTES, base58};

/// The order of P-256, halved: the highest `s` that is low.
const P256_S_LOW_MAX: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// The most characters of a `did:key` of any kind, as PLC allows them.
const DID_KEY_CHARS_MAX: usize = 256;

const DID_KEY_PREFIX: &str = "did:key:";

/// A public key of either curve; a point on the curve, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    compressed: [u8; 33],
    point: Point,
}

#[derive(Clone, PartialEq, Eq)]
enum Point {
    K256(k256::ecdsa::VerifyingKey),
    /// Uncompressed, as ring takes it.
    P256([u8; 65]),
}

/// The text of a `did:key`, of any kind of key.
///
/// DID documents and PLC operations may name keys of kinds that we cannot
/// verify with; those stay texts. [`DidKey::public_key`] is for ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DidKey(String);

/// A text or a byte string is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not multibase base58btc, or not a `did:key`.
    #[error("not a key in base58btc multibase (z...)")]
    Syntax,
    /// A well-formed key of a kind that the protocol does not use.
    #[error("a key of a kind other than secp256k1 and P-256")]
    Kind,
    /// The bytes are not a point of the curve in the form that is expected.
    #[error("not a point on the curve")]
    Point,
}

/// A signature was not made over these bytes with this key, or has another
/// form than 64 bytes with the lower `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

impl PublicKey {
    /// Reads a compressed or uncompressed point.
    ///
    /// # Errors
    /// [`InvalidKey::Point`] if it is not one of this curve.
    pub fn from_point(curve: Curve, bytes: &[u8]) -> Result<Self, InvalidKey> {
        if !matches!((bytes.len(), bytes.first()), (33, Some(2 | 3)) | (65, Some(4))) {
            return Err(InvalidKey::Point);
        }
        match curve {
            Curve::K256 => k256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(|key| Self::of_k256(&key))
                .map_err(|_| InvalidKey::Point),
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(|key| Self::of_p256(&key))
                .map_err(|_| InvalidKey::Point),
        }
    }

    /// Reads a `did:key`.
    ///
    /// # Errors
    /// See [`InvalidKey`]; the point must be compressed.
    pub fn from_did_key(text: &str) -> Result<Self, InvalidKey> {
        let multibase = text.strip_prefix(DID_KEY_PREFIX).ok_or(InvalidKey::Syntax)?;
        Self::from_multibase(multibase)
    }

    /// Reads the `publicKeyMultibase` of a verification method of type
    /// `Multikey`: `z`, then the kind of key and a compressed point.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn from_multibase(text: &str) -> Result<Self, InvalidKey> {
        let bytes = multibase(text)?;
        let (kind, point) = bytes.split_at_checked(2).ok_or(InvalidKey::Kind)?;
        let curve = [Curve::K256, Curve::P256]
            .into_iter()
            .find(|curve| curve.multicodec() == kind)
            .ok_or(InvalidKey::Kind)?;
        if point.len() != 33 {
            return Err(InvalidKey::Point);
        }
        Self::from_point(curve, point)
    }

    /// Reads the `publicKeyMultibase` of the two verification methods that
    /// came before `Multikey`, in which the type names the curve and the key
    /// is a bare point, usually uncompressed. Never written.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn from_legacy_multibase(curve: Curve, text: &str) -> Result<Self, InvalidKey> {
        Self::from_point(curve, &multibase(text)?)
    }

    /// Returns the curve.
    pub fn curve(&self) -> Curve {
        match self.point {
            Point::K256(_) => Curve::K256,
            Point::P256(_) => Curve::P256,
        }
    }

    /// Returns the compressed point.
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.compressed
    }

    /// Returns the `publicKeyMultibase` of a `Multikey`.
    pub fn multibase(&self) -> String {
        let bytes = [&self.curve().multicodec()[..], &self.compressed].concat();
        format!("z{}", base58::encode(&bytes))
    }

    /// Returns the `did:key` of this key.
    pub fn did_key(&self) -> DidKey {
        DidKey(format!("{DID_KEY_PREFIX}{}", self.multibase()))
    }

    /// Checks that `signature` (64 bytes `r||s`; DER is refused) was made
    /// over `message` with the secret of this key.
    ///
    /// # Errors
    /// [`BadSignature`] if not.
    // spec: cryptography#ecdsa-signature-malleability
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        high_s: HighS,
    ) -> Result<(), BadSignature> {
        let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| BadSignature)?;
        match &self.point {
            Point::K256(key) => verify_k256(key, message, signature, high_s),
            Point::P256(point) => verify_p256(point, message, signature, high_s),
        }
    }

    pub(super) fn of_k256(key: &k256::ecdsa::VerifyingKey) -> Self {
        Self { compressed: sized(key.to_sec1_point(true).as_bytes()), point: Point::K256(*key) }
    }

    pub(super) fn of_p256(key: &p256::ecdsa::VerifyingKey) -> Self {
        Self {
            compressed: sized(key.to_sec1_point(true).as_bytes()),
            point: Point::P256(sized(key.to_sec1_point(false).as_bytes())),
        }
    }
}

fn sized<const N: usize>(point: &[u8]) -> [u8; N] {
    point.try_into().expect("the form of the point decides its length")
}

fn multibase(text: &str) -> Result<Vec<u8>, InvalidKey> {
    let body = text.strip_prefix('z').ok_or(InvalidKey::Syntax)?;
    base58::decode(body).ok_or(InvalidKey::Syntax)
}

fn verify_k256(
    key: &k256::ecdsa::VerifyingKey,
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
    high_s: HighS,
) -> Result<(), BadSignature> {
    let signature = k256::ecdsa::Signature::from_slice(signature).map_err(|_| BadSignature)?;
    let low = signature.normalize_s();
    if low != signature && high_s == HighS::Refuse {
        return Err(BadSignature);
    }
    // k256 verifies only the lower one; both are equally true.
    key.verify_prehash(&Sha256::digest(message), &low).map_err(|_| BadSignature)
}

fn verify_p256(
    point: &[u8; 65],
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
    high_s: HighS,
) -> Result<(), BadSignature> {
    if high_s == HighS::Refuse && signature[32..] > P256_S_LOW_MAX[..] {
        return Err(BadSignature);
    }
    ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point)
        .verify(message, signature)
        .map_err(|_| BadSignature)
}

impl fmt::Display for PublicKey {
    /// Writes the `did:key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DID_KEY_PREFIX}{}", self.multibase())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    /// Reads a `did:key`.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::from_did_key(text)
    }
}

impl DidKey {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the multibase part, from the `z` on.
    pub fn multibase(&self) -> &str {
        &self.0[DID_KEY_PREFIX.len()..]
    }

    /// Reads the key itself.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn public_key(&self) -> Result<PublicKey, InvalidKey> {
        PublicKey::from_did_key(&self.0)
    }
}

impl FromStr for DidKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let body = text.strip_prefix(DID_KEY_PREFIX).ok_or(InvalidKey::Syntax)?;
        let bytes = multibase(body)?;
        if text.len() > DID_KEY_CHARS_MAX || bytes.len() < 2 {
            return Err(InvalidKey::Syntax);
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<&PublicKey> for DidKey {
    fn from(key: &PublicKey) -> Self {
        key.did_key()
    }
}

impl fmt::Display for DidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for DidKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DidKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
