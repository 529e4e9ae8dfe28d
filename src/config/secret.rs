//! A text that must never be printed.
//!
//! Configuration holds a few secrets. This type has no `Display`, its `Debug`
//! shows nothing, and its bytes are wiped when it is dropped; whoever needs
//! the text asks for it by a name that stands out in review.

use std::fmt;

use zeroize::Zeroizing;

/// A secret from the configuration or a key file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text that is to be kept secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Hands the text out: to a key, a hash or a comparison, never to a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
