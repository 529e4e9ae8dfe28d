//! Permission sets: permissions that somebody bundled under a name.
//!
//! A set is a lexicon, and a scope `include:<nsid>` stands for what it holds. A
//! set may only hold records and methods of its own authority's group, so that
//! whoever publishes it cannot give away what belongs to others.
//!
//! Spec: <https://atproto.com/specs/permission#permission-sets>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::permission::is_service;
use super::text::{Place, ScopeText, Writer};
use super::{Any, RepoPermission, RpcPermission, Scope};
use crate::atproto::syntax::Nsid;

/// The kind of lexicon that a set is.
const TYPE: &str = "permission-set";

/// A scope that stands for what a permission set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The set.
    pub nsid: Nsid,
    /// The service that calls go to, where the set leaves that open: `did#name`.
    pub audience: Option<String>,
}

/// A permission set as it is published.
#[derive(Debug, Clone, PartialEq)]
pub struct PermissionSet {
    nsid: Nsid,
    title: Option<String>,
    titles: BTreeMap<String, String>,
    detail: Option<String>,
    details: BTreeMap<String, String>,
    permissions: Vec<Map<String, Value>>,
}

/// A lexicon that is no permission set, or not the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lexicon is not a permission set of this name")]
pub struct InvalidPermissionSet;

#[derive(Deserialize)]
struct Document {
    id: String,
    lexicon: u32,
    defs: Definitions,
}

#[derive(Deserialize)]
struct Definitions {
    main: Main,
}

#[derive(Deserialize)]
struct Main {
    #[serde(rename = "type")]
    kind: String,
    title: Option<String>,
    #[serde(rename = "title:lang", default)]
    titles: BTreeMap<String, String>,
    detail: Option<String>,
    #[serde(rename = "detail:lang", default)]
    details: BTreeMap<String, String>,
    permissions: Vec<Map<String, Value>>,
}

impl Include {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["nsid", "aud"]) {
            return None;
        }
        let [nsid] = *text.values("nsid", Place::Positional)? else { return None };
        let nsid = Nsid::new(nsid.to_owned()).ok()?;
        let audience = match *text.values("aud", Place::Named)? {
            [] => None,
            [service] if is_service(service) => Some(service.to_owned()),
            _ => return None,
        };
        Some(Self { nsid, audience })
    }

    pub(super) fn write(&self) -> String {
        let text = Writer::new("include").positional("nsid", &[self.nsid.as_str()]);
        text.named("aud", self.audience.as_slice()).finish()
    }
}

impl PermissionSet {
    /// Reads the lexicon that is published as `nsid`.
    ///
    /// # Errors
    /// [`InvalidPermissionSet`].
    pub fn read(nsid: &Nsid, document: &Value) -> Result<Self, InvalidPermissionSet> {
        let document = Document::deserialize(document).map_err(|_| InvalidPermissionSet)?;
        let main = document.defs.main;
        if document.id != nsid.as_str() || document.lexicon != 1 || main.kind != TYPE {
            return Err(InvalidPermissionSet);
        }
        Ok(Self {
            nsid: nsid.clone(),
            title: main.title,
            titles: main.titles,
            detail: main.detail,
            details: main.details,
            permissions: main.permissions,
        })
    }

    /// What the set is called, in a language if it has it.
    pub fn title(&self, language: &str) -> Option<&str> {
        self.titles.get(language).or(self.title.as_ref()).map(String::as_str)
    }

    /// What the set says about itself, in a language if it has it.
    pub fn detail(&self, language: &str) -> Option<&str> {
        self.details.get(language).or(self.detail.as_ref()).map(String::as_str)
    }

    /// What the set holds, for the scope that includes it. An entry that is not
    /// understood, or goes beyond the set's authority, is left out alone.
    // spec: permission#permission-sets
    pub fn scopes(&self, include: &Include) -> Vec<Scope> {
        let scopes = self.permissions.iter().filter_map(|entry| scope(entry, include));
        scopes.filter(|scope| self.has_authority_for(scope)).collect()
    }

    fn has_authority_for(&self, scope: &Scope) -> bool {
        let named = match scope {
            Scope::Repo(RepoPermission { collections, .. }) => collections,
            Scope::Rpc(RpcPermission { methods, .. }) => methods,
            _ => return false,
        };
        match named {
            Any::All => false,
            Any::Some(nsids) => nsids.iter().all(|nsid| self.group_has(nsid)),
        }
    }

    /// Whether an NSID is in the set's group or below it.
    fn group_has(&self, nsid: &Nsid) -> bool {
        let set = self.nsid.as_str();
        let group = &set[..=set.rfind('.').unwrap_or(0)];
        nsid.as_str().starts_with(group)
    }
}

/// The scope that an entry of a set means.
fn scope(entry: &Map<String, Value>, include: &Include) -> Option<Scope> {
    let resource = entry.get("resource")?.as_str()?;
    let mut params = Vec::new();
    let mut inherits = false;
    for (key, value) in entry {
        match (key.as_str(), value) {
            ("type" | "resource", _) => {}
            ("inheritAud", Value::Bool(yes)) if resource == "rpc" => inherits = *yes,
            (key, Value::String(text)) => params.push((key.to_owned(), text.clone())),
            (key, Value::Array(values)) => {
                for value in values {
                    params.push((key.to_owned(), value.as_str()?.to_owned()));
                }
            }
            _ => return None,
        }
    }
    let audiences: Vec<&str> =
        params.iter().filter(|(key, _)| key == "aud").map(|(_, value)| &**value).collect();
    match (resource, &*audiences, inherits, &include.audience) {
        ("rpc", [], true, Some(audience)) => params.push(("aud".to_owned(), audience.clone())),
        ("rpc", ["*"], false, _) | ("repo", [], false, _) => {}
        _ => return None,
    }
    let text = ScopeText { resource: resource.to_owned(), positional: None, params };
    match resource {
        "repo" => RepoPermission::read(&text).map(Scope::Repo),
        _ => RpcPermission::read(&text).map(Scope::Rpc),
    }
}
