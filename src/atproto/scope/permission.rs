//! Permissions: what one scope allows, for each resource that has scopes.
//!
//! Spec: <https://atproto.com/specs/permission>

use super::text::{Place, ScopeText, Writer};
use crate::atproto::syntax::{Did, Nsid};

/// Any value.
const ANY: &str = "*";
/// Any media type.
const ANY_MEDIA: &str = "*/*";

/// To write records of some collections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoPermission {
    /// The collections.
    pub collections: Any<Nsid>,
    /// What may be done to their records, in the order of [`RepoAction::ALL`].
    pub actions: Vec<RepoAction>,
}

/// What may be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RepoAction {
    /// To make one.
    Create,
    /// To replace one.
    Update,
    /// To delete one.
    Delete,
}

/// To call methods of services in the account's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcPermission {
    /// The methods.
    pub methods: Any<Nsid>,
    /// The service: a DID with `#` and the service's name, or any.
    pub audience: Audience,
}

/// Whom a call may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Any service.
    Any,
    /// One service, `did#name`.
    Service(String),
}

/// To upload blobs of some media types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPermission {
    /// Patterns: `*/*`, `image/*`, `image/png`; in lower case, sorted, none of
    /// them within another.
    pub accept: Vec<String>,
}

/// To see or change one thing about the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountPermission {
    /// The thing.
    pub attribute: AccountAttribute,
    /// To see it, or also to change it.
    pub action: AccountAction,
}

/// A thing about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountAttribute {
    /// The e-mail address.
    Email,
    /// The repository as a whole.
    Repo,
    /// Whether the account is active.
    Status,
}

/// What may be done with a thing about an account; changing implies seeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountAction {
    /// To see it.
    Read,
    /// To change it.
    Manage,
}

/// To change the account's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityPermission {
    /// The handle.
    Handle,
    /// Everything: keys, handle, where the account lives.
    Everything,
}

/// Some values, or all there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Any<T> {
    /// All there are.
    All,
    /// These: at least one, sorted, each once.
    Some(Vec<T>),
}

impl<T: PartialEq> Any<T> {
    /// Whether the value is among them.
    pub fn has(&self, value: &T) -> bool {
        match self {
            Self::All => true,
            Self::Some(values) => values.contains(value),
        }
    }
}

impl Any<Nsid> {
    fn read(values: &[&str]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut nsids = Vec::new();
        let mut all = false;
        for value in values {
            match *value {
                ANY => all = true,
                value => nsids.push(Nsid::new(value.to_owned()).ok()?),
            }
        }
        if all {
            return Some(Self::All);
        }
        nsids.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        nsids.dedup();
        Some(Self::Some(nsids))
    }

    fn texts(&self) -> Vec<&str> {
        match self {
            Self::All => vec![ANY],
            Self::Some(nsids) => nsids.iter().map(|nsid| nsid.as_str()).collect(),
        }
    }
}

impl RepoAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Delete];

    /// Its name in scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl RepoPermission {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["collection", "action"]) {
            return None;
        }
        let collections = Any::read(&text.values("collection", Place::Positional)?)?;
        let named = text.values("action", Place::Named)?;
        let known = |name: &&str| RepoAction::ALL.iter().any(|action| action.name() == *name);
        if !named.iter().all(known) {
            return None;
        }
        let wanted = |action: &RepoAction| named.is_empty() || named.contains(&action.name());
        let actions = RepoAction::ALL.into_iter().filter(wanted).collect();
        Some(Self { collections, actions })
    }

    pub(super) fn write(&self) -> String {
        let text = Writer::new("repo").positional("collection", &self.collections.texts());
        if self.actions == RepoAction::ALL {
            return text.finish();
        }
        let actions: Vec<&str> = self.actions.iter().map(|action| action.name()).collect();
        text.named("action", &actions).finish()
    }

    pub(super) fn allows(&self, collection: &Nsid, action: RepoAction) -> bool {
        self.actions.contains(&action) && self.collections.has(collection)
    }
}

impl RpcPermission {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["lxm", "aud"]) {
            return None;
        }
        let methods = Any::read(&text.values("lxm", Place::Positional)?)?;
        let audience = match *text.values("aud", Place::Named)? {
            [ANY] => Audience::Any,
            [service] if is_service(service) => Audience::Service(service.to_owned()),
            _ => return None,
        };
        // Everything anywhere is more than anybody can agree to.
        if audience == Audience::Any && methods == Any::All {
            return None;
        }
        Some(Self { methods, audience })
    }

    pub(super) fn write(&self) -> String {
        let audience = match &self.audience {
            Audience::Any => ANY,
            Audience::Service(service) => service,
        };
        let text = Writer::new("rpc").positional("lxm", &self.methods.texts());
        text.named("aud", &[audience]).finish()
    }

    /// `method` is `*` for a token that names none.
    pub(super) fn allows(&self, method: Option<&Nsid>, audience: &str) -> bool {
        let method_fits = match method {
            Some(method) => self.methods.has(method),
            None => self.methods == Any::All,
        };
        let audience_fits = match &self.audience {
            Audience::Any => true,
            Audience::Service(service) => service == audience,
        };
        method_fits && audience_fits
    }
}

impl BlobPermission {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["accept"]) {
            return None;
        }
        let patterns = text.values("accept", Place::Positional)?;
        if patterns.is_empty() || !patterns.iter().all(|pattern| is_media_pattern(pattern)) {
            return None;
        }
        let mut accept: Vec<String> =
            patterns.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
        accept.sort_unstable();
        accept.dedup();
        if accept.iter().any(|pattern| pattern == ANY_MEDIA) {
            return Some(Self { accept: vec![ANY_MEDIA.to_owned()] });
        }
        let wide: Vec<String> =
            accept.iter().filter(|pattern| pattern.ends_with("/*")).cloned().collect();
        let covered =
            |pattern: &String| wide.iter().any(|wide| wide != pattern && media_fits(wide, pattern));
        accept.retain(|pattern| !covered(pattern));
        Some(Self { accept })
    }

    pub(super) fn write(&self) -> String {
        Writer::new("blob").positional("accept", &self.accept).finish()
    }

    pub(super) fn allows(&self, media_type: &str) -> bool {
        let media_type = media_type.to_ascii_lowercase();
        self.accept.iter().any(|pattern| media_fits(pattern, &media_type))
    }
}

impl AccountPermission {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["attr", "action"]) {
            return None;
        }
        let attribute = match *text.values("attr", Place::Positional)? {
            ["email"] => AccountAttribute::Email,
            ["repo"] => AccountAttribute::Repo,
            ["status"] => AccountAttribute::Status,
            _ => return None,
        };
        let mut action = AccountAction::Read;
        for name in text.values("action", Place::Named)? {
            match name {
                "read" => {}
                "manage" => action = AccountAction::Manage,
                _ => return None,
            }
        }
        Some(Self { attribute, action })
    }

    pub(super) fn write(&self) -> String {
        let attribute = match self.attribute {
            AccountAttribute::Email => "email",
            AccountAttribute::Repo => "repo",
            AccountAttribute::Status => "status",
        };
        let text = Writer::new("account").positional("attr", &[attribute]);
        match self.action {
            AccountAction::Read => text.finish(),
            AccountAction::Manage => text.named("action", &["manage"]).finish(),
        }
    }

    pub(super) fn allows(&self, wanted: AccountPermission) -> bool {
        self.attribute == wanted.attribute && self.action >= wanted.action
    }
}

impl IdentityPermission {
    pub(super) fn read(text: &ScopeText) -> Option<Self> {
        if !text.has_only(&["attr"]) {
            return None;
        }
        match *text.values("attr", Place::Positional)? {
            ["handle"] => Some(Self::Handle),
            [ANY] => Some(Self::Everything),
            _ => None,
        }
    }

    pub(super) fn write(self) -> String {
        let attribute = if self == Self::Handle { "handle" } else { ANY };
        Writer::new("identity").positional("attr", &[attribute]).finish()
    }

    pub(super) fn allows(self, wanted: IdentityPermission) -> bool {
        self == Self::Everything || self == wanted
    }
}

/// Whether the text names a service: `did#name`.
pub(super) fn is_service(text: &str) -> bool {
    let Some((did, name)) = text.split_once('#') else { return false };
    let named = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:%".contains(&byte));
    named && Did::new(did.to_owned()).is_ok()
}

/// Whether a media type fits a pattern; both in lower case.
fn media_fits(pattern: &str, media_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        _ if pattern == ANY_MEDIA => true,
        Some(start) => media_type.starts_with(start),
        None => pattern == media_type,
    }
}

fn is_media_pattern(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !name.is_empty() && name.bytes().all(allowed)
    };
    match (kind, rest) {
        (ANY, ANY) => true,
        (kind, ANY) => is_name(kind),
        (kind, rest) => is_name(kind) && is_name(rest),
    }
}
