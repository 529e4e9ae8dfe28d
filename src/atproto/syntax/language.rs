//! Language tags, BCP 47.
//!
//! Spec: <https://atproto.com/specs/lexicon#language>

use std::{collections::HashSet, str::FromStr};

use oxilangtag::LanguageTag;

use super::text_type;

/// A language tag whose form is right; whether its subtags are registered is
/// not asked.
///
/// Narrower than BCP 47 in its first part, as the protocol's vectors are: two or
/// three letters in lower case, or `i`, or `x` of either case for private use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Language(String);

text_type!(Language, InvalidLanguage);

impl FromStr for Language {
    type Err = InvalidLanguage;

    fn from_str(text: &str) -> Result<Self, InvalidLanguage> {
        let tag = LanguageTag::parse(text).map_err(|_| InvalidLanguage)?;
        let primary = text.split('-').next().unwrap_or_default();
        let lower = primary.bytes().all(|b| b.is_ascii_lowercase());
        let shaped = match primary {
            "i" | "x" | "X" => true,
            primary => lower && matches!(primary.len(), 2 | 3),
        };
        let variants = tag.variant_subtags().map(str::to_ascii_lowercase);
        let extensions = tag.extension_subtags().map(|(singleton, _)| singleton);
        let singletons = extensions.map(|singleton| singleton.to_ascii_lowercase());
        match shaped && all_differ(variants) && all_differ(singletons) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidLanguage),
        }
    }
}

fn all_differ<T: Eq + std::hash::Hash>(mut subtags: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    subtags.all(|subtag| seen.insert(subtag))
}
