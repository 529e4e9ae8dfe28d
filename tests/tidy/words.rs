//! Words: names that say nothing, promises that stay open, wrong addresses.

use std::collections::HashSet;

use super::judge;
use super::source::{sources, text};

/// Names that say where code was put instead of what it is.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "misc"];

/// What main never holds. Written in halves, so that this file may exist.
const OPEN_PROMISES: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("HA", "CK:"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("(\"being ", "written"),
];

/// Attributes that make a test prove nothing.
const LOOSE_TESTS: &[&str] = &["#[ignore", "#[should_panic"];

#[test]
fn names_say_what_a_thing_is() {
    let mut breaches = Vec::new();
    for source in sources() {
        let mut parts = source.path.split(['/', '.', '_']);
        if let Some(part) = parts.find(|part| EMPTY_NAMES.contains(part)) {
            breaches.push(source.breach(0, format_args!("{part} says nothing: name the noun")));
        }
        for (index, line) in source.lines.iter().enumerate() {
            let mut words = line.code.split(|c: char| !c.is_alphanumeric() && c != '_');
            let is_item =
                words.any(|word| ["mod", "struct", "enum", "trait", "type"].contains(&word));
            let name = words.next().unwrap_or_default().to_lowercase();
            let empty = EMPTY_NAMES.iter().find(|empty| name == **empty || name.ends_with(*empty));
            if let (true, Some(empty)) = (is_item, empty) {
                breaches.push(
                    source.breach(index, format_args!("{empty} says nothing: name the noun")),
                );
            }
        }
    }
    judge(breaches);
}

#[test]
fn nothing_is_left_for_later() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (index, line) in source.lines.iter().enumerate() {
            if let Some(word) = OPEN_PROMISES.iter().find(|word| line.raw.contains(*word)) {
                breaches.push(source.breach(
                    index,
                    format_args!("{word}: do it, or say it is missing in src/ARCHITECTURE.md"),
                ));
            }
            if let Some(word) = LOOSE_TESTS.iter().find(|word| line.code.contains(*word)) {
                breaches.push(
                    source.breach(
                        index,
                        format_args!("{word}]: a test runs and says what it expects"),
                    ),
                );
            }
        }
    }
    judge(breaches);
}

#[test]
fn pointers_into_the_specifications_lead_somewhere() {
    let anchors = text("tests/tidy/spec_anchors.txt");
    let anchors: HashSet<&str> = anchors.lines().filter(|line| !line.starts_with("# ")).collect();
    let pages: HashSet<&str> =
        anchors.iter().filter_map(|one| Some(one.split_once('#')?.0)).collect();
    let mut breaches = Vec::new();
    for source in sources() {
        for (index, line) in source.lines.iter().enumerate() {
            for pointer in pointers(&line.comment) {
                if !anchors.contains(pointer) && !pages.contains(pointer) {
                    let rule = format!("{pointer} is not in tests/tidy/spec_anchors.txt");
                    breaches.push(source.breach(index, rule));
                }
            }
        }
    }
    judge(breaches);
}

/// Returns the `page#anchor` of each pointer in a comment: `spec: page#anchor`,
/// and addresses.
fn pointers(comment: &str) -> Vec<&str> {
    let site = concat!("https://atproto.com/", "specs/");
    let from_marks = comment.strip_prefix("// spec: ").into_iter();
    let from_links = comment.match_indices(site).map(|(at, _)| &comment[at + site.len()..]);
    let end_of = |rest: &str| {
        let outside = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '#';
        rest.find(outside).unwrap_or(rest.len())
    };
    let rests = from_marks.chain(from_links);
    rests.map(|rest| &rest[..end_of(rest)]).collect()
}
