//! Floors: a room imports rooms below it, and neighbours only where named.

use super::judge;
use super::source::{Source, house};

/// Rooms with their floors. What is not here does not exist.
const FLOORS: &[(&str, u8)] = &[
    ("atproto", 0),
    ("repo", 1),
    ("world", 1),
    ("store", 2),
    ("service", 3),
    ("http", 4),
    ("app", 5),
    ("cli", 5),
    ("config", 5),
    ("dev", 5),
    ("lib", 5),
    ("main", 5),
];

/// Rooms of the top floor may import each other; below, nobody imports a
/// neighbour.
const HALL: u8 = 5;

fn floor_of(room: &str) -> Option<u8> {
    let place = FLOORS.iter().find(|(name, _)| *name == room);
    place.map(|(_, floor)| *floor)
}

#[test]
fn every_room_has_a_floor() {
    let breaches = house().filter(|source| floor_of(source.room().expect("in src")).is_none());
    judge(breaches.map(|source| source.breach(0, "this room stands on no floor")).collect());
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    judge(house().flat_map(upward_imports).collect());
}

fn upward_imports(source: &Source) -> Vec<String> {
    let room = source.room().expect("in src");
    let Some(floor) = floor_of(room) else {
        return Vec::new();
    };
    let allowed = |other: &str| match floor_of(other) {
        Some(HALL) => floor == HALL,
        Some(its) => its < floor || other == room,
        // Not a room: an item at the root of the crate.
        None => true,
    };
    imports(source)
        .into_iter()
        .filter(|(_, other)| !allowed(other))
        .map(|(index, other)| {
            source.breach(index, format_args!("{room} (floor {floor}) may not import {other}"))
        })
        .collect()
}

/// Returns the rooms that a file names, by line: after `crate::`, after
/// `crate::{`, and after as many `super::` as lead to the root.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = String::new();
    let mut line_starts = Vec::new();
    for line in &source.lines {
        line_starts.push(code.len());
        code.push_str(&line.code);
        code.push('\n');
    }
    let line_at = |offset: usize| line_starts.partition_point(|&start| start <= offset) - 1;
    for (prefix, in_tests) in [
        ("crate::".to_owned(), None),
        ("super::".repeat(depth(source)), Some(false)),
        ("super::".repeat(depth(source) + 1), Some(true)),
    ] {
        for (offset, _) in code.match_indices(&prefix) {
            let index = line_at(offset);
            let after_word = code[..offset].ends_with(|c: char| c.is_alphanumeric() || c == ':');
            if after_word || in_tests.is_some_and(|wanted| source.in_tests(index) != wanted) {
                continue;
            }
            let rest = &code[offset + prefix.len()..];
            found.extend(first_names(rest).into_iter().map(|name| (index, name)));
        }
    }
    found
}

/// How many modules stand between the file's own items and the crate's root.
fn depth(source: &Source) -> usize {
    let inside = source.path.trim_start_matches("src/");
    let is_folder = inside.ends_with("mod.rs");
    inside.split('/').count() - usize::from(is_folder)
}

/// Returns the first names of `a::b`, or of each branch of `{a::b, c}`.
fn first_names(path: &str) -> Vec<String> {
    let name_of = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name_of(path)];
    };
    let mut names = vec![name_of(group)];
    let mut depth = 0;
    for (offset, one) in group.char_indices() {
        match one {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_of(&group[offset + 1..])),
            _ => {}
        }
    }
    names
}

#[test]
fn grouped_and_nested_imports_are_seen() {
    let names = |path: &str| first_names(path).join(" ");
    assert_eq!(names("store::Db;"), "store");
    assert_eq!(names("{atproto::{Cid, data}, store, http as h};"), "atproto store http");
}
