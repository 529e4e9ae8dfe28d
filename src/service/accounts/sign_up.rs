//! What somebody gives who wants an account, and what is wrong with it.
//!
//! Nothing is made here. Whether an e-mail address is in use is not asked: it
//! would tell who is here.

use super::{Accounts, InviteRule};
use crate::atproto::crypto::DidKey;
use crate::atproto::plc::InvalidOperation;
use crate::atproto::syntax::Handle;
use crate::service::identity::{AskedBy, HandleRefused, Permitted, PlcError};
use crate::service::passwords::{self, PasswordError};
use crate::service::repos::RepoError;
use crate::service::sessions::SessionError;
use crate::store::{StoreError, accounts, invites};

/// Characters of an e-mail address.
const EMAIL_CHARS_MAX: usize = 320;

/// Somebody wants an account.
#[derive(Default)]
pub struct SignUp {
    /// The handle.
    pub handle: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// With what the account will be opened.
    pub opened_by: OpenedBy,
    /// An invite code.
    pub invite_code: Option<String>,
    /// A key of the account's owner that shall rank above the server's.
    pub recovery_key: Option<String>,
}

/// With what an account will be opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpenedBy {
    /// The password that is given.
    #[default]
    Password,
    /// A passkey, which its owner adds as soon as there is an account; until then
    /// a code by e-mail opens it.
    Passkey,
}

/// Why no account was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No e-mail address was given.
    #[error("Email is required")]
    EmailMissing,
    /// It is not an e-mail address.
    #[error("This email address is not supported, please use a different email.")]
    EmailInvalid,
    /// No password was given, or one that is too long.
    #[error("A password of 1 to {} characters is required", passwords::NEW_CHARS_MAX)]
    Password,
    /// The server takes nobody without a code.
    #[error("No invite code provided")]
    InviteMissing,
    /// The code does not exist, is disabled or used up.
    #[error("Provided invite code not available")]
    InviteUnavailable,
    /// The handle is not given out.
    #[error(transparent)]
    Handle(#[from] HandleRefused),
    /// The handle lies under no domain of this server.
    #[error("Not a supported handle domain")]
    UnsupportedDomain,
    /// The handle of somebody who moves in does not lead to their DID.
    #[error("External handle did not resolve to DID")]
    HandleElsewhere,
    /// Another account has the handle.
    #[error("Handle already taken: {}", .0.as_str())]
    HandleTaken(Handle),
    /// The recovery key is not a public key.
    #[error("The recovery key is not a did:key")]
    RecoveryKey,
    /// The DID has an account here.
    #[error("Repo already exists")]
    Exists,
    /// The token of somebody who moves in was used before.
    #[error("jwt has been used before")]
    Replayed,
    /// The genesis breaks a limit of the directory.
    #[error("the DID's first operation is not valid: {0}")]
    Genesis(#[from] InvalidOperation),
    /// The directory does not answer or refuses.
    #[error(transparent)]
    Directory(#[from] PlcError),
    /// The password cannot be hashed now.
    #[error(transparent)]
    Hash(#[from] PasswordError),
    /// The empty repository cannot be made.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The first session cannot be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was asked for, checked.
pub(super) struct Checked {
    pub(super) permitted: Permitted,
    pub(super) email: String,
    pub(super) password_hash: String,
    pub(super) invite_code: Option<String>,
}

impl Accounts {
    /// Checks everything that can be checked before anything is made.
    pub(super) async fn check(&self, sign_up: &SignUp) -> Result<Checked, CreateError> {
        let email = checked_email(sign_up.email.as_deref())?;
        let password = sign_up.password.as_deref().unwrap_or_default();
        let fits = !password.is_empty() && password.chars().count() <= passwords::NEW_CHARS_MAX;
        if sign_up.opened_by == OpenedBy::Password && !fits {
            return Err(CreateError::Password);
        }
        let permitted = self.identity.check_handle(&sign_up.handle, AskedBy::Owner)?;
        if self.identity.is_reserved(permitted.handle()).await? {
            return Err(HandleRefused::Reserved.into());
        }
        self.check_invite(sign_up.invite_code.as_deref()).await?;
        self.check_free(permitted.handle()).await?;
        let password_hash = match sign_up.opened_by {
            OpenedBy::Password => self.passwords.hash(password).await?,
            OpenedBy::Passkey => passwords::no_hash(),
        };
        let invite_code = match self.settings.invites {
            InviteRule::Required => sign_up.invite_code.clone(),
            InviteRule::Open => None,
        };
        Ok(Checked { permitted, email, password_hash, invite_code })
    }

    async fn check_invite(&self, code: Option<&str>) -> Result<(), CreateError> {
        if self.settings.invites == InviteRule::Open {
            return Ok(());
        }
        let code = code.ok_or(CreateError::InviteMissing)?;
        let invite = invites::find(&self.store.db, code).await?;
        let good = invite.is_some_and(|code| code.uses_left > 0 && code.disabled_at.is_none());
        if good { Ok(()) } else { Err(CreateError::InviteUnavailable) }
    }

    /// An address may be claimed by several; whether it is is told to nobody.
    pub(super) async fn check_free(&self, handle: &Handle) -> Result<(), CreateError> {
        match accounts::find_by_handle(&self.store.db, handle).await? {
            Some(_) => Err(CreateError::HandleTaken(handle.clone())),
            None => Ok(()),
        }
    }
}

/// The owner's key that ranks above the server's, if one is wanted.
pub(super) fn recovery_key(sign_up: &SignUp) -> Result<Option<DidKey>, CreateError> {
    let key = sign_up.recovery_key.as_deref().map(str::parse).transpose();
    key.map_err(|_| CreateError::RecoveryKey)
}

/// Checks an e-mail address, and returns it in lower case.
///
/// # Errors
/// [`CreateError::EmailMissing`] and [`CreateError::EmailInvalid`].
pub fn checked_email(email: Option<&str>) -> Result<String, CreateError> {
    let email = email.map(str::trim).filter(|email| !email.is_empty());
    let email = email.ok_or(CreateError::EmailMissing)?.to_lowercase();
    let plausible = match email.split_once('@') {
        Some((name, host)) => {
            !name.is_empty()
                && host.contains('.')
                && host.split('.').all(|label| !label.is_empty())
                && !host.contains('@')
        }
        None => false,
    };
    let odd = email.chars().any(|c| c.is_whitespace() || c.is_control());
    if !plausible || odd || email.chars().count() > EMAIL_CHARS_MAX {
        return Err(CreateError::EmailInvalid);
    }
    Ok(email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_host() {
        let check = |email: &str, expected: Option<&str>| {
            assert_eq!(checked_email(Some(email)).ok().as_deref(), expected, "{email}");
        };
        check("Alice@Example.com", Some("alice@example.com"));
        check(" a+b@mail.example.com ", Some("a+b@mail.example.com"));
        check("", None);
        check("alice", None);
        check("@example.com", None);
        check("alice@", None);
        check("alice@localhost", None);
        check("alice@example..com", None);
        check("alice@b@example.com", None);
        check("al ice@example.com", None);
        check("alice@example.com\r\nBcc:x@y.z", None);
        check(&format!("{}@example.com", "a".repeat(320)), None);
    }
}
