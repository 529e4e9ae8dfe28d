//! Browsers: which one is asking, who is signed in there, and for how long.
//!
//! A browser is known by a secret that it keeps as a cookie. The secret changes
//! at each sign-in, so that one that was planted beforehand is worth nothing.
//! How the cookie travels is not known here.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

use crate::atproto::Moment;
use crate::store::accounts::{self, Account};
use crate::store::devices::{self, Device, SignIn};
use crate::store::vault::{DIGEST_BYTES, Vault};
use crate::store::{AccountId, Batch, RunError, Store, StoreError};
use crate::world::World;

/// Bytes of a browser's secret.
const SECRET_BYTES: usize = 32;
/// Bytes of a browser's name.
const ID_BYTES: usize = 16;
/// How long a sign-in is good where the browser is to be kept in mind; then the
/// password is asked for again.
const KEPT_FRESH: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long it is good elsewhere.
const PASSING_FRESH: Duration = Duration::from_secs(60 * 60);
/// A browser that was not seen for so long is forgotten.
pub const KEPT_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// So is one in which nobody is signed in, much sooner.
const EMPTY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How exact it is when a browser was last seen.
const SEEN_STEP: Duration = Duration::from_secs(15 * 60);
/// Characters that are kept of what a browser calls itself.
const USER_AGENT_CHARS_MAX: usize = 300;
/// People who are signed in in one browser at once.
const SIGN_INS_MAX: usize = 12;

/// Knows browsers.
pub struct Devices {
    store: Store,
    world: World,
    vault: Vault,
}

/// How a browser presents itself.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// What it calls itself.
    pub user_agent: String,
    /// Where it is.
    pub address: String,
}

/// A browser that is known.
#[derive(Debug, Clone)]
pub struct Browser {
    /// What is kept of it.
    pub device: Device,
    /// Its secret.
    pub secret: String,
}

/// Whether a browser is to be kept in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until it says otherwise.
    Yes,
    /// Until it is closed.
    No,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub account: Account,
    /// Since when, and for how long.
    pub sign_in: SignIn,
    /// Whether they need not prove it again.
    pub fresh: Fresh,
}

/// Whether a sign-in is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// It is.
    Yes,
    /// It was, and tells only who was here.
    No,
}

/// What a browser is, by what it calls itself: `Firefox, Linux`. For people to
/// recognise it by; anything can call itself anything.
pub fn kind_of(user_agent: &str) -> &str {
    const KINDS: [(&str, &str, &str); 16] = [
        ("Edg/", "Windows", "Edge, Windows"),
        ("Edg/", "", "Edge"),
        ("Firefox/", "Android", "Firefox, Android"),
        ("Firefox/", "Windows", "Firefox, Windows"),
        ("Firefox/", "Macintosh", "Firefox, Mac"),
        ("Firefox/", "", "Firefox, Linux"),
        ("FxiOS/", "", "Firefox, iPhone"),
        ("CriOS/", "", "Chrome, iPhone"),
        ("Chrome/", "Android", "Chrome, Android"),
        ("Chrome/", "Windows", "Chrome, Windows"),
        ("Chrome/", "Macintosh", "Chrome, Mac"),
        ("Chrome/", "", "Chrome, Linux"),
        ("Safari/", "iPhone", "Safari, iPhone"),
        ("Safari/", "iPad", "Safari, iPad"),
        ("Safari/", "", "Safari, Mac"),
        ("", "", ""),
    ];
    let fits = |(browser, system, _): &&(&str, &str, &str)| {
        user_agent.contains(browser) && user_agent.contains(system)
    };
    match KINDS.iter().find(fits) {
        Some((_, _, kind)) if !kind.is_empty() => kind,
        _ if user_agent.is_empty() => "?",
        _ => user_agent,
    }
}

impl Devices {
    /// Makes the service.
    pub fn new(store: Store, world: World, vault: Vault) -> Self {
        Self { store, world, vault }
    }

    /// Finds the browser that is asking.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, visit: &Visit) -> Result<Option<Browser>, StoreError> {
        let Some(secret) = &visit.secret else { return Ok(None) };
        let found = devices::find(&self.store.db, &self.digest(secret)).await?;
        let Some(mut device) = found else { return Ok(None) };
        let now = self.now();
        if device.seen_at < now.minus(SEEN_STEP) {
            device = Device { seen_at: now, ..self.described(device.id, visit, device.created_at) };
            let mut batch = Batch::new();
            devices::see(&mut batch, &device);
            self.run(batch).await?;
        }
        Ok(Some(Browser { device, secret: secret.clone() }))
    }

    /// Finds the browser that is asking, or takes note of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn find_or_create(&self, visit: &Visit) -> Result<Browser, StoreError> {
        if let Some(browser) = self.find(visit).await? {
            return Ok(browser);
        }
        let id = self.world.entropy.token_hex(ID_BYTES);
        let device = self.described(id, visit, self.now());
        let secret = self.new_secret();
        let mut batch = Batch::new();
        devices::insert(&mut batch, &device, &self.digest(&secret));
        self.run(batch).await?;
        Ok(Browser { device, secret })
    }

    /// Signs somebody in who has proved who they are. Returns the browser with
    /// its new secret.
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_in(
        &self,
        browser: &Browser,
        account: AccountId,
        keep: Keep,
    ) -> Result<Browser, StoreError> {
        let now = self.now();
        let life = if keep == Keep::Yes { KEPT_FRESH } else { PASSING_FRESH };
        let secret = self.new_secret();
        let mut batch = Batch::new();
        devices::replace_cookie(&mut batch, &browser.device.id, &self.digest(&secret));
        let there = devices::sign_ins(&self.store.db, &browser.device.id).await?;
        let others = there.iter().filter(|sign_in| sign_in.account != account);
        for old in others.skip(SIGN_INS_MAX - 1) {
            devices::sign_out(&mut batch, &browser.device.id, old.account);
        }
        let sign_in = SignIn {
            device: browser.device.id.clone(),
            account,
            signed_in_at: now,
            fresh_until: now.plus(life),
            kept_at: (keep == Keep::Yes).then_some(now),
        };
        devices::sign_in(&mut batch, &sign_in);
        self.run(batch).await?;
        Ok(Browser { device: browser.device.clone(), secret })
    }

    /// Who is signed in in a browser, the last first. Who did not want to be
    /// kept in mind and has not been here for a while is not shown.
    ///
    /// # Errors
    /// The store's.
    pub async fn signed_in(&self, browser: &Browser) -> Result<Vec<SignedIn>, StoreError> {
        let now = self.now();
        let mut signed_in = Vec::new();
        for sign_in in devices::sign_ins(&self.store.db, &browser.device.id).await? {
            let fresh = if sign_in.fresh_until > now { Fresh::Yes } else { Fresh::No };
            if fresh == Fresh::No && sign_in.kept_at.is_none() {
                continue;
            }
            if let Some(account) = accounts::find(&self.store.db, sign_in.account).await? {
                signed_in.push(SignedIn { account, sign_in, fresh });
            }
        }
        Ok(signed_in)
    }

    /// Signs somebody out of a browser, theirs or another one.
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_out(&self, device: &str, account: AccountId) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        devices::sign_out(&mut batch, device, account);
        self.run(batch).await
    }

    /// The browsers in which an account is signed in, the last seen first.
    ///
    /// # Errors
    /// The store's.
    pub async fn of_account(
        &self,
        account: AccountId,
    ) -> Result<Vec<(Device, SignIn)>, StoreError> {
        devices::of_account(&self.store.db, account).await
    }

    /// What a form of this browser carries, so that no other page can send it.
    pub fn form_token(&self, browser: &Browser) -> String {
        BASE64URL_NOPAD.encode(&self.vault.digest("form token", browser.secret.as_bytes()))
    }

    /// Whether a form was made for this browser.
    pub fn is_form_token(&self, browser: &Browser, given: &str) -> bool {
        self.form_token(browser).as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Forgets browsers that are not used.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_unused(&self) -> Result<(), StoreError> {
        let now = self.now();
        let mut batch = Batch::new();
        devices::delete_unused(&mut batch, now.minus(KEPT_LIFE), now.minus(EMPTY_LIFE));
        self.run(batch).await
    }

    fn described(&self, id: String, visit: &Visit, created_at: Moment) -> Device {
        let shown = visit.user_agent.chars().filter(|c| !c.is_control());
        Device {
            id,
            user_agent: shown.take(USER_AGENT_CHARS_MAX).collect(),
            address: visit.address.clone(),
            created_at,
            seen_at: self.now(),
        }
    }

    fn new_secret(&self) -> String {
        BASE64URL_NOPAD.encode(&self.world.entropy.bytes::<SECRET_BYTES>())
    }

    fn digest(&self, secret: &str) -> [u8; DIGEST_BYTES] {
        self.vault.digest("browser", secret.as_bytes())
    }

    async fn run(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.db.run(batch).await.map_err(|error| match error {
            RunError::Unmet(unmet) => StoreError::Unexpected(unmet),
            RunError::Store(error) => error,
        })
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}
