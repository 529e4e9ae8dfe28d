//! Why a value does not follow its schema.

use std::fmt;

/// A value breaks a rule of its schema. Reads as a sentence:
/// `record.embed.images[1].alt must be a string`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} {message}")]
pub struct Invalid {
    /// Where: `record`, `params`, `input` or `output`, then names and indexes.
    pub path: String,
    /// Which rule, as what the value must be.
    pub message: String,
}

/// Where the check stands. Borrowed steps, so that a valid value costs no
/// allocation; text only when a rule is broken.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root(&'static str),
    Property(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    pub(super) fn property(&'a self, name: &'a str) -> Self {
        Place::Property(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> Self {
        Place::Item(self, index)
    }

    pub(super) fn refuse<T>(&self, rule: impl fmt::Display) -> Result<T, Invalid> {
        Err(Invalid { path: self.to_string(), message: rule.to_string() })
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root(name) => f.write_str(name),
            Place::Property(parent, name) => write!(f, "{parent}.{name}"),
            Place::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
