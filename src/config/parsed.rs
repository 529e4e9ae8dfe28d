//! What a setting's text may be.
//!
//! Each type that a setting can have says what is wanted in words that fit
//! into "wanted ..., found ...", how its text is read and how it is shown. A
//! value that was read is valid; nothing downstream checks it again.

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use crate::atproto::syntax::Did;

/// A type that settings may have.
pub trait Parsed: Sized {
    /// What is wanted, as a noun phrase.
    const WANTED: &'static str;
    /// Reads a setting's text; `None` is a fault of the configuration.
    fn parse(text: &str) -> Option<Self>;
    /// Writes the value as TOML would have it.
    fn show(&self) -> String;
}

/// Quotes a text for TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Parsed for String {
    const WANTED: &'static str = "a text";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        quoted(self)
    }
}

impl Parsed for bool {
    const WANTED: &'static str = "true or false";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parsed for u16 {
    const WANTED: &'static str = "a number from 0 to 65535";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parsed for u64 {
    const WANTED: &'static str = "a whole number, zero or more";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parsed for usize {
    const WANTED: &'static str = <u64 as Parsed>::WANTED;
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Parsed for PathBuf {
    const WANTED: &'static str = "a path";
    fn parse(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| text.into())
    }
    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Parsed for Url {
    const WANTED: &'static str = "a URL that begins with http:// or https://";
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
    }
    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

impl Parsed for Did {
    const WANTED: &'static str = "a DID";
    fn parse(text: &str) -> Option<Self> {
        Did::new(text.to_owned()).ok()
    }
    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

impl Parsed for IpAddr {
    const WANTED: &'static str = "an IP address";
    fn parse(text: &str) -> Option<Self> {
        // A prefix length is dropped, as the official server does with the
        // addresses that bypass its rate limits.
        text.split('/').next()?.parse().ok()
    }
    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A host name, with a port where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(pub String);

impl Parsed for Hostname {
    const WANTED: &'static str = "a host name such as pds.example.com, without scheme or path";
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("http://{text}")).ok()?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str()?;
        (plain
            && url.username().is_empty()
            && !text.contains(['/', ':'])
            && host == text.to_lowercase())
        .then(|| Self(host.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// A domain under which handles are given, with its leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleDomain(pub String);

impl Parsed for HandleDomain {
    const WANTED: &'static str = "a domain that begins with a dot, such as .example.com";
    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('.')?;
        let labels_fit = bare.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
        labels_fit.then(|| Self(text.to_ascii_lowercase()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HexColor(pub [u8; 3]);

impl Parsed for HexColor {
    const WANTED: &'static str = "a colour such as \"#1f5f4a\" or \"rgb(31, 95, 74)\"";
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(hex) = text.strip_prefix('#') {
            let digits = hex.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
            let part = |high: u32, low: u32| u8::try_from(high * 16 + low).ok();
            return match *digits {
                [r, g, b] => Some(Self([part(r, r)?, part(g, g)?, part(b, b)?])),
                [a, b, c, d, e, f] => Some(Self([part(a, b)?, part(c, d)?, part(e, f)?])),
                _ => None,
            };
        }
        let inner = text.strip_prefix("rgb(")?.strip_suffix(')')?;
        let parts = inner.split([',', ' ']).filter(|part| !part.is_empty());
        let parts = parts.map(|part| part.parse().ok()).collect::<Option<Vec<u8>>>()?;
        Some(Self(parts.try_into().ok()?))
    }
    fn show(&self) -> String {
        let [r, g, b] = self.0;
        quoted(&format!("#{r:02x}{g:02x}{b:02x}"))
    }
}
