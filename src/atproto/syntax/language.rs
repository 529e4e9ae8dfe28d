//! Language tags, BCP 47.
//!
//! Spec: <https://atproto.com/specs/lexicon#language>

use std::str::FromStr;

use oxilangtag::LanguageTag;

use super::text_type;

/// A language tag whose form is right; whether its subtags are registered is
/// not asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Language(String);

text_type!(Language, InvalidLanguage);

impl FromStr for Language {
    type Err = InvalidLanguage;

    fn from_str(text: &str) -> Result<Self, InvalidLanguage> {
        LanguageTag::parse(text).map_err(|_| InvalidLanguage)?;
        Ok(Self(text.to_owned()))
    }
}
