//! AT-URIs in the restricted form that lexicons use.
//!
//! Spec: <https://atproto.com/specs/at-uri-scheme>

use std::str::FromStr;

use super::{AtIdentifier, Nsid, RecordKey, text_type};

/// Characters of an AT-URI, at most.
const AT_URI_CHARS_MAX: usize = 8192;

/// `at://` and an account, a collection in it, or a record in that.
///
/// No query, no fragment, no trailing slash. The account may be a handle, as in
/// old records; what we write ourselves names DIDs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AtUri(String);

text_type!(AtUri, InvalidAtUri);

impl AtUri {
    /// Returns the account's DID or handle.
    pub fn authority(&self) -> AtIdentifier {
        self.part(0).and_then(|part| part.parse().ok()).expect("checked when the text was parsed")
    }

    /// Returns the collection, if one is named.
    pub fn collection(&self) -> Option<Nsid> {
        self.part(1)?.parse().ok()
    }

    /// Returns the record's key, if one is named.
    pub fn rkey(&self) -> Option<RecordKey> {
        self.part(2)?.parse().ok()
    }

    fn part(&self, index: usize) -> Option<&str> {
        self.0[SCHEME.len()..].split('/').nth(index)
    }
}

const SCHEME: &str = "at://";

impl FromStr for AtUri {
    type Err = InvalidAtUri;

    fn from_str(text: &str) -> Result<Self, InvalidAtUri> {
        if text.len() > AT_URI_CHARS_MAX {
            return Err(InvalidAtUri);
        }
        let mut parts = text.strip_prefix(SCHEME).ok_or(InvalidAtUri)?.split('/');
        let authority = parts.next().unwrap_or_default();
        let authority = authority.parse::<AtIdentifier>().is_ok();
        let collection = parts.next().is_none_or(|part| part.parse::<Nsid>().is_ok());
        let rkey = parts.next().is_none_or(|part| part.parse::<RecordKey>().is_ok());
        let ends = parts.next().is_none();
        match authority && collection && rkey && ends {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidAtUri),
        }
    }
}
