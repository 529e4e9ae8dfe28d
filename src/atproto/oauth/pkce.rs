//! PKCE: whoever redeems a code is whoever asked for it.
//!
//! Spec: <https://www.rfc-editor.org/rfc/rfc7636>; only `S256` is allowed here

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Characters of a challenge: a SHA-256 in base64url.
const CHALLENGE_CHARS: usize = 43;
/// Characters of a verifier.
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// Whether the text can be a challenge.
pub fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_CHARS && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok()
}

/// Whether `verifier` is what the challenge was made of.
pub fn verify(challenge: &str, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !VERIFIER_CHARS.contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let computed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    computed.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn the_verifier_of_a_challenge_fits_and_no_other_does() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge));
        assert!(verify(challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!verify(challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!verify(challenge, challenge));
        assert!(!verify(challenge, ""));
        assert!(!is_challenge("short"));
        assert!(!is_challenge(&"=".repeat(43)));
    }
}
