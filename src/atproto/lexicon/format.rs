//! The string formats that a schema may ask for.
//!
//! Spec: <https://atproto.com/specs/lexicon#string-formats>

use serde::Deserialize;

use crate::atproto::syntax::{
    AtIdentifier, AtUri, CidText, Datetime, Did, Handle, Language, Nsid, RecordKey, Tid, Uri,
};

/// A format of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Format {
    /// A handle or a DID.
    AtIdentifier,
    /// An AT-URI without query or fragment.
    AtUri,
    /// A CID of any version 1 form, as text.
    Cid,
    /// The protocol's datetime.
    Datetime,
    /// A DID.
    Did,
    /// A handle.
    Handle,
    /// A BCP 47 language tag.
    Language,
    /// A namespaced identifier.
    Nsid,
    /// A record key.
    RecordKey,
    /// A timestamp identifier.
    Tid,
    /// A URI.
    Uri,
    /// A format that this server does not know; every text has it.
    Unknown,
}

impl From<String> for Format {
    fn from(name: String) -> Self {
        match name.as_str() {
            "at-identifier" => Self::AtIdentifier,
            "at-uri" => Self::AtUri,
            "cid" => Self::Cid,
            "datetime" => Self::Datetime,
            "did" => Self::Did,
            "handle" => Self::Handle,
            "language" => Self::Language,
            "nsid" => Self::Nsid,
            "record-key" => Self::RecordKey,
            "tid" => Self::Tid,
            "uri" => Self::Uri,
            _ => Self::Unknown,
        }
    }
}

impl Format {
    /// Says whether `text` has this format.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::AtIdentifier => text.parse::<AtIdentifier>().is_ok(),
            Self::AtUri => text.parse::<AtUri>().is_ok(),
            Self::Cid => text.parse::<CidText>().is_ok(),
            Self::Datetime => text.parse::<Datetime>().is_ok(),
            Self::Did => text.parse::<Did>().is_ok(),
            Self::Handle => text.parse::<Handle>().is_ok(),
            Self::Language => text.parse::<Language>().is_ok(),
            Self::Nsid => text.parse::<Nsid>().is_ok(),
            Self::RecordKey => text.parse::<RecordKey>().is_ok(),
            Self::Tid => text.parse::<Tid>().is_ok(),
            Self::Uri => text.parse::<Uri>().is_ok(),
            Self::Unknown => true,
        }
    }

    /// Returns what such a text is called in an error.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::AtIdentifier => "a handle or a DID",
            Self::AtUri => "an AT-URI",
            Self::Cid => "a CID",
            Self::Datetime => "a datetime such as 2024-11-24T06:02:00.123Z",
            Self::Did => "a DID",
            Self::Handle => "a handle",
            Self::Language => "a language tag",
            Self::Nsid => "an NSID",
            Self::RecordKey => "a record key",
            Self::Tid => "a TID",
            Self::Uri => "a URI",
            Self::Unknown => "text",
        }
    }
}
