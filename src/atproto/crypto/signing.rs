//! Secrets that sign.
//!
//! Building a key from its secret multiplies a point (28 µs, about as long as
//! one signature), so a key is built once and shared: [`SigningKey`] is a
//! reference that is cheap to clone. Signatures are deterministic (RFC 6979):
//! the same bytes give the same signature, and no randomness is asked for.

use std::{fmt, sync::Arc};

use k256::ecdsa::signature::hazmat::PrehashSigner;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Curve, PublicKey, SECRET_BYTES, SIGNATURE_BYTES, base58};

/// The varints before a secret of each curve: 0x1301 and 0x1306.
const K256_SECRET: [u8; 2] = [0x81, 0x26];
const P256_SECRET: [u8; 2] = [0x86, 0x26];

/// A secret key of either curve. Cloning shares it; the secret is wiped when
/// the last clone is dropped.
#[derive(Clone)]
pub struct SigningKey(Arc<Secret>);

struct Secret {
    scalar: Scalar,
    public: PublicKey,
}

/// Both wipe themselves when they are dropped.
enum Scalar {
    K256(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// 32 bytes are not a secret of the curve: zero, or not below its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret key of this curve")]
pub struct InvalidSecret;

impl SigningKey {
    /// Builds the key of a secret, which must be uniformly random.
    ///
    /// # Errors
    /// [`InvalidSecret`] for zero and for numbers not below the curve's order;
    /// a random one fails with a chance of 2^-32 (P-256) or 2^-128.
    pub fn from_secret(curve: Curve, secret: &[u8; SECRET_BYTES]) -> Result<Self, InvalidSecret> {
        let (scalar, public) = match curve {
            Curve::K256 => {
                let key = k256::ecdsa::SigningKey::from_slice(secret).map_err(|_| InvalidSecret)?;
                let public = PublicKey::of_k256(key.verifying_key());
                (Scalar::K256(key), public)
            }
            Curve::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| InvalidSecret)?;
                let public = PublicKey::of_p256(key.verifying_key());
                (Scalar::P256(key), public)
            }
        };
        Ok(Self(Arc::new(Secret { scalar, public })))
    }

    /// Signs `message`: 64 bytes `r||s` with the lower `s`.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let digest = Sha256::digest(message);
        let signature = match &self.0.scalar {
            Scalar::K256(key) => {
                PrehashSigner::<k256::ecdsa::Signature>::sign_prehash(key, &digest)
                    .map(|signature| signature.normalize_s().to_bytes().into())
            }
            Scalar::P256(key) => {
                PrehashSigner::<p256::ecdsa::Signature>::sign_prehash(key, &digest)
                    .map(|signature| signature.normalize_s().to_bytes().into())
            }
        };
        signature.expect("a digest of the curve's own size can always be signed")
    }

    /// Returns the public half.
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// Returns the curve.
    pub fn curve(&self) -> Curve {
        self.0.public.curve()
    }

    /// Returns the secret, to be sealed and stored; the copy wipes itself.
    pub fn to_secret(&self) -> Zeroizing<[u8; SECRET_BYTES]> {
        Zeroizing::new(match &self.0.scalar {
            Scalar::K256(key) => key.to_bytes().into(),
            Scalar::P256(key) => key.to_bytes().into(),
        })
    }
}

impl SigningKey {
    /// Writes the secret for people to keep, as multibase of a multicodec key: the
    /// form that tools for did:plc read.
    ///
    /// Source: <https://github.com/multiformats/multicodec>, `secp256k1-priv` and
    /// `p256-priv`
    pub fn to_multibase(&self) -> Zeroizing<String> {
        let prefix = match self.curve() {
            Curve::K256 => K256_SECRET,
            Curve::P256 => P256_SECRET,
        };
        let bytes = Zeroizing::new([&prefix[..], &self.to_secret()[..]].concat());
        Zeroizing::new(format!("z{}", base58::encode(&bytes)))
    }
}

impl fmt::Debug for SigningKey {
    /// Names the public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.0.public)
    }
}
