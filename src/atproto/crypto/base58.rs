//! base58btc, the alphabet behind a multibase `z`.
//!
//! The cost grows with the square of the length, so the length is limited:
//! only keys are written this way.

/// The most characters that are read: a Multikey of any known kind is shorter.
const CHARS_MAX: usize = 256;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Writes `bytes`; leading zeros become leading `1`s.
pub(super) fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    // Digits to the base of 58, the lowest first.
    let mut digits: Vec<u8> = Vec::with_capacity(bytes.len() * 138 / 100 + 1);
    for byte in &bytes[zeros..] {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let body = digits.iter().rev().map(|d| char::from(ALPHABET[usize::from(*d)]));
    std::iter::repeat_n('1', zeros).chain(body).collect()
}

/// Reads what [`encode`] wrote; `None` for any other character and for more
/// than [`CHARS_MAX`].
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > CHARS_MAX {
        return None;
    }
    let ones = text.bytes().take_while(|c| *c == b'1').count();
    // Bytes, the lowest first.
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for character in text.bytes().skip(ones) {
        let digit = ALPHABET.iter().position(|c| *c == character)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    bytes.resize(bytes.len() + ones, 0);
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_are_written_and_read() {
        // From draft-msporny-base58, section 5.
        for (bytes, text) in [
            (&b""[..], ""),
            (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
            (
                b"The quick brown fox jumps over the lazy dog.",
                "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
            ),
            (b"\x00\x00\x28\x7f\xb4\xcd", "11233QC4"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn other_characters_and_endless_texts_are_refused() {
        for text in ["0", "O", "I", "l", "2NEpo7TZRRrLZSi2U ", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(&"2".repeat(CHARS_MAX + 1)), None);
    }
}
