//! Passkeys: signing in by a key that does not leave somebody's device.
//!
//! A passkey shows two things at once, the device and the finger or the PIN that
//! opens it, so nothing else is asked; and it cannot be tried, so it never waits.
//! What was asked of a browser is remembered for a few minutes in memory.
//!
//! Spec: <https://www.w3.org/TR/webauthn-3/>

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use moka::sync::Cache;
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
};

use super::Host;
use super::factors::{FactorError, Factors};
use super::outbox::letters::Notice;
use super::passwords;
use crate::store::accounts::{self, Account};
use crate::store::passkeys::{self, StoredPasskey};
use crate::store::vault::Vault;
use crate::store::{AccountId, Batch, RunError, Store, StoreError, Unmet};
use crate::world::World;

/// How long a browser may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Browsers that are asked at once.
const ASKED_MAX: u64 = 10_000;
/// Passkeys of one account.
pub const PER_ACCOUNT_MAX: usize = 20;
/// Characters of what somebody calls a passkey.
const NAME_CHARS_MAX: usize = 60;

/// Knows passkeys.
pub struct Passkeys {
    store: Store,
    world: World,
    vault: Vault,
    factors: Arc<Factors>,
    /// None where the server has no host name that a passkey could be for.
    webauthn: Option<Webauthn>,
    /// By browser.
    registrations: Cache<String, (AccountId, Arc<PasskeyRegistration>)>,
    /// By browser.
    sign_ins: Cache<String, Arc<DiscoverableAuthentication>>,
}

/// What [`Passkeys`] works with.
pub struct PasskeyParts {
    /// Where they are kept.
    pub store: Store,
    /// Time.
    pub world: World,
    /// For the names by which devices know accounts.
    pub vault: Vault,
    /// Tells owners of changes.
    pub factors: Arc<Factors>,
}

/// Why a passkey is not added, or opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The server has an address for a name.
    #[error("this server has no name that a passkey could be for")]
    Unavailable,
    /// Nothing was asked of this browser, or too long ago.
    #[error("the browser took too long to answer")]
    Late,
    /// What the device says is not true, or not about what was asked.
    #[error("the passkey is not right")]
    Wrong,
    /// It is there already.
    #[error("this passkey is there already")]
    Exists,
    /// The account has enough of them.
    #[error("an account can have at most {PER_ACCOUNT_MAX} passkeys")]
    TooMany,
    /// It is the only one, and the account has no password.
    #[error("this passkey is the only way in")]
    OnlyWayIn,
    /// Its owner could not be told.
    #[error(transparent)]
    Told(#[from] FactorError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for PasskeyError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(Unmet::Exists) => Self::Exists,
            RunError::Unmet(Unmet::Missing) => Self::Wrong,
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

impl Passkeys {
    /// Makes the service for a server of this name.
    pub fn new(parts: PasskeyParts, host: &Host, name: &str) -> Self {
        let PasskeyParts { store, world, vault, factors } = parts;
        let cache = || Cache::builder().max_capacity(ASKED_MAX).time_to_live(ANSWER_WITHIN);
        let (registrations, sign_ins) = (cache().build(), Cache::builder().max_capacity(ASKED_MAX));
        let sign_ins = sign_ins.time_to_live(ANSWER_WITHIN).build();
        let webauthn = webauthn(host, name);
        Self { store, world, vault, factors, webauthn, registrations, sign_ins }
    }

    /// Whether there can be passkeys.
    pub fn are_available(&self) -> bool {
        self.webauthn.is_some()
    }

    /// An account's passkeys, the oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, account: AccountId) -> Result<Vec<StoredPasskey>, StoreError> {
        passkeys::list(&self.store.db, account).await
    }

    /// What to ask a browser for a new passkey of an account.
    ///
    /// # Errors
    /// [`PasskeyError::TooMany`], [`PasskeyError::Unavailable`].
    pub async fn begin(&self, account: &Account, device: &str) -> Result<Value, PasskeyError> {
        let webauthn = self.webauthn.as_ref().ok_or(PasskeyError::Unavailable)?;
        let known = self.of(account.id).await?;
        if known.len() >= PER_ACCOUNT_MAX {
            return Err(PasskeyError::TooMany);
        }
        let known = known.iter().filter_map(|one| BASE64URL_NOPAD.decode(one.id.as_bytes()).ok());
        let known = known.collect();
        let (id, name) = (self.user_of(account), account.handle.as_str());
        let begun = webauthn.start_passkey_registration(id, name, name, Some(known));
        let (asked, state) = begun.map_err(|_| PasskeyError::Unavailable)?;
        self.registrations.insert(device.to_owned(), (account.id, Arc::new(state)));
        let mut asked = serde_json::to_value(asked).map_err(|_| PasskeyError::Unavailable)?;
        // So that nobody has to type their name.
        asked["publicKey"]["authenticatorSelection"]["residentKey"] = Value::from("preferred");
        Ok(asked)
    }

    /// Adds the passkey with which a browser answers.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub async fn finish(
        &self,
        account: &Account,
        device: &str,
        (name, answer): (&str, &str),
    ) -> Result<(), PasskeyError> {
        let webauthn = self.webauthn.as_ref().ok_or(PasskeyError::Unavailable)?;
        let begun = self.registrations.remove(device);
        let (_, state) =
            begun.filter(|(whose, _)| *whose == account.id).ok_or(PasskeyError::Late)?;
        let answer: RegisterPublicKeyCredential =
            serde_json::from_str(answer).map_err(|_| PasskeyError::Wrong)?;
        let passkey = webauthn.finish_passkey_registration(&answer, &state);
        let passkey = passkey.map_err(|_| PasskeyError::Wrong)?;
        let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        let new = StoredPasskey {
            id: BASE64URL_NOPAD.encode(passkey.cred_id()),
            account: account.id,
            name,
            credential: text_of(&passkey)?,
            created_at: self.world.clock.now(),
            used_at: None,
        };
        let mut batch = Batch::new();
        passkeys::insert(&mut batch, &new);
        self.store.db.run(batch).await?;
        Ok(self.factors.tell(account, &Notice::PasskeyAdded { name: &new.name }).await?)
    }

    /// Forgets a passkey.
    ///
    /// # Errors
    /// [`PasskeyError::OnlyWayIn`] for the last one of an account without a
    /// password.
    pub async fn remove(&self, account: &Account, id: &str) -> Result<(), PasskeyError> {
        let found = passkeys::find(&self.store.db, id).await?;
        let Some(found) = found.filter(|found| found.account == account.id) else { return Ok(()) };
        if passwords::is_none(&account.password_hash) && self.of(account.id).await?.len() < 2 {
            return Err(PasskeyError::OnlyWayIn);
        }
        let mut batch = Batch::new();
        passkeys::delete(&mut batch, account.id, id);
        self.store.db.run(batch).await?;
        Ok(self.factors.tell(account, &Notice::PasskeyRemoved { name: &found.name }).await?)
    }

    /// What to ask a browser in which somebody wants to sign in.
    ///
    /// # Errors
    /// [`PasskeyError::Unavailable`].
    pub fn begin_sign_in(&self, device: &str) -> Result<Value, PasskeyError> {
        let webauthn = self.webauthn.as_ref().ok_or(PasskeyError::Unavailable)?;
        let begun = webauthn.start_discoverable_authentication();
        let (asked, state) = begun.map_err(|_| PasskeyError::Unavailable)?;
        self.sign_ins.insert(device.to_owned(), Arc::new(state));
        let mut asked = serde_json::to_value(asked).map_err(|_| PasskeyError::Unavailable)?;
        // The page asks at once, not when a field is filled.
        if let Some(asked) = asked.as_object_mut() {
            asked.remove("mediation");
        }
        Ok(asked)
    }

    /// The account whose passkey a browser answers with.
    ///
    /// # Errors
    /// [`PasskeyError::Wrong`], [`PasskeyError::Late`].
    pub async fn sign_in(&self, device: &str, answer: &str) -> Result<Account, PasskeyError> {
        let webauthn = self.webauthn.as_ref().ok_or(PasskeyError::Unavailable)?;
        let state = self.sign_ins.remove(device).ok_or(PasskeyError::Late)?;
        let answer: PublicKeyCredential =
            serde_json::from_str(answer).map_err(|_| PasskeyError::Wrong)?;
        let identified = webauthn.identify_discoverable_authentication(&answer);
        let (user, id) = identified.map_err(|_| PasskeyError::Wrong)?;
        let id = BASE64URL_NOPAD.encode(id);
        let stored = passkeys::find(&self.store.db, &id).await?.ok_or(PasskeyError::Wrong)?;
        let account = accounts::find(&self.store.db, stored.account).await?;
        let account = account.ok_or(PasskeyError::Wrong)?;
        if user != self.user_of(&account) {
            return Err(PasskeyError::Wrong);
        }
        let mut passkey: Passkey =
            serde_json::from_str(&stored.credential).map_err(|error| StoreError::Corrupt {
                table: "passkeys".to_owned(),
                key: id.clone(),
                what: error.to_string(),
            })?;
        let state = DiscoverableAuthentication::clone(&state);
        let checked = webauthn.finish_discoverable_authentication_v2(&answer, state, &passkey);
        let checked = checked.map_err(|_| PasskeyError::Wrong)?;
        passkey.update_credential(&checked);
        let mut batch = Batch::new();
        let text = text_of(&passkey)?;
        passkeys::note_use(&mut batch, &id, &text, self.world.clock.now());
        self.store.db.run(batch).await?;
        Ok(account)
    }

    /// The name by which devices know an account: always the same, and no one's
    /// guess.
    fn user_of(&self, account: &Account) -> Uuid {
        let digest = self.vault.digest("passkey user", account.did.as_str().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(bytes)
    }
}

fn webauthn(host: &Host, name: &str) -> Option<Webauthn> {
    let origin = Url::parse(&host.public_url).ok()?;
    let builder = WebauthnBuilder::new(origin.domain()?, &origin).ok()?;
    builder.rp_name(name).timeout(ANSWER_WITHIN).build().ok()
}

fn text_of(passkey: &Passkey) -> Result<String, PasskeyError> {
    serde_json::to_string(passkey).map_err(|_| PasskeyError::Wrong)
}
