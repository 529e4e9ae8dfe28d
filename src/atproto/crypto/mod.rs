//! Keys and signatures: the protocol's two curves, and nothing else.
//!
//! A signature is ECDSA over the SHA-256 of the bytes, 64 bytes `r||s`, with
//! the lower of the two possible `s`. Keys are compressed points, written as
//! `did:key`. This module never makes randomness: a secret is handed in as 32
//! bytes. It knows nothing of who owns a key or what is signed with it.
//!
//! Spec: <https://atproto.com/specs/cryptography>

mod base58;
mod public;
mod signing;
#[cfg(test)]
mod tests;

pub use public::{BadSignature, DidKey, InvalidKey, PublicKey};
pub use signing::{InvalidSecret, SigningKey};

/// Bytes of a signature: `r` and `s`, 32 each.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a secret: one scalar.
pub const SECRET_BYTES: usize = 32;

/// One of the two curves that every implementation must support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256k1, `ES256K`: what servers sign repositories with.
    K256,
    /// NIST P-256, `ES256`: what browsers and secure hardware have.
    P256,
}

impl Curve {
    /// Returns the name of the signature algorithm in JWTs.
    pub const fn jwt_alg(self) -> &'static str {
        match self {
            Self::K256 => "ES256K",
            Self::P256 => "ES256",
        }
    }

    /// Returns the two bytes that stand before a public key of this curve in
    /// a Multikey.
    const fn multicodec(self) -> [u8; 2] {
        match self {
            Self::K256 => [0xe7, 0x01],
            Self::P256 => [0x80, 0x24],
        }
    }
}

/// What to do with a signature whose `s` is the higher of the two possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighS {
    /// Commits and PLC operations: such a signature is invalid, or anyone
    /// could make a second one out of the first.
    Refuse,
    /// JWTs: libraries outside of the protocol make them.
    Accept,
}
