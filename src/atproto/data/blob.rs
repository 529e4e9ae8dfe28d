//! References to blobs inside records, of today's shape and of the old one.
//!
//! Spec: <https://atproto.com/specs/data-model#blob-type>

use super::{Map, Value};
use crate::atproto::{Cid, Codec};

/// A reference to a blob, as a record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// The blob's name: raw codec.
    pub cid: Cid,
    /// Its media type, as the record claims it.
    pub mime_type: String,
    /// Its size in bytes, as the record claims it. Negative or zero only in
    /// records that were signed elsewhere.
    pub size: i64,
}

/// A reference of the shape that was used before 2023: `{cid, mimeType}`.
/// It is read in old records and never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyBlobRef {
    /// The blob's name as text, unchecked: any version, any codec.
    pub cid: String,
    /// Its media type, as the record claims it.
    pub mime_type: String,
}

impl BlobRef {
    /// Reads a map of the shape `{$type: "blob", ref, mimeType, size}`; further
    /// keys are not looked at.
    pub fn of(map: &Map) -> Option<Self> {
        if map.get("$type")?.as_text()? != "blob" {
            return None;
        }
        let cid = map.get("ref")?.as_link()?.blessed()?;
        Some(Self {
            cid: (cid.codec() == Codec::Raw).then_some(cid)?,
            mime_type: map.get("mimeType")?.as_text()?.to_owned(),
            size: map.get("size")?.as_int()?,
        })
    }

    /// Returns the map that stands for this reference in a record.
    pub fn to_map(&self) -> Map {
        [
            ("$type", Value::from("blob")),
            ("ref", Value::from(self.cid)),
            ("mimeType", Value::from(self.mime_type.as_str())),
            ("size", Value::from(self.size)),
        ]
        .into_iter()
        .collect()
    }

    /// Says whether `map`, whose `$type` is `blob`, has exactly the shape that a
    /// new record may hold.
    // spec: data-model#blob-type
    pub(super) fn is_well_formed(map: &Map) -> bool {
        map.len() == 4
            && Self::of(map).is_some_and(|blob| blob.size > 0 && !blob.mime_type.is_empty())
    }
}

impl LegacyBlobRef {
    /// Reads a map of exactly the shape `{cid, mimeType}`, both text.
    pub fn of(map: &Map) -> Option<Self> {
        if map.len() != 2 {
            return None;
        }
        Some(Self {
            cid: map.get("cid")?.as_text()?.to_owned(),
            mime_type: map.get("mimeType")?.as_text()?.to_owned(),
        })
    }
}

impl Value {
    /// Returns the blobs that this value references, in the order of the
    /// encoding; one that stands twice comes twice.
    pub fn blobs(&self) -> Vec<BlobRef> {
        let mut blobs = Vec::new();
        self.visit_maps(&mut |map| blobs.extend(BlobRef::of(map)));
        blobs
    }

    /// Returns the references of the old shape.
    pub fn legacy_blobs(&self) -> Vec<LegacyBlobRef> {
        let mut blobs = Vec::new();
        self.visit_maps(&mut |map| blobs.extend(LegacyBlobRef::of(map)));
        blobs
    }

    /// Says whether a reference of the old shape stands anywhere in this value;
    /// a new record may not hold one.
    pub fn has_legacy_blob(&self) -> bool {
        !self.legacy_blobs().is_empty()
    }

    fn visit_maps(&self, visit: &mut impl FnMut(&Map)) {
        match self {
            Self::List(values) => values.iter().for_each(|value| value.visit_maps(visit)),
            Self::Map(map) => {
                visit(map);
                map.iter().for_each(|(_, value)| value.visit_maps(visit));
            }
            _ => {}
        }
    }
}
