//! The effective configuration as text, and the nearest name to a wrong one.

use super::reader::{Reader, ShownValue};

/// Names further apart than this are no misspellings of each other.
const MISSPELLING_DISTANCE_MAX: usize = 3;

/// Writes every setting that was asked for as TOML, with its origin.
pub(super) fn toml(reader: &Reader) -> String {
    let mut out = String::new();
    let mut current = "";
    for shown in &reader.shown {
        let Some((section, key)) = shown.key.split_once('.') else {
            continue;
        };
        if section != current {
            out.push_str(&format!("{}[{section}]\n", if current.is_empty() { "" } else { "\n" }));
            current = section;
        }
        match &shown.value {
            ShownValue::Text(value) => {
                out.push_str(&format!("{key} = {value}  # {}\n", shown.origin))
            }
            ShownValue::Secret => {
                out.push_str(&format!("# {key} is set and not shown  # {}\n", shown.origin))
            }
            ShownValue::Unset => out.push_str(&format!("# {key} is not set\n")),
        }
    }
    out
}

/// Finds the known key that a misspelt one probably meant.
pub(super) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (distance(key, known), known))
        .filter(|(distance, _)| *distance <= MISSPELLING_DISTANCE_MAX)
        .min()
        .map(|(_, known)| known)
}

/// Counts the single-character edits between two texts.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
