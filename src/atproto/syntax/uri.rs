//! URIs of any scheme, and CIDs where a schema wants one as text.

use std::str::FromStr;

use super::text_type;

/// Bytes of a URI, at most.
const URI_BYTES_MAX: usize = 8192;
/// Characters of a CID as text: enough for 100 bytes in base 16, and more than
/// any word that stands there by mistake.
const CID_CHARS: std::ops::RangeInclusive<usize> = 8..=256;
/// How a CID of version 0 begins: a SHA-256 in base 58.
const CID_V0_PREFIX: &str = "Qm";

/// A URI: a scheme, a colon, and something without white space.
///
/// Spec: <https://atproto.com/specs/lexicon#uri>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri(String);

text_type!(Uri, InvalidUri);

impl FromStr for Uri {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidUri)?;
        let scheme_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let valid = text.len() <= URI_BYTES_MAX
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(scheme_char)
            && !rest.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidUri),
        }
    }
}

/// What may be a CID as text, in whatever base and with whatever hash, but not
/// one of version 0. The protocol's vectors ask for no more than the alphabet.
///
/// Where we need the CID and not the text, [`crate::atproto::Cid`] is stricter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CidText(String);

text_type!(CidText, InvalidCidText);

impl FromStr for CidText {
    type Err = InvalidCidText;

    fn from_str(text: &str) -> Result<Self, InvalidCidText> {
        let cid_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'=');
        let valid = CID_CHARS.contains(&text.len())
            && text.bytes().all(cid_char)
            && !text.starts_with(CID_V0_PREFIX);
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidCidText),
        }
    }
}
