//! Methods: each of the protocol's is served, or its absence is explained.

use std::collections::BTreeMap;

use super::judge;
use super::source::{root, sources, text};

/// Methods of `com.atproto` that this server does not answer itself, and why.
/// One that is served leaves this list.
const NOT_SERVED: &[(&str, &[&str])] = &[
    (
        "a relay's, a labeler's or an entryway's: goes to the proxy",
        &[
            "com.atproto.label.queryLabels",
            "com.atproto.label.subscribeLabels",
            "com.atproto.sync.getHostStatus",
            "com.atproto.sync.listHosts",
            "com.atproto.sync.listReposByCollection",
            "com.atproto.sync.notifyOfUpdate",
            "com.atproto.sync.requestCrawl",
            "com.atproto.temp.dereferenceScope",
            "com.atproto.temp.fetchLabels",
            "com.atproto.temp.requestPhoneVerification",
        ],
    ),
    ("not built yet: no client of a PDS depends on it", &["com.atproto.lexicon.resolveLexicon"]),
    ("the moderation service's: goes to the proxy", &["com.atproto.moderation.createReport"]),
];

#[test]
fn every_method_is_served_or_its_absence_is_explained() {
    let table = text("src/http/table.rs");
    let source = sources().iter().find(|source| source.path == "src/http/table.rs");
    let lines = &source.expect("the table").lines;
    let served: Vec<&String> = lines.iter().flat_map(|line| &line.texts).collect();
    let is_served = |nsid: &str| served.iter().any(|text| *text == nsid);
    let explained: Vec<&str> = NOT_SERVED.iter().flat_map(|(_, nsids)| *nsids).copied().collect();

    let methods = methods();
    let mut breaches = Vec::new();
    for nsid in methods.keys().filter(|nsid| nsid.starts_with("com.atproto.")) {
        match (is_served(nsid), explained.contains(&nsid.as_str())) {
            (false, false) => breaches.push(format!(
                "src/http/table.rs:1: {nsid} is neither served nor in NOT_SERVED of tests/tidy/methods.rs"
            )),
            (true, true) => breaches.push(format!(
                "tests/tidy/methods.rs:1: {nsid} is served: take it off NOT_SERVED"
            )),
            _ => {}
        }
    }
    let unknown = explained.iter().filter(|nsid| !methods.contains_key(**nsid));
    breaches.extend(unknown.map(|nsid| format!("tests/tidy/methods.rs:1: {nsid} is no method")));
    assert!(table.contains("row("), "the table is written in rows");
    judge(breaches);
}

/// Returns the methods of `lexicons/`, with their kinds.
fn methods() -> BTreeMap<String, String> {
    let mut methods = BTreeMap::new();
    for file in std::fs::read_dir(root().join("lexicons")).expect("the folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json = std::fs::read_to_string(&path).expect("text");
            let group: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(&json).expect("documents by NSID");
            for (nsid, document) in group {
                let kind = document["defs"]["main"]["type"].as_str().unwrap_or_default();
                if ["query", "procedure", "subscription"].contains(&kind) {
                    methods.insert(nsid, kind.to_owned());
                }
            }
        }
    }
    methods
}
