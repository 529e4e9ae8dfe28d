//! Redirect URIs: where a browser is sent back to, with the code.
//!
//! A code that goes to the wrong place is an account given away, so an address
//! must be the very text that the client declared. Only the port of a program
//! on the person's own machine is left open.
//!
//! Spec: <https://atproto.com/specs/oauth#clients>, RFC 8252

use url::{Host, Url};

use super::client::Application;
use super::client_id::ClientId;

/// Characters of a redirect URI.
const CHARS_MAX: usize = 2_048;

/// A declared redirect URI that its client may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A program on the person's own machine, at any port.
    Loopback,
    /// Everything else.
    Exact,
}

/// A redirect URI that the client may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the redirect URI {uri} {why}")]
pub struct InvalidRedirect {
    /// The URI.
    pub uri: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl RedirectUri {
    /// Judges a declared redirect URI.
    ///
    /// # Errors
    /// [`InvalidRedirect`], with the reason.
    // spec: oauth#clients
    pub fn declared(
        text: &str,
        client: &ClientId,
        application: Application,
    ) -> Result<Self, InvalidRedirect> {
        let refuse = |why| InvalidRedirect { uri: text.to_owned(), why };
        let kind = judge(text, client, application).map_err(refuse)?;
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The text as it was declared.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a request may name `asked`.
    pub fn admits(&self, asked: &str) -> bool {
        if self.text == asked {
            return true;
        }
        if self.kind != Kind::Loopback {
            return false;
        }
        match (Url::parse(&self.text), Url::parse(asked)) {
            // A port that was declared is meant.
            (Ok(declared), Ok(mut asked)) if declared.port().is_none() => {
                let plain = asked.username().is_empty() && asked.password().is_none();
                plain && asked.set_port(None).is_ok() && asked == declared
            }
            _ => false,
        }
    }
}

fn judge(text: &str, client: &ClientId, application: Application) -> Result<Kind, &'static str> {
    if text.len() > CHARS_MAX {
        return Err("is too long");
    }
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("names a user");
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    match (url.scheme(), url.host()) {
        (_, Some(Host::Domain("localhost"))) => Err("must name 127.0.0.1 or [::1], not localhost"),
        ("http", Some(host)) if is_loopback(&host) => match application {
            Application::Native => Ok(Kind::Loopback),
            Application::Web => Err("is for native applications only"),
        },
        ("http", _) => Err("must be https"),
        ("https", Some(Host::Domain(name))) if name.contains('.') => {
            https(text, &url, client, application)
        }
        ("https", _) => Err("must name a public host"),
        (scheme, _) if scheme.contains('.') => private(text, scheme, client, application),
        _ => Err("has a scheme that is not allowed"),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.octets() == [127, 0, 0, 1],
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    }
}

fn https(
    text: &str,
    url: &Url,
    client: &ClientId,
    application: Application,
) -> Result<Kind, &'static str> {
    if text.contains(":443") && url.port().is_none() {
        return Err("must not spell out the usual port");
    }
    // A link that opens a native application is proved by the application's own host.
    match (application, client) {
        (Application::Native, ClientId::Address(id)) if id.origin() != url.origin() => {
            Err("must have the origin of the client_id")
        }
        _ => Ok(Kind::Exact),
    }
}

/// A scheme of the application's own: its host backwards, then one slash.
fn private(
    text: &str,
    scheme: &str,
    client: &ClientId,
    application: Application,
) -> Result<Kind, &'static str> {
    if application != Application::Native {
        return Err("is for native applications only");
    }
    let path = &text[scheme.len()..];
    if !path.starts_with(":/") || path.starts_with("://") {
        return Err("must have one slash after its scheme");
    }
    let ClientId::Address(id) = client else { return Err("is not for this client") };
    let host = id.host_str().unwrap_or_default();
    let backwards = host.rsplit('.').collect::<Vec<_>>().join(".");
    if scheme == backwards {
        Ok(Kind::Exact)
    } else {
        Err("must have the client's host backwards as its scheme")
    }
}
