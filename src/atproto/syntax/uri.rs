//! URIs of any scheme, and CIDs where a schema wants one as text.

use std::str::FromStr;

use super::text_type;

/// Bytes of a URI, at most.
const URI_BYTES_MAX: usize = 8192;
/// Characters of a CID as text, at most: 100 bytes in the base that needs most
/// (base 2 aside, which nobody writes).
const CID_CHARS_MAX: usize = 256;

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

/// A CID as text, in any base and with any hash, but of version 1.
///
/// Where we need the CID and not the text, [`crate::atproto::Cid`] is stricter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CidText(String);

text_type!(CidText, InvalidCidText);

impl FromStr for CidText {
    type Err = InvalidCidText;

    fn from_str(text: &str) -> Result<Self, InvalidCidText> {
        if text.len() > CID_CHARS_MAX {
            return Err(InvalidCidText);
        }
        let cid = ipld_core::cid::Cid::try_from(text).map_err(|_| InvalidCidText)?;
        match cid.version() {
            ipld_core::cid::Version::V1 => Ok(Self(text.to_owned())),
            ipld_core::cid::Version::V0 => Err(InvalidCidText),
        }
    }
}
