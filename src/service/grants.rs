//! Who is calling, and what that lets them do: the access matrix as data.
//!
//! A credential becomes a [`Grant`]; a method asks for an [`Access`]. Whether
//! one opens the other, and in which standing of the account, is a table here
//! and nowhere else.

use std::sync::Arc;

use crate::atproto::scope::{
    AccountAction, AccountAttribute, AccountPermission, IdentityPermission, Need, Scopes,
};
use crate::atproto::syntax::Did;
use crate::store::AccountId;
use crate::store::accounts::Status;

/// An account in the act of calling a method.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account's DID.
    pub did: Did,
    /// Its inner key.
    pub account: AccountId,
    /// What its credential was given for.
    pub grant: Grant,
    /// How the account stood when its credential was read.
    pub status: Status,
}

/// What a credential was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A session of the account's own password.
    Full,
    /// A session of an app password with access to direct messages.
    PrivilegedAppPassword,
    /// A session of an app password.
    AppPassword,
    /// A session of a taken-down account, good for leaving with its data.
    Takendown,
    /// A session of somebody who waits in a sign-up queue.
    SignupQueued,
    /// A token for one call, signed with the account's own key.
    Service,
    /// What an app was allowed, scope by scope.
    Scoped(Arc<Scopes>),
}

/// A scope that is missing, by its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Missing required scope \"{0}\"")]
pub struct MissingScope(pub String);

impl Grant {
    /// Asks whether the scopes of this grant, if it has any, meet a need. A
    /// password has none: the matrix has decided about it already.
    ///
    /// # Errors
    /// [`MissingScope`].
    pub fn permits(&self, need: &Need<'_>) -> Result<(), MissingScope> {
        match self {
            Self::Scoped(scopes) if !scopes.allow(need) => Err(MissingScope(need.scope())),
            _ => Ok(()),
        }
    }
}

/// What a method asks of its caller. The table of methods names one per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing, and nobody is asked who they are.
    Anyone,
    /// Nothing; the owner of the data and the administrator see more.
    AnyoneOrOwner,
    /// The administrator's password.
    Admin,
    /// The administrator's password, or a token of the moderation service.
    Moderator,
    /// A refresh token in place of an access token.
    RefreshToken,
    /// Nothing, or a service token of the DID that moves here.
    SignUp,
    /// To write records.
    WriteRecords,
    /// To upload a blob.
    UploadBlob,
    /// To replace the repository by an imported one.
    ImportRepo,
    /// To see how the account stands: status, missing blobs.
    ReadStatus,
    /// To change the handle.
    UpdateHandle,
    /// To have an identity operation signed.
    SignIdentity,
    /// To read what an identity operation should say, and to submit one.
    SubmitIdentity,
    /// To ask for a service token.
    ServiceToken,
    /// To call another service through this one.
    Proxy,
    /// To read one's own session.
    ReadSession,
    /// To confirm the e-mail address.
    ConfirmEmail,
    /// To change the e-mail address.
    UpdateEmail,
    /// To create app passwords, list invite codes, or ask for deletion.
    ManageCredentials,
    /// To list or revoke app passwords.
    AppPasswords,
    /// To activate or deactivate the account.
    ManageAccount,
    /// To read and write private preferences.
    Preferences,
}

/// In which standing of the account a method serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Active accounts only.
    Active,
    /// Deactivated ones too: what moving in and out needs.
    NotTakenDown,
    /// Taken-down ones too.
    Any,
}

impl Standing {
    /// Whether an account of this status is served.
    pub fn admits(self, status: Status) -> bool {
        match status {
            Status::Active => true,
            Status::Deactivated => self != Standing::Active,
            Status::Suspended | Status::TakenDown => self == Standing::Any,
        }
    }
}

/// What an access asks of a grant that has scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoped {
    /// It is not for apps.
    Refused,
    /// Any of them will do.
    Any,
    /// One that meets this need.
    Needs(Need<'static>),
    /// What is needed depends on the request: its handler asks.
    ByRequest,
}

/// To change the e-mail address.
const MANAGE_EMAIL: Scoped = manage(AccountAttribute::Email);
/// To replace the repository.
const MANAGE_REPO: Scoped = manage(AccountAttribute::Repo);
/// To change the handle.
const HANDLE: Scoped = Scoped::Needs(Need::Identity(IdentityPermission::Handle));
/// To change everything about the identity.
const IDENTITY: Scoped = Scoped::Needs(Need::Identity(IdentityPermission::Everything));

const fn manage(attribute: AccountAttribute) -> Scoped {
    let permission = AccountPermission { attribute, action: AccountAction::Manage };
    Scoped::Needs(Need::Account(permission))
}

/// What opens an access.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The grants that open it, of those without scopes.
    pub grants: &'static [Grant],
    /// What it asks of those with scopes.
    pub scoped: Scoped,
    /// The standing that the account must have.
    pub standing: Standing,
}

/// The account's own password.
const OWNER: &[Grant] = &[Grant::Full];
/// Any of the account's passwords.
const PASSWORDS: &[Grant] = &[Grant::Full, Grant::PrivilegedAppPassword, Grant::AppPassword];
/// Any password, or a token for this one call.
const PASSWORDS_OR_SERVICE: &[Grant] =
    &[Grant::Full, Grant::PrivilegedAppPassword, Grant::AppPassword, Grant::Service];
/// Any password, also that of an account that was taken down.
const PASSWORDS_OR_TAKENDOWN: &[Grant] =
    &[Grant::Full, Grant::PrivilegedAppPassword, Grant::AppPassword, Grant::Takendown];
/// Any password, also in the queue.
const PASSWORDS_OR_QUEUED: &[Grant] =
    &[Grant::Full, Grant::PrivilegedAppPassword, Grant::AppPassword, Grant::SignupQueued];
/// Everybody who can prove to be somebody.
const EVERYBODY: &[Grant] = &[
    Grant::Full,
    Grant::PrivilegedAppPassword,
    Grant::AppPassword,
    Grant::Takendown,
    Grant::SignupQueued,
];

impl Access {
    /// The matrix. `None` where it is not an account that calls: the
    /// administrator, a refresh token, a visitor.
    #[rustfmt::skip]
    pub fn rule(self) -> Option<Rule> {
        use Scoped::{Any, ByRequest, Refused};
        let (grants, scoped, standing) = match self {
            Access::Anyone
            | Access::Admin
            | Access::Moderator
            | Access::RefreshToken
            | Access::SignUp => return None,
            Access::AnyoneOrOwner     => (EVERYBODY,              Any,          Standing::Any),
            Access::WriteRecords      => (PASSWORDS,              ByRequest,    Standing::Active),
            Access::UploadBlob        => (PASSWORDS_OR_SERVICE,   ByRequest,    Standing::NotTakenDown),
            Access::ImportRepo        => (OWNER,                  MANAGE_REPO,  Standing::NotTakenDown),
            Access::ReadStatus        => (PASSWORDS,              Any,          Standing::Any),
            Access::UpdateHandle      => (PASSWORDS,              HANDLE,       Standing::NotTakenDown),
            Access::SignIdentity      => (OWNER,                  IDENTITY,     Standing::NotTakenDown),
            Access::SubmitIdentity    => (PASSWORDS,              IDENTITY,     Standing::NotTakenDown),
            Access::ServiceToken      => (PASSWORDS_OR_TAKENDOWN, ByRequest,    Standing::Any),
            Access::Proxy             => (PASSWORDS,              ByRequest,    Standing::Active),
            Access::ReadSession       => (PASSWORDS_OR_QUEUED,    Any,          Standing::Any),
            Access::ConfirmEmail      => (PASSWORDS,              MANAGE_EMAIL, Standing::NotTakenDown),
            Access::UpdateEmail       => (OWNER,                  MANAGE_EMAIL, Standing::NotTakenDown),
            Access::ManageCredentials => (OWNER,                  Refused,      Standing::NotTakenDown),
            Access::AppPasswords      => (PASSWORDS,              Refused,      Standing::NotTakenDown),
            Access::ManageAccount     => (OWNER,                  Refused,      Standing::NotTakenDown),
            Access::Preferences       => (PASSWORDS,              ByRequest,    Standing::NotTakenDown),
        };
        Some(Rule { grants, scoped, standing })
    }

    /// Whether the answer depends on who asks.
    pub fn depends_on_caller(self) -> bool {
        self != Access::Anyone
    }
}
