//! Scopes: what an app may do with an account, as text and as rules.
//!
//! A list of scopes is what an app asks for, a person agrees to and a token
//! carries. [`Scopes`] answers whether a [`Need`] is met. Scopes that are not
//! understood allow nothing and are left out. What a permission set holds is
//! looked up by somebody else; [`PermissionSet`] says what becomes of it.
//!
//! Spec: <https://atproto.com/specs/permission>

mod permission;
mod permission_set;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use super::syntax::Nsid;
pub use permission::{
    AccountAction, AccountAttribute, AccountPermission, Any, Audience, BlobPermission,
    IdentityPermission, RepoAction, RepoPermission, RpcPermission,
};
pub use permission_set::{Include, InvalidPermissionSet, PermissionSet};
use text::ScopeText;

/// Characters of a list of scopes.
pub const SCOPES_CHARS_MAX: usize = 16 * 1024;
/// The scope that every list has.
pub const ATPROTO: &str = "atproto";
/// Methods of direct messages, which need a scope of their own.
const CHAT: &str = "chat.bsky.";

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// That this is about an account of this protocol.
    Atproto,
    /// What an app password could do, from the time before scopes.
    Transition(Transition),
    /// To write records.
    Repo(RepoPermission),
    /// To call services.
    Rpc(RpcPermission),
    /// To upload blobs.
    Blob(BlobPermission),
    /// To see or change something about the account.
    Account(AccountPermission),
    /// To change the account's identity.
    Identity(IdentityPermission),
    /// What a permission set holds.
    Include(Include),
}

/// A scope from the time before the finer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transition {
    /// All records, all blobs, every method but direct messages.
    Generic,
    /// Direct messages.
    ChatBsky,
    /// To see the e-mail address.
    Email,
}

/// What somebody needs in order to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'n> {
    /// To do something to a record.
    Write {
        /// The record's collection.
        collection: &'n Nsid,
        /// What is done.
        action: RepoAction,
    },
    /// To upload a blob.
    Upload {
        /// Its media type, without parameters.
        media_type: &'n str,
    },
    /// To call a service, or to have a token for it.
    Call {
        /// The method; nothing for a token that names none.
        method: Option<&'n Nsid>,
        /// The service, `did#name`.
        audience: &'n str,
    },
    /// Something about the account.
    Account(AccountPermission),
    /// Something about its identity.
    Identity(IdentityPermission),
}

/// A list of scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

impl Scope {
    /// Reads one scope; nothing where it is not understood.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return None;
        }
        match text {
            ATPROTO => return Some(Self::Atproto),
            "transition:generic" => return Some(Self::Transition(Transition::Generic)),
            "transition:chat.bsky" => return Some(Self::Transition(Transition::ChatBsky)),
            "transition:email" => return Some(Self::Transition(Transition::Email)),
            _ => {}
        }
        let parts = ScopeText::parse(text)?;
        match parts.resource.as_str() {
            "repo" => RepoPermission::read(&parts).map(Self::Repo),
            "rpc" => RpcPermission::read(&parts).map(Self::Rpc),
            "blob" => BlobPermission::read(&parts).map(Self::Blob),
            "account" => AccountPermission::read(&parts).map(Self::Account),
            "identity" => IdentityPermission::read(&parts).map(Self::Identity),
            "include" => Include::read(&parts).map(Self::Include),
            _ => None,
        }
    }

    fn allows(&self, need: &Need<'_>) -> bool {
        match (self, need) {
            (Self::Transition(transition), need) => transition.allows(need),
            (Self::Repo(permission), Need::Write { collection, action }) => {
                permission.allows(collection, *action)
            }
            (Self::Rpc(permission), Need::Call { method, audience }) => {
                permission.allows(*method, audience)
            }
            (Self::Blob(permission), Need::Upload { media_type }) => permission.allows(media_type),
            (Self::Account(permission), Need::Account(wanted)) => permission.allows(*wanted),
            (Self::Identity(permission), Need::Identity(wanted)) => permission.allows(*wanted),
            _ => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atproto => f.write_str(ATPROTO),
            Self::Transition(Transition::Generic) => f.write_str("transition:generic"),
            Self::Transition(Transition::ChatBsky) => f.write_str("transition:chat.bsky"),
            Self::Transition(Transition::Email) => f.write_str("transition:email"),
            Self::Repo(permission) => f.write_str(&permission.write()),
            Self::Rpc(permission) => f.write_str(&permission.write()),
            Self::Blob(permission) => f.write_str(&permission.write()),
            Self::Account(permission) => f.write_str(&permission.write()),
            Self::Identity(permission) => f.write_str(&permission.write()),
            Self::Include(include) => f.write_str(&include.write()),
        }
    }
}

impl Transition {
    fn allows(self, need: &Need<'_>) -> bool {
        match (self, need) {
            (Self::Generic, Need::Write { .. } | Need::Upload { .. }) => true,
            (Self::Generic, Need::Call { method: Some(method), .. }) => !is_chat(method),
            (Self::ChatBsky, Need::Call { method: Some(method), .. }) => is_chat(method),
            (Self::Email, Need::Account(wanted)) => {
                wanted.attribute == AccountAttribute::Email && wanted.action == AccountAction::Read
            }
            _ => false,
        }
    }
}

/// Case is no excuse: some services read methods in any spelling.
fn is_chat(method: &Nsid) -> bool {
    method.as_str().to_ascii_lowercase().starts_with(CHAT)
}

impl Need<'_> {
    /// The narrowest scope that meets the need, to be named to an app.
    pub fn scope(&self) -> String {
        use text::Writer;
        match *self {
            Self::Write { collection, action } => {
                let scope = Writer::new("repo").positional("collection", &[collection.as_str()]);
                scope.named("action", &[action.name()]).finish()
            }
            Self::Upload { media_type } => {
                Writer::new("blob").positional("accept", &[media_type]).finish()
            }
            Self::Call { method, audience } => {
                let method = method.map_or("*", |method| method.as_str());
                let scope = Writer::new("rpc").positional("lxm", &[method]);
                scope.named("aud", &[audience]).finish()
            }
            Self::Account(permission) => permission.write(),
            Self::Identity(permission) => permission.write(),
        }
    }
}

impl Scopes {
    /// Reads a list, separated by spaces; what is not understood is left out,
    /// what is there twice is kept once.
    pub fn parse(text: &str) -> Self {
        let mut scopes = Vec::new();
        for scope in text.split(' ').filter_map(Scope::parse) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Self(scopes)
    }

    /// Whether one of the scopes meets the need. Permission sets do not: what
    /// they hold must have been put in their place.
    pub fn allow(&self, need: &Need<'_>) -> bool {
        if self.0.iter().any(|scope| scope.allows(need)) {
            return true;
        }
        // A token that names no method opens every one, direct messages too.
        let has = |transition| self.0.contains(&Scope::Transition(transition));
        let methodless = matches!(need, Need::Call { method: None, .. });
        methodless && has(Transition::Generic) && has(Transition::ChatBsky)
    }

    /// The scopes.
    pub fn iter(&self) -> std::slice::Iter<'_, Scope> {
        self.0.iter()
    }

    /// Whether the list has the scope that every list has.
    pub fn is_atproto(&self) -> bool {
        self.0.contains(&Scope::Atproto)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut kept: Vec<Scope> = Vec::new();
        for scope in scopes {
            if !kept.contains(&scope) {
                kept.push(scope);
            }
        }
        Self(kept)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{scope}")?;
        }
        Ok(())
    }
}
