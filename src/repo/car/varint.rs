//! Unsigned LEB128, in its shortest form only.

/// Bytes of a number, at most: nine carry 63 bits.
pub(super) const VARINT_BYTES_MAX: usize = 9;

/// What the start of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Varint {
    /// A number, and how many bytes it takes.
    Number(u64, usize),
    /// The bytes end before the number does.
    CutOff,
    /// Longer than it needs to be, or than 63 bits.
    Invalid,
}

/// Reads a number from the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Varint {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let longer_than_needed = *byte == 0 && index > 0;
            return match longer_than_needed {
                true => Varint::Invalid,
                false => Varint::Number(number, index + 1),
            };
        }
    }
    match bytes.len() < VARINT_BYTES_MAX {
        true => Varint::CutOff,
        false => Varint::Invalid,
    }
}

/// Counts the bytes that `number` takes.
pub(super) fn length(number: u64) -> usize {
    let bits = 64 - number.max(1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends `number`.
pub(super) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for (number, bytes) in [
            (0, &[0x00][..]),
            (1, &[0x01]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            ((1 << 63) - 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut out = Vec::new();
            write(&mut out, number);
            assert_eq!(out, bytes);
            assert_eq!(length(number), bytes.len());
            assert_eq!(read(bytes), Varint::Number(number, bytes.len()));
            assert_eq!(read(&bytes[..bytes.len() - 1]), Varint::CutOff);
        }
        for bytes in [&[0x80, 0x00][..], &[0x81, 0x80, 0x00], &[0xff; 10]] {
            assert_eq!(read(bytes), Varint::Invalid);
        }
    }
}
