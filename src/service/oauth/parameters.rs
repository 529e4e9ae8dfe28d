//! The parameters of a request for authorization, checked.
//!
//! Spec: <https://atproto.com/specs/oauth#authorization-requests>, RFC 9126

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::OAuthError;
use super::clients::Trust;
use crate::atproto::oauth::{Client, pkce};
use crate::atproto::scope::{SCOPES_CHARS_MAX, Scope, Scopes};
use crate::atproto::syntax::{Did, normalize_handle};

/// Characters of `state`: clients keep what they like in it.
const STATE_CHARS_MAX: usize = 4_096;
/// Characters of other parameters.
const VALUE_CHARS_MAX: usize = 2_048;

/// A form, each of whose fields was there once.
pub type Form = BTreeMap<String, String>;

/// What an app asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Where the browser is sent back to.
    pub redirect_uri: String,
    /// What was asked for, as far as it is understood.
    pub scope: String,
    /// What the app wants to get back.
    #[serde(default)]
    pub state: Option<String>,
    /// How the answer travels.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// Of the verifier that redeems the code.
    pub code_challenge: String,
    /// What is to be shown.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// Who is meant: a handle or a DID, in lower case.
    #[serde(default)]
    pub login_hint: Option<String>,
    /// In which languages.
    #[serde(default)]
    pub ui_locales: Option<String>,
}

/// How an answer travels through the browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the address.
    #[default]
    Query,
    /// In its fragment.
    Fragment,
    /// In a form.
    FormPost,
}

/// What an app wants to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Nothing.
    None,
    /// The sign-in, whoever is signed in.
    Login,
    /// What is agreed to, whatever was agreed to before.
    Consent,
    /// Who is signed in.
    SelectAccount,
    /// The way to a new account.
    Create,
}

impl Parameters {
    /// Checks what a client asks for.
    ///
    /// # Errors
    /// [`OAuthError`], with the first thing that is wrong.
    pub fn read(form: &Form, client: &Client, trust: Trust) -> Result<Self, OAuthError> {
        refuse_unsupported(form)?;
        if field(form, "response_type")? != "code" {
            return Err(OAuthError::ResponseType);
        }
        let redirect_uri = field(form, "redirect_uri")?.to_owned();
        if !client.admits_redirect(&redirect_uri) {
            let message = "redirect_uri is not one that the client has declared";
            return Err(OAuthError::request(message));
        }
        let prompt = match optional(form, "prompt", VALUE_CHARS_MAX)? {
            None => None,
            Some("none") => Some(Prompt::None),
            Some("login") => Some(Prompt::Login),
            Some("consent") => Some(Prompt::Consent),
            Some("select_account") => Some(Prompt::SelectAccount),
            Some("create") => Some(Prompt::Create),
            Some(_) => return Err(OAuthError::request("prompt is not one that is supported")),
        };
        // Whoever cannot prove who they are must not get in unseen.
        let proves = client.is_confidential() || trust == Trust::FirstParty;
        if prompt == Some(Prompt::None) && !proves {
            return Err(OAuthError::ConsentRequired);
        }
        Ok(Self {
            redirect_uri,
            scope: scope(form, client)?,
            state: optional(form, "state", STATE_CHARS_MAX)?.map(str::to_owned),
            response_mode: match optional(form, "response_mode", VALUE_CHARS_MAX)? {
                None | Some("query") => ResponseMode::Query,
                Some("fragment") => ResponseMode::Fragment,
                Some("form_post") => ResponseMode::FormPost,
                Some(_) => return Err(OAuthError::request("response_mode is not supported")),
            },
            code_challenge: challenge(form)?,
            prompt,
            login_hint: login_hint(form)?,
            ui_locales: optional(form, "ui_locales", VALUE_CHARS_MAX)?.map(str::to_owned),
        })
    }

    /// The scopes that were asked for.
    pub fn scopes(&self) -> Scopes {
        Scopes::parse(&self.scope)
    }
}

/// Returns a field that must be there.
///
/// # Errors
/// [`OAuthError::Request`].
pub fn field<'f>(form: &'f Form, name: &str) -> Result<&'f str, OAuthError> {
    let value = optional(form, name, SCOPES_CHARS_MAX)?;
    value.ok_or_else(|| OAuthError::request(format!("{name} is missing")))
}

/// Returns a field that may be missing, or empty.
///
/// # Errors
/// [`OAuthError::Request`] for one that is too long.
pub fn optional<'f>(
    form: &'f Form,
    name: &str,
    chars_max: usize,
) -> Result<Option<&'f str>, OAuthError> {
    match form.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(value) if value.len() > chars_max => {
            Err(OAuthError::request(format!("{name} is too long")))
        }
        Some(value) => Ok(Some(value)),
    }
}

/// What other profiles of OAuth know and this one does not: to ignore it would
/// promise something.
fn refuse_unsupported(form: &Form) -> Result<(), OAuthError> {
    const UNSUPPORTED: [&str; 6] =
        ["request", "request_uri", "nonce", "claims", "id_token_hint", "authorization_details"];
    match UNSUPPORTED.into_iter().find(|name| form.contains_key(*name)) {
        Some(name) => Err(OAuthError::request(format!("{name} is not supported"))),
        None => Ok(()),
    }
}

// spec: oauth#authorization-scopes
fn scope(form: &Form, client: &Client) -> Result<String, OAuthError> {
    let text = field(form, "scope")?;
    let mut known: Vec<&str> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|declared| declared == scope) {
            let message = format!("the client metadata does not declare the scope {scope}");
            return Err(OAuthError::Scope(message));
        }
        if scope == "openid" {
            return Err(OAuthError::Scope("this is not OpenID Connect".to_owned()));
        }
        if Scope::parse(scope).is_some() && !known.contains(&scope) {
            known.push(scope);
        }
    }
    let scope = known.join(" ");
    match Scopes::parse(&scope).is_atproto() {
        true => Ok(scope),
        false => Err(OAuthError::Scope("the scope atproto is missing".to_owned())),
    }
}

fn challenge(form: &Form) -> Result<String, OAuthError> {
    let challenge = field(form, "code_challenge")?;
    if form.get("code_challenge_method").map(String::as_str) != Some("S256") {
        return Err(OAuthError::request("code_challenge_method must be S256"));
    }
    match pkce::is_challenge(challenge) {
        true => Ok(challenge.to_owned()),
        false => Err(OAuthError::request("code_challenge is not a SHA-256 in base64url")),
    }
}

fn login_hint(form: &Form) -> Result<Option<String>, OAuthError> {
    let Some(hint) = optional(form, "login_hint", VALUE_CHARS_MAX)? else { return Ok(None) };
    let hint = hint.trim_start_matches('@').to_lowercase();
    if Did::new(hint.clone()).is_ok() || normalize_handle(&hint).is_ok() {
        return Ok(Some(hint));
    }
    Err(OAuthError::request("login_hint must be a handle or a DID"))
}
