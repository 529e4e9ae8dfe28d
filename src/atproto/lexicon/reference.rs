//! References from a schema to a definition, in this document or another.
//!
//! Spec: <https://atproto.com/specs/lexicon#ref>

use std::fmt;

use serde::Deserialize;

use crate::atproto::syntax::Nsid;

/// The name of the definition that a document is about.
pub(super) const MAIN: &str = "main";

/// `nsid#name`, always complete once its document has been read. The `main`
/// definition goes by the NSID alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Reference(Box<str>);

impl Reference {
    /// Returns the NSID of the document.
    pub fn nsid(&self) -> &str {
        self.0.split_once('#').map_or(&*self.0, |(nsid, _)| nsid)
    }

    /// Returns the name of the definition within it.
    pub fn definition(&self) -> &str {
        self.0.split_once('#').map_or(MAIN, |(_, name)| name)
    }

    /// Returns the text, which is also the `$type` of a value of this
    /// definition.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether this is `nsid`, `nsid#name` or `#name`.
    pub(super) fn is_valid(&self) -> bool {
        let (nsid, name) = (self.nsid(), self.definition());
        let local = nsid.is_empty() && self.0.starts_with('#');
        is_definition_name(name) && (local || nsid.parse::<Nsid>().is_ok())
    }

    /// Completes a reference that was written in the document `nsid`.
    pub(super) fn complete(&mut self, nsid: &str) {
        if self.0.starts_with('#') {
            self.0 = format!("{nsid}{}", self.0).into();
        }
        if let Some(main) = self.0.strip_suffix("#main") {
            self.0 = main.into();
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says whether a definition may have this name.
pub(super) fn is_definition_name(name: &str) -> bool {
    let letter_first = name.starts_with(|first: char| first.is_ascii_alphabetic());
    letter_first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
