//! The documents that are part of the binary, each read when first asked for.
//!
//! The folder `lexicons/` holds one JSON file per group of NSIDs, from NSID to
//! document. Nothing is parsed at start: the first question about a group finds
//! where its documents stand, the first about a document reads it.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::value::RawValue;

use super::Document;

/// Group and text of every file, in byte order of the groups.
pub(super) const FILES: &[(&str, &str)] =
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/lexicons/bundle.rs"));

/// The bundled documents.
pub(super) struct Bundle {
    groups: Vec<Group>,
}

struct Group {
    name: &'static str,
    json: &'static str,
    entries: OnceLock<HashMap<&'static str, Entry>>,
}

struct Entry {
    json: &'static str,
    document: OnceLock<Document>,
}

impl Bundle {
    pub(super) fn new() -> Self {
        let groups =
            FILES.iter().map(|&(name, json)| Group { name, json, entries: OnceLock::new() });
        Self { groups: groups.collect() }
    }

    /// Returns the document of this NSID.
    pub(super) fn document(&self, nsid: &str) -> Option<&Document> {
        let (name, _) = nsid.rsplit_once('.')?;
        let index = self.groups.binary_search_by_key(&name, |group| group.name);
        let entry = self.groups[index.ok()?].entries().get(nsid)?;
        Some(entry.document.get_or_init(|| {
            Document::parse(entry.json).expect("a test reads every bundled document")
        }))
    }

    /// Returns every NSID, in no order.
    pub(super) fn nsids(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().flat_map(|group| group.entries().keys().copied())
    }
}

impl Group {
    fn entries(&self) -> &HashMap<&'static str, Entry> {
        self.entries.get_or_init(|| {
            let texts: HashMap<&'static str, &'static RawValue> =
                serde_json::from_str(self.json).expect("a test reads every bundled group");
            let entry =
                |json: &'static RawValue| Entry { json: json.get(), document: OnceLock::new() };
            texts.into_iter().map(|(nsid, json)| (nsid, entry(json))).collect()
        })
    }
}
