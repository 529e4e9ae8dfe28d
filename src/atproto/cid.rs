//! Content identifiers in the one form that the protocol blesses.
//!
//! A [`Cid`] is version 1, SHA-256, with the codec of structured data
//! (`0x71`) or of raw bytes (`0x55`): always 36 bytes, always 59 characters.
//! Links with other hashes may stand inside records that were imported; those
//! are plain bytes in [`super::data`], never a `Cid`.
//!
//! Spec: <https://atproto.com/specs/data-model#link-and-cid-formats>

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

/// Bytes of a CID in binary form.
pub const CID_BYTES: usize = 36;
/// Characters of a CID in text form.
pub const CID_CHARS: usize = 59;

/// What the bytes behind a [`Cid`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Structured data: commits, tree nodes, records (`0x71`).
    DagCbor,
    /// Bytes as they are: blobs (`0x55`).
    Raw,
}

/// A content identifier. Ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cid([u8; CID_BYTES]);

/// A text or a byte string is not a CID of the blessed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a CIDv1 with SHA-256 and codec dag-cbor or raw")]
pub struct InvalidCid;

impl Cid {
    /// Returns the identifier of an encoded piece of structured data.
    pub fn of_dag_cbor(bytes: &[u8]) -> Self {
        Self::from_digest(Codec::DagCbor, Sha256::digest(bytes).into())
    }

    /// Returns the identifier of a blob's bytes.
    pub fn of_raw(bytes: &[u8]) -> Self {
        Self::from_digest(Codec::Raw, Sha256::digest(bytes).into())
    }

    /// Returns the identifier for a SHA-256 digest computed elsewhere.
    pub fn from_digest(codec: Codec, digest: [u8; 32]) -> Self {
        let mut bytes = [0; CID_BYTES];
        let codec = match codec {
            Codec::DagCbor => 0x71,
            Codec::Raw => 0x55,
        };
        bytes[..4].copy_from_slice(&[0x01, codec, 0x12, 0x20]);
        bytes[4..].copy_from_slice(&digest);
        Self(bytes)
    }

    /// Reads the 36 bytes of the binary form.
    ///
    /// # Errors
    /// [`InvalidCid`] for any other length, version, codec or hash.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidCid> {
        let bytes: [u8; CID_BYTES] = bytes.try_into().map_err(|_| InvalidCid)?;
        match bytes[..4] {
            [0x01, 0x71 | 0x55, 0x12, 0x20] => Ok(Self(bytes)),
            _ => Err(InvalidCid),
        }
    }

    /// Returns the binary form.
    pub fn as_bytes(&self) -> &[u8; CID_BYTES] {
        &self.0
    }

    /// Says what the bytes behind this identifier are.
    pub fn codec(&self) -> Codec {
        match self.0[1] {
            0x55 => Codec::Raw,
            _ => Codec::DagCbor,
        }
    }

    /// Says whether `bytes` are the content that this identifier names.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        Sha256::digest(bytes).as_slice() == &self.0[4..]
    }
}

impl FromStr for Cid {
    type Err = InvalidCid;

    fn from_str(text: &str) -> Result<Self, InvalidCid> {
        let body = text.strip_prefix('b').ok_or(InvalidCid)?;
        if text.len() != CID_CHARS || body.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidCid);
        }
        let bytes =
            BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).map_err(|_| InvalidCid)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = BASE32_NOPAD.encode(&self.0);
        text.make_ascii_lowercase();
        write!(f, "b{text}")
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Cid {
    /// Writes the text form, as XRPC JSON wants it.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_has_its_well_known_name() {
        // The node {e: [], l: null}.
        let cid = Cid::of_dag_cbor(b"\xa2\x61e\x80\x61l\xf6");
        let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
        assert_eq!(cid.to_string(), text);
        assert_eq!(text.parse::<Cid>(), Ok(cid));
    }

    #[test]
    fn other_forms_are_refused() {
        let upper = "BAFYREIE5737GDXLW5I64VZICHCALBA3Z2V5N6ICIFVX5XYTVSKE7MR3HPM";
        let cut = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hp";
        for text in ["", "b", upper, cut, "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"] {
            assert_eq!(text.parse::<Cid>(), Err(InvalidCid), "{text}");
        }
        assert_eq!(Cid::from_bytes(&[0; 36]), Err(InvalidCid));
    }
}
