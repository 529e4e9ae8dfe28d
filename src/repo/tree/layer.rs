//! Where a key stands in the tree: its layer, and what it shares with another.
//!
//! Spec: <https://atproto.com/specs/repository#mst-structure>

use sha2::{Digest, Sha256};

/// Returns the layer of `key`: the leading zero bits of its SHA-256, halved.
///
/// The hash covers the whole key with its collection, so one record key has
/// different layers in different collections. At most 128.
// spec: repository#mst-structure
pub fn layer_of(key: &str) -> u8 {
    let mut layer = 0;
    for byte in Sha256::digest(key.as_bytes()) {
        layer += (byte.leading_zeros() / 2) as u8;
        if byte != 0 {
            break;
        }
    }
    layer
}

/// Counts the bytes that `left` and `right` share from their start.
pub fn shared_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(l, r)| l == r).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of the protocol's interop vectors and of the IETF draft.
    #[test]
    fn layers_of_known_keys() {
        for (key, layer) in [
            ("", 0),
            ("asdf", 0),
            ("blue", 1),
            ("2653ae71", 0),
            ("88bfafc7", 2),
            ("2a92d355", 4),
            ("884976f5", 6),
            ("app.bsky.feed.post/454397e440ec", 4),
            ("app.bsky.feed.post/9adeb165882c", 8),
            ("key1", 0),
            ("key7", 1),
            ("key515", 4),
        ] {
            assert_eq!(layer_of(key), layer, "{key}");
        }
    }

    #[test]
    fn prefixes_are_counted_in_bytes() {
        for (left, right, shared) in [
            ("", "", 0),
            ("abc", "abc", 3),
            ("", "abc", 0),
            ("ab", "abc", 2),
            ("abcde", "abc1", 3),
            ("abcde", "abb", 2),
            ("abcde", "qbb", 0),
            ("abc", "abc\0", 3),
            ("jalape\u{f1}o", "jalape\u{f3}", 7),
        ] {
            assert_eq!(shared_prefix(left.as_bytes(), right.as_bytes()), shared);
            assert_eq!(shared_prefix(right.as_bytes(), left.as_bytes()), shared);
        }
    }
}
