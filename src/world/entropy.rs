//! Dice: bytes that nobody can guess, and texts made of them.
//!
//! The only file that may ask the system for randomness. Its twin for tests
//! gives the same bytes for the same seed, so that a failed run replays.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

/// Gives random bytes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Entropy(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    /// SHA-256 over the seed and a counter of blocks.
    Seeded {
        seed: u64,
        block: Arc<AtomicU64>,
    },
}

impl Entropy {
    /// Returns the operating system's randomness.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Returns bytes that follow from `seed` alone.
    pub fn seeded(seed: u64) -> Self {
        let block = Arc::new(AtomicU64::new(0));
        Self(Kind::Seeded { seed, block })
    }

    /// Fills `out`.
    pub fn fill(&self, out: &mut [u8]) {
        match &self.0 {
            Kind::System => system_fill(out),
            Kind::Seeded { seed, block } => {
                for chunk in out.chunks_mut(32) {
                    let number = block.fetch_add(1, Ordering::Relaxed);
                    let hash = Sha256::new()
                        .chain_update(seed.to_be_bytes())
                        .chain_update(number.to_be_bytes())
                        .finalize();
                    chunk.copy_from_slice(&hash[..chunk.len()]);
                }
            }
        }
    }

    /// Returns `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Returns a number below `bound`, which is not zero; every one is as likely
    /// to within 2^-32.
    pub fn below(&self, bound: u32) -> u32 {
        let wide = u128::from(u64::from_be_bytes(self.bytes())) * u128::from(bound);
        // The high half of a 64-by-32-bit product is below `bound`.
        u32::try_from(wide >> 64).unwrap_or(0)
    }

    /// Returns `length` characters of `a-z2-7`, five bits of randomness each.
    pub fn token_base32(&self, length: usize) -> String {
        let mut bytes = vec![0; (length * 5).div_ceil(8)];
        self.fill(&mut bytes);
        let mut text = BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        text.truncate(length);
        text
    }

    /// Returns `bytes` random bytes as twice as many hexadecimal digits.
    pub fn token_hex(&self, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.fill(&mut raw);
        HEXLOWER.encode(&raw)
    }

    /// Returns a version 4 UUID.
    pub fn uuid(&self) -> String {
        let mut raw: [u8; 16] = self.bytes();
        raw[6] = (raw[6] & 0x0f) | 0x40;
        raw[8] = (raw[8] & 0x3f) | 0x80;
        let hex = HEXLOWER.encode(&raw);
        let (a, b, c) = (&hex[..8], &hex[8..12], &hex[12..16]);
        format!("{a}-{b}-{c}-{}-{}", &hex[16..20], &hex[20..])
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the randomness that everyone else asks for")]
fn system_fill(out: &mut [u8]) {
    getrandom::fill(out).expect("an operating system without randomness cannot run a server");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        let (a, b, c) = (Entropy::seeded(1), Entropy::seeded(1), Entropy::seeded(2));
        let first: [u8; 50] = a.bytes();
        assert_eq!(first, b.bytes());
        assert_ne!(first, c.bytes());
        assert_ne!(first, a.bytes());
    }

    #[test]
    fn texts_have_the_length_and_alphabet_they_promise() {
        for entropy in [Entropy::seeded(7), Entropy::system()] {
            for length in [0, 1, 5, 8, 13] {
                let token = entropy.token_base32(length);
                assert_eq!(token.len(), length);
                assert!(token.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')));
            }
            assert_eq!(entropy.token_hex(16).len(), 32);
            let uuid = entropy.uuid();
            assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
        }
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_each_side() {
        let entropy = Entropy::seeded(3);
        let rolls: Vec<u32> = (0..200).map(|_| entropy.below(6)).collect();
        assert_eq!(rolls.iter().max(), Some(&5));
        assert_eq!(rolls.iter().min(), Some(&0));
        assert_eq!(entropy.below(1), 0);
    }
}
