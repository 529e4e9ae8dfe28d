//! The path of a record in its repository.

use std::fmt;

use super::{Did, Nsid, RecordKey};

/// Where a record stands in its repository: `collection/rkey`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordPath {
    /// The collection.
    pub collection: Nsid,
    /// The key within the collection.
    pub rkey: RecordKey,
}

/// A text is not `collection/rkey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record path of the form collection/rkey")]
pub struct InvalidRecordPath;

impl RecordPath {
    /// Joins a collection and a key.
    pub fn new(collection: Nsid, rkey: RecordKey) -> Self {
        Self { collection, rkey }
    }

    /// Returns the AT-URI of this record in the repository of `did`.
    pub fn uri(&self, did: &Did) -> String {
        format!("at://{}/{}/{}", did.as_str(), self.collection.as_str(), self.rkey.as_str())
    }
}

impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection.as_str(), self.rkey.as_str())
    }
}

impl std::str::FromStr for RecordPath {
    type Err = InvalidRecordPath;

    fn from_str(text: &str) -> Result<Self, InvalidRecordPath> {
        let (collection, rkey) = text.split_once('/').ok_or(InvalidRecordPath)?;
        let collection = Nsid::new(collection.to_owned()).map_err(|_| InvalidRecordPath)?;
        let rkey = RecordKey::new(rkey.to_owned()).map_err(|_| InvalidRecordPath)?;
        Ok(Self { collection, rkey })
    }
}
