//! The protocol's strings: every type here is proof that its text is valid.
//!
//! DIDs, handles, NSIDs, TIDs and record keys are atrium-api's types. Its
//! datetimes refuse whole-ten time zones and its languages accept nonsense, so
//! those are ours, as are AT-URIs, URIs, CIDs as text and the path of a record.
//!
//! Spec: <https://atproto.com/specs/lexicon#string-formats>

mod at_uri;
mod datetime;
mod handle;
mod language;
mod record_path;
mod uri;

pub use atrium_api::types::string::{AtIdentifier, Did, Handle, Nsid, RecordKey, Tid};

pub use at_uri::{AtUri, InvalidAtUri};
pub use datetime::{Datetime, InvalidDatetime};
pub use handle::{HandleError, INVALID_HANDLE, is_disallowed_tld, normalize_handle};
pub use language::{InvalidLanguage, Language};
pub use record_path::{InvalidRecordPath, RecordPath};
pub use uri::{CidText, InvalidCidText, InvalidUri, Uri};

/// Gives a checked text its way out: as `&str`, for display and as JSON.
macro_rules! text_type {
    ($name:ident, $invalid:ident) => {
        impl $name {
            /// Returns the text, as it came.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        /// The text does not have the format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("not a valid {}", stringify!($name))]
        pub struct $invalid;
    };
}
use text_type;

#[cfg(test)]
mod tests;
