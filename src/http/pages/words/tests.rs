//! The languages say the same things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// The messages of a file with the names of what is put into them.
fn messages(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let resource = FluentResource::try_new(file.to_owned());
    resource.unwrap_or_else(|(_, faults)| panic!("a file is broken: {faults:?}"));
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in file.lines() {
        let begins = line.starts_with(|first: char| first.is_ascii_lowercase());
        if let (true, Some((message, _))) = (begins, line.split_once(" =")) {
            name = message.to_owned();
            assert!(
                messages.insert(name.clone(), BTreeSet::new()).is_none(),
                "{name} is there twice"
            );
        }
        for place in line.split('{').skip(1) {
            if let Some(variable) = place.trim_start().strip_prefix('$') {
                let end = variable.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                let variable = variable[..end.unwrap_or(variable.len())].to_owned();
                messages.entry(name.clone()).or_default().insert(variable);
            }
        }
    }
    messages
}

#[test]
fn every_language_has_every_message_with_the_same_texts_in_it() {
    let english = messages(FILES[0]);
    for (language, file) in LANGUAGES.iter().zip(FILES).skip(1) {
        let other = messages(file);
        for (name, variables) in &other {
            assert_eq!(english.get(name), Some(variables), "{language}: {name}");
        }
        let missing: Vec<_> = english.keys().filter(|name| !other.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{language} lacks {missing:?}");
    }
}

#[test]
fn the_pages_say_nothing_that_has_no_words_and_no_words_are_unused() {
    let english = messages(FILES[0]);
    let mut used = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut used);
    let unknown: Vec<_> = used.iter().filter(|name| !english.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "no words for {unknown:?}");
    let unused: Vec<_> = english.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

/// Finds the names of messages in sources, where they are said.
fn collect(folder: &Path, used: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, used);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("words/tests.rs")
        {
            let source = std::fs::read_to_string(&path).expect("a source");
            for call in ["say(", "say_with("] {
                for rest in source.split(call).skip(1) {
                    let rest = rest.trim_start();
                    if let Some((name, _)) =
                        rest.strip_prefix('"').and_then(|rest| rest.split_once('"'))
                    {
                        used.insert(name.to_owned());
                    }
                }
            }
        }
    }
}

#[test]
fn the_language_that_is_wished_for_most_is_spoken() {
    let check = |wishes: &str, expected: &str| {
        assert_eq!(Words::wished(wishes).language, expected, "{wishes}");
    };
    check("", "en");
    check("de-CH,de;q=0.9,en;q=0.8", "de");
    check("it, pt-BR;q=0.5, en;q=0.4", "pt");
    check("en;q=0.1, ja;q=0.2", "ja");
    check("fr;q=0", "en");
    check("xx;q=nonsense, es", "es");
    check("de ja", "de");
}
