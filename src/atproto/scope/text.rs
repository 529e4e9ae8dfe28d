//! The text of a scope taken apart: `resource[:positional][?key=value&…]`.
//!
//! What a resource is called and which parameters it has is not known here.
//!
//! Spec: <https://atproto.com/specs/permission>

use std::fmt::Write as _;

use url::form_urlencoded;

/// A scope's parts, decoded. A list of parameters may name one several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScopeText {
    pub resource: String,
    pub positional: Option<String>,
    pub params: Vec<(String, String)>,
}

impl ScopeText {
    /// Takes a scope apart; nothing where it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, query) = match text.split_once('?') {
            Some((head, query)) => (head, Some(query)),
            None => (text, None),
        };
        let (resource, positional) = match head.split_once(':') {
            Some((resource, positional)) => (resource, Some(decoded(positional)?)),
            None => (head, None),
        };
        let params = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let params = params.map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        Some(Self { resource: resource.to_owned(), positional, params })
    }

    /// The values of a parameter; the one that may stand behind the colon is
    /// called `name` too, and must not be given both ways.
    pub fn values(&self, name: &str, place: Place) -> Option<Vec<&str>> {
        let named: Vec<&str> =
            self.params.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value).collect();
        match (place, &self.positional) {
            (Place::Positional, Some(_)) if !named.is_empty() => None,
            (Place::Positional, Some(value)) => Some(vec![value]),
            _ => Some(named),
        }
    }

    /// Whether no parameter is there but the ones named.
    pub fn has_only(&self, names: &[&str]) -> bool {
        self.params.iter().all(|(key, _)| names.contains(&&**key))
    }
}

/// Where a parameter may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the colon, or by its name.
    Positional,
    /// By its name only.
    Named,
}

/// Writes a scope in its usual form: one value of the positional parameter
/// stands behind the colon, several are named.
pub(super) struct Writer(String);

impl Writer {
    pub fn new(resource: &str) -> Self {
        Self(resource.to_owned())
    }

    pub fn positional(mut self, name: &str, values: &[impl AsRef<str>]) -> Self {
        match values {
            [value] => {
                self.0.push(':');
                encode(&mut self.0, value.as_ref(), Place::Positional);
                self
            }
            _ => self.named(name, values),
        }
    }

    pub fn named(mut self, name: &str, values: &[impl AsRef<str>]) -> Self {
        for value in values {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            encode(&mut self.0, value.as_ref(), Place::Named);
        }
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

fn encode(out: &mut String, value: &str, place: Place) {
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || b"-_.*:/,@".contains(&byte)
            || (byte == b'+' && place == Place::Positional);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Undoes percent encoding; nothing for a broken one.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
        out.push(high << 4 | low);
    }
    String::from_utf8(out).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}
