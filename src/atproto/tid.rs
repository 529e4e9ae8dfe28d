//! Timestamp identifiers: the text of a microsecond and a clock's number.
//!
//! A TID names records and revisions. This module turns numbers into TIDs and
//! back and finds the next one; the time and the clock's number are given.
//!
//! Spec: <https://atproto.com/specs/tid>

use super::syntax::Tid;

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
/// Bits of the clock's number, the low end of a TID.
const CLOCK_BITS: u32 = 10;
/// The largest microsecond that a TID can say (53 bits).
pub const MICROS_MAX: u64 = (1 << 53) - 1;

/// The number of one generator of TIDs: 0 to 1023, constant for a process and
/// different on every node that shares a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockId(u16);

impl ClockId {
    /// Takes the low ten bits of `number`.
    pub const fn new(number: u16) -> Self {
        Self(number & 0x3ff)
    }
}

/// Returns the TID of a microsecond since 1970; `micros` is cut to 53 bits.
pub fn tid_at(micros: u64, clock: ClockId) -> Tid {
    let mut number = ((micros & MICROS_MAX) << CLOCK_BITS) | u64::from(clock.0);
    let mut text = [0u8; 13];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(number & 31) as usize];
        number >>= 5;
    }
    let text = text.iter().map(|&b| char::from(b)).collect();
    Tid::new(text).expect("13 characters of the alphabet with the top bit clear are a TID")
}

/// Returns the microsecond that `tid` says.
pub fn micros_of(tid: &Tid) -> u64 {
    let number = tid.as_str().bytes().fold(0u64, |number, byte| {
        let digit = ALPHABET.iter().position(|&b| b == byte).unwrap_or(0);
        (number << 5) | digit as u64
    });
    number >> CLOCK_BITS
}

/// Returns the TID of `now_us`, or the first one after `previous` where the
/// clock stands still or has gone back.
// spec: repository#commit-objects
pub fn tid_after(previous: Option<&Tid>, now_us: u64, clock: ClockId) -> Tid {
    let fresh = tid_at(now_us, clock);
    match previous {
        Some(previous) if fresh.as_str() <= previous.as_str() => {
            tid_at(micros_of(previous) + 1, clock)
        }
        _ => fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_a_known_time() {
        assert_eq!(tid_at(0, ClockId::new(0)).as_str(), "2222222222222");
        let tid = tid_at(1_767_323_045_678_901, ClockId::new(7));
        assert_eq!(micros_of(&tid), 1_767_323_045_678_901);
    }

    #[test]
    fn the_next_is_always_greater() {
        let clock = ClockId::new(5);
        let far = tid_at(2_000_000, ClockId::new(1023));
        let next = tid_after(Some(&far), 1_000_000, clock);
        assert!(next.as_str() > far.as_str());
        assert_eq!(micros_of(&next), 2_000_001);
    }
}
