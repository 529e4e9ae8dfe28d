//! Links: CIDs as they stand inside data, whatever their hash.
//!
//! What we write links only in the blessed form ([`Cid`]). A record that was
//! signed elsewhere may hold a link of another kind; its bytes are kept.

use std::{fmt, sync::LazyLock};

use data_encoding::{Encoding, Specification};

use crate::atproto::Cid;

/// Bytes of a link's CID, at most.
pub const LINK_BYTES_MAX: usize = 100;

/// Multibase's `b`: RFC 4648 in lower case, without padding.
static BASE32_LOWER: LazyLock<Encoding> = LazyLock::new(|| {
    let mut base32 = Specification::new();
    base32.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    base32.encoding().expect("32 different symbols make an encoding")
});

/// A CID of version 1 with any codec and any hash. Ordered by its bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(Box<[u8]>);

impl Link {
    /// Takes the binary form of a CID: version 1, a codec, a hash and a digest
    /// of the length that it says. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        is_cid_v1(bytes).then(|| Self(bytes.into()))
    }

    /// Takes bytes that passed [`is_cid_v1`].
    pub(super) fn checked(cid: &[u8]) -> Self {
        Self(cid.into())
    }

    /// Returns the binary form of the CID.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the CID where it has the blessed form.
    pub fn blessed(&self) -> Option<Cid> {
        Cid::from_bytes(&self.0).ok()
    }
}

impl From<Cid> for Link {
    fn from(cid: Cid) -> Self {
        Self(cid.as_bytes().as_slice().into())
    }
}

impl fmt::Display for Link {
    /// Writes the CID in base32.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_text(&self.0, &mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Appends the base32 text of a CID's binary form.
pub(super) fn write_text(cid: &[u8], out: &mut String) {
    out.push('b');
    BASE32_LOWER.encode_append(cid, out);
}

/// Says whether `bytes` are a CID of version 1, complete and with nothing after.
pub(crate) fn is_cid_v1(bytes: &[u8]) -> bool {
    let digest = bytes.strip_prefix(&[1]).and_then(|rest| {
        let (_codec, rest) = varint(rest)?;
        let (_hash, rest) = varint(rest)?;
        let (length, rest) = varint(rest)?;
        (length == rest.len() as u64).then_some(rest)
    });
    bytes.len() <= LINK_BYTES_MAX && digest.is_some()
}

/// Splits an unsigned varint of at most nine bytes, in its shortest form, off
/// the front.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || index == 0;
            return shortest.then_some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_hashes_are_links_but_not_blessed() {
        let blessed = Link::from(Cid::of_raw(b"x"));
        assert_eq!(blessed.blessed(), Some(Cid::of_raw(b"x")));
        assert_eq!(blessed.to_string(), Cid::of_raw(b"x").to_string());

        let identity = Link::from_bytes(&[1, 0x55, 0, 3, b'a', b'b', b'c']).expect("a CID");
        assert_eq!(identity.blessed(), None);
    }

    #[test]
    fn damaged_cids_are_refused() {
        let whole = Cid::of_raw(b"x");
        let whole = whole.as_bytes();
        assert_eq!(Link::from_bytes(&whole[..35]), None, "cut");
        assert_eq!(Link::from_bytes(&[whole.as_slice(), &[0]].concat()), None);
        assert_eq!(Link::from_bytes(&[0, 0x55, 0, 1, 9]), None, "version 0");
        assert_eq!(Link::from_bytes(&[1, 0xd5, 0x00, 0, 0]), None, "padded");
        assert_eq!(Link::from_bytes(&[1]), None);
        assert_eq!(Link::from_bytes(&[]), None);
    }
}
