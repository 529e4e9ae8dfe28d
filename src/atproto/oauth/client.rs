//! Clients: applications that ask to act for an account, by what they say about
//! themselves.
//!
//! [`Client::read`] judges the document; its name is judged in
//! [`super::client_id`].
//!
//! Spec: <https://atproto.com/specs/oauth#clients>

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client_id::{ClientId, InvalidClientId};
use super::jwk::{InvalidJwk, Jwks};
use super::redirect::{InvalidRedirect, RedirectUri};
use crate::atproto::scope::{ATPROTO, SCOPES_CHARS_MAX};

/// Characters of a client's name for people; longer ones are refused, since
/// nobody reads them.
const NAME_CHARS_MAX: usize = 200;
/// Redirect URIs of one client.
const REDIRECTS_MAX: usize = 64;

/// What a client is.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its name, as it writes it.
    pub id: String,
    /// Where it runs.
    pub application: Application,
    /// What it calls itself; anybody may call themselves anything.
    pub name: Option<String>,
    /// Its home page, on its own host.
    pub home: Option<Url>,
    /// Its picture.
    pub logo: Option<Url>,
    /// Its terms.
    pub terms: Option<Url>,
    /// What it does with people's data.
    pub privacy: Option<Url>,
    /// Where a browser may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// The scopes that it may ask for, each as it writes it.
    pub scopes: Vec<String>,
    /// Whether it may go on without the person.
    pub refreshes: Refreshes,
    /// How it proves who it is.
    pub authentication: Authentication,
}

/// Where a client runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// In a browser or on a server.
    Web,
    /// On the person's device.
    Native,
}

/// Whether a client may go on without the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshes {
    /// By refresh tokens.
    Yes,
    /// Its access tokens end.
    No,
}

/// How a client proves who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// It cannot: whoever knows its name may claim to be it.
    None,
    /// By assertions of a key.
    Key(KeySource),
}

/// Where the keys of a client are.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySource {
    /// In its document.
    Here(Jwks),
    /// At an address.
    At(Url),
}

/// Why a client is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClient {
    /// Its name is not the address of a document.
    #[error(transparent)]
    Id(#[from] InvalidClientId),
    /// Its document is not of the form, or says what is not allowed.
    #[error("client metadata: {0}")]
    Metadata(String),
    /// One of its redirect URIs is not allowed.
    #[error("client metadata: {0}")]
    Redirect(#[from] InvalidRedirect),
    /// Its keys cannot be read.
    #[error("client metadata: jwks: {0}")]
    Keys(#[from] InvalidJwk),
}

#[derive(Deserialize)]
struct Document {
    client_id: Option<String>,
    application_type: Option<String>,
    #[serde(default)]
    grant_types: Vec<String>,
    scope: Option<String>,
    #[serde(default)]
    response_types: Vec<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    dpop_bound_access_tokens: Option<bool>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    tos_uri: Option<String>,
    policy_uri: Option<String>,
}

impl Client {
    /// Reads the document of a client.
    ///
    /// # Errors
    /// [`InvalidClient`], with the first thing that is wrong.
    // spec: oauth#clients
    pub fn read(text: &str, id: &ClientId, document: &Value) -> Result<Self, InvalidClient> {
        let document = Document::deserialize(document)
            .map_err(|error| InvalidClient::Metadata(error.to_string()))?;
        if document.client_id.as_deref() != Some(text) {
            return Err(wrong("client_id must be the address of this document"));
        }
        let application = match document.application_type.as_deref() {
            None | Some("web") => Application::Web,
            Some("native") => Application::Native,
            Some(_) => return Err(wrong("application_type must be web or native")),
        };
        if document.dpop_bound_access_tokens != Some(true) {
            return Err(wrong("dpop_bound_access_tokens must be true"));
        }
        if !document.response_types.iter().any(|kind| kind == "code") {
            return Err(wrong("response_types must have code"));
        }
        Ok(Self {
            id: text.to_owned(),
            application,
            name: name(document.client_name.as_deref())?,
            home: home(document.client_uri.as_deref(), id)?,
            logo: link("logo_uri", document.logo_uri.as_deref())?,
            terms: link("tos_uri", document.tos_uri.as_deref())?,
            privacy: link("policy_uri", document.policy_uri.as_deref())?,
            redirect_uris: redirects(&document.redirect_uris, id, application)?,
            scopes: scopes(document.scope.as_deref())?,
            refreshes: refreshes(&document.grant_types)?,
            authentication: authentication(&document, application)?,
        })
    }

    /// A client under development, which has no document.
    ///
    /// # Errors
    /// [`InvalidClient`].
    pub fn of_localhost(
        text: &str,
        id: &ClientId,
        redirect_uris: &[String],
        scope: &str,
    ) -> Result<Self, InvalidClient> {
        Ok(Self {
            id: text.to_owned(),
            application: Application::Native,
            name: None,
            home: None,
            logo: None,
            terms: None,
            privacy: None,
            redirect_uris: redirects(redirect_uris, id, Application::Native)?,
            scopes: scopes(Some(scope))?,
            refreshes: Refreshes::Yes,
            authentication: Authentication::None,
        })
    }

    /// Whether it can prove who it is.
    pub fn is_confidential(&self) -> bool {
        self.authentication != Authentication::None
    }

    /// Whether it may be sent back to this address.
    pub fn admits_redirect(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|declared| declared.admits(asked))
    }

    /// The part of its name that people know: its host.
    pub fn host(&self) -> &str {
        let rest = self.id.split_once("://").map_or(&*self.id, |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or(rest)
    }
}

fn wrong(what: &str) -> InvalidClient {
    InvalidClient::Metadata(what.to_owned())
}

fn name(text: Option<&str>) -> Result<Option<String>, InvalidClient> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(wrong("client_name is too long or has control characters"));
    }
    Ok(Some(text.to_owned()))
}

/// The home page: on the client's own host, since it is shown as its own.
fn home(text: Option<&str>, id: &ClientId) -> Result<Option<Url>, InvalidClient> {
    let Some(home) = link("client_uri", text)? else { return Ok(None) };
    match id {
        ClientId::Address(id) if id.host_str() != home.host_str() => {
            Err(wrong("client_uri must be on the host of the client_id"))
        }
        _ => Ok(Some(home)),
    }
}

fn link(field: &str, text: Option<&str>) -> Result<Option<Url>, InvalidClient> {
    let Some(text) = text else { return Ok(None) };
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.username().is_empty() => Ok(Some(url)),
        _ => Err(wrong(&format!("{field} must be an https URL"))),
    }
}

fn redirects(
    texts: &[String],
    id: &ClientId,
    application: Application,
) -> Result<Vec<RedirectUri>, InvalidClient> {
    if texts.is_empty() || texts.len() > REDIRECTS_MAX {
        return Err(wrong("redirect_uris must have at least one URI, and not too many"));
    }
    let declared = texts.iter().map(|text| RedirectUri::declared(text, id, application));
    Ok(declared.collect::<Result<_, _>>()?)
}

fn scopes(text: Option<&str>) -> Result<Vec<String>, InvalidClient> {
    let text = text.ok_or_else(|| wrong("scope is missing"))?;
    if text.len() > SCOPES_CHARS_MAX {
        return Err(wrong("scope is too long"));
    }
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if scopes.iter().any(|known| known == scope) {
            return Err(wrong("scope names one twice"));
        }
        scopes.push(scope.to_owned());
    }
    match scopes.iter().any(|scope| scope == ATPROTO) {
        true => Ok(scopes),
        false => Err(wrong("scope must have atproto")),
    }
}

fn refreshes(grant_types: &[String]) -> Result<Refreshes, InvalidClient> {
    let has = |wanted: &str| grant_types.iter().filter(|grant| *grant == wanted).count();
    let known = has("authorization_code") + has("refresh_token");
    if has("authorization_code") != 1 || has("refresh_token") > 1 || known != grant_types.len() {
        return Err(wrong("grant_types must be authorization_code, with refresh_token or without"));
    }
    Ok(if has("refresh_token") == 1 { Refreshes::Yes } else { Refreshes::No })
}

fn authentication(
    document: &Document,
    application: Application,
) -> Result<Authentication, InvalidClient> {
    let algorithm = document.token_endpoint_auth_signing_alg.as_deref();
    match document.token_endpoint_auth_method.as_deref() {
        Some("none") if algorithm.is_some() => {
            Err(wrong("token_endpoint_auth_signing_alg is for private_key_jwt only"))
        }
        Some("none") => Ok(Authentication::None),
        Some("private_key_jwt") if application == Application::Native => {
            Err(wrong("a native application cannot keep a key: its method must be none"))
        }
        Some("private_key_jwt") => {
            if !matches!(algorithm, Some("ES256" | "ES256K")) {
                return Err(wrong("token_endpoint_auth_signing_alg must be ES256 or ES256K"));
            }
            keys(document).map(Authentication::Key)
        }
        _ => Err(wrong("token_endpoint_auth_method must be none or private_key_jwt")),
    }
}

fn keys(document: &Document) -> Result<KeySource, InvalidClient> {
    match (&document.jwks, &document.jwks_uri) {
        (Some(jwks), None) => {
            let keys = Jwks::read(jwks)?;
            if keys.is_empty() {
                return Err(wrong("jwks has no key for ES256 or ES256K"));
            }
            Ok(KeySource::Here(keys))
        }
        (None, Some(uri)) => match link("jwks_uri", Some(uri))? {
            Some(uri) => Ok(KeySource::At(uri)),
            None => Err(wrong("jwks_uri is missing")),
        },
        _ => Err(wrong("private_key_jwt needs either jwks or jwks_uri")),
    }
}
