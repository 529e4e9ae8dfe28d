//! The names of clients.
//!
//! A client is named by the address of a document about it; one that is being
//! developed is named by `http://localhost` and says everything in its query.
//!
//! Spec: <https://atproto.com/specs/oauth#clients>

use url::{Host, Url};

use crate::atproto::scope::ATPROTO;

/// Characters of a client's name.
pub const ID_CHARS_MAX: usize = 2_048;
/// How the name of a client under development begins.
const LOCALHOST: &str = "http://localhost";

/// The name of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientId {
    /// The address of its document.
    Address(Url),
    /// A client under development: where it wants to be sent to, and its
    /// scopes.
    Localhost {
        /// The redirect URIs.
        redirect_uris: Vec<String>,
        /// The scopes.
        scope: String,
    },
}

/// Not the name of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("client_id {0}")]
pub struct InvalidClientId(pub &'static str);

impl ClientId {
    /// Reads the name of a client.
    ///
    /// # Errors
    /// [`InvalidClientId`].
    // spec: oauth#clients
    pub fn parse(text: &str) -> Result<Self, InvalidClientId> {
        let id = Self::parse_in_development(text)?;
        match &id {
            Self::Address(url) if url.port().is_some() => Err(InvalidClientId("must have no port")),
            _ => Ok(id),
        }
    }

    /// Reads the name of a client where programs are developed: its document may be
    /// at any port.
    ///
    /// # Errors
    /// [`InvalidClientId`].
    pub fn parse_in_development(text: &str) -> Result<Self, InvalidClientId> {
        if text.len() > ID_CHARS_MAX {
            return Err(InvalidClientId("is too long"));
        }
        if let Some(rest) = text.strip_prefix(LOCALHOST)
            && (rest.is_empty() || rest.starts_with(['/', '?', ':']))
        {
            return localhost(rest);
        }
        address(text).map(Self::Address).map_err(InvalidClientId)
    }
}

/// What follows `http://localhost`.
fn localhost(rest: &str) -> Result<ClientId, InvalidClientId> {
    let query = match rest.strip_prefix('/').unwrap_or(rest) {
        "" => "",
        rest => rest
            .strip_prefix('?')
            .ok_or(InvalidClientId("of localhost must have no port, path or fragment"))?,
    };
    if query.contains('#') {
        return Err(InvalidClientId("of localhost must have no port, path or fragment"));
    }
    let (mut redirect_uris, mut scopes) = (Vec::new(), Vec::new());
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "redirect_uri" => redirect_uris.push(value.into_owned()),
            "scope" => scopes.push(value.into_owned()),
            _ => {
                return Err(InvalidClientId("of localhost may have redirect_uri and scope only"));
            }
        }
    }
    if redirect_uris.is_empty() {
        redirect_uris = vec!["http://127.0.0.1/".to_owned(), "http://[::1]/".to_owned()];
    }
    let scope = match &mut *scopes {
        [] => ATPROTO.to_owned(),
        [scope] => std::mem::take(scope),
        _ => return Err(InvalidClientId("of localhost has more than one scope")),
    };
    Ok(ClientId::Localhost { redirect_uris, scope })
}

fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if url.scheme() != "https" {
        return Err("must be an https URL");
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err("must name no user");
    }
    if url.fragment().is_some() || text.contains('#') {
        return Err("must have no fragment");
    }
    match url.host() {
        Some(Host::Domain(name)) if name.contains('.') && !name.ends_with('.') => {}
        _ => return Err("must name a public host, not an address"),
    }
    if text.contains(":443") && url.port().is_none() {
        return Err("must not spell out the usual port");
    }
    if url.path() == "/" || url.path().ends_with('/') {
        return Err("must have a path that does not end in a slash");
    }
    // Another way to write the same address would be another client.
    if url.as_str() != text {
        return Err("must be written in its usual form");
    }
    Ok(url)
}
