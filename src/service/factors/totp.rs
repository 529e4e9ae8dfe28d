//! Codes of authenticator apps: six digits that follow from a secret and the time.
//!
//! Spec: RFC 6238, RFC 4226

use ring::hmac;

use crate::atproto::Moment;

/// Seconds for which a code is shown.
const STEP_SECS: i64 = 30;
/// Steps before and after the present one whose code is taken: clocks differ, and
/// people type slowly.
const DRIFT_STEPS: i64 = 1;
/// What codes are taken from.
const MODULUS: u32 = 1_000_000;
/// Bytes of a secret.
pub const SECRET_BYTES: usize = 20;

/// The step whose code this is, near to `now`.
pub fn step_of(secret: &[u8], code: &str, now: Moment) -> Option<i64> {
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let now = now.unix_secs() / STEP_SECS;
    let given: u32 = code.parse().ok()?;
    (now - DRIFT_STEPS..=now + DRIFT_STEPS).find(|step| at(secret, *step) == given)
}

/// The code of a step.
fn at(secret: &[u8], step: i64) -> u32 {
    // SHA-1 is what every app knows; as a MAC it is sound.
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0x0f);
    let bytes = [tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]];
    u32::from_be_bytes(bytes) % MODULUS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let now = Moment::from_unix_ms(seconds * 1_000);
            assert_eq!(step_of(secret, code, now), Some(seconds / 30), "{code}");
            let later = Moment::from_unix_ms((seconds + 90) * 1_000);
            assert_eq!(step_of(secret, code, later), None);
        }
        assert_eq!(step_of(secret, "28708", Moment::from_unix_ms(59_000)), None);
        assert_eq!(step_of(secret, "+28708", Moment::from_unix_ms(59_000)), None);
    }
}
