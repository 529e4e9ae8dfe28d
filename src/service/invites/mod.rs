//! Invite codes: made and looked after by the operator, used up by new
//! accounts.

mod earned;

pub use earned::Earning;

use super::Host;
use crate::atproto::Moment;
use crate::atproto::syntax::Did;
use crate::store::invites::{self, After, Ban, Invite, InviteUse};
use crate::store::{AccountId, Batch, RunError, Store, StoreError, Unmet};
use crate::world::World;

/// Uses of one code.
pub const USES_MAX: i64 = 1_000_000;
/// Codes made in one call, for all accounts together.
pub const CODES_MAX: usize = 1_000;

/// Who stands for no account in particular.
const ADMIN: &str = "admin";
/// Characters of each of the two random parts of a code.
const PART_CHARS: usize = 5;

/// Makes invite codes and looks at them.
pub struct Invites {
    store: Store,
    world: World,
    host: Host,
    /// How accounts earn codes; nothing where they do not.
    earning: Option<Earning>,
}

/// How many codes are wanted, for how many uses.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Codes for each account.
    pub codes: i64,
    /// Uses of each code.
    pub uses: i64,
}

/// Why no codes were made.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Too many, or too few.
    #[error("from 1 to {CODES_MAX} codes can be made at once, for 1 to {USES_MAX} uses each")]
    Number,
    /// All codes of the operator would be disabled.
    #[error("cannot disable admin invite codes")]
    AllOfAdmin,
    /// The cursor is not one of ours.
    #[error("Malformed cursor")]
    Cursor,
    /// There is no such account.
    #[error("Account not found")]
    Missing,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RunError> for InviteError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unmet(unmet) => Self::Store(StoreError::Unexpected(unmet)),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

/// A code and who used it.
#[derive(Debug, Clone)]
pub struct Used {
    /// The code.
    pub invite: Invite,
    /// Its uses, the oldest first.
    pub uses: Vec<InviteUse>,
}

/// In which order all codes are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteOrder {
    /// The newest first.
    Recent,
    /// The most used first.
    Usage,
}

impl InviteOrder {
    /// Where a page begins: a place in the order and a code, joined by a colon
    /// pair, or the very beginning.
    fn after(self, cursor: Option<&str>) -> Result<After, InviteError> {
        let place = match cursor {
            None => None,
            Some(cursor) => Some(cursor.rsplit_once("::").ok_or(InviteError::Cursor)?),
        };
        match (self, place) {
            // After every moment, and above every number of uses.
            (Self::Recent, None) => Ok(After::Recent("~".to_owned(), String::new())),
            (Self::Usage, None) => Ok(After::Usage(USES_MAX + 1, String::new())),
            (Self::Recent, Some((at, code))) => Ok(After::Recent(at.to_owned(), code.to_owned())),
            (Self::Usage, Some((uses, code))) => {
                let uses = uses.parse().map_err(|_| InviteError::Cursor)?;
                Ok(After::Usage(uses, code.to_owned()))
            }
        }
    }

    fn cursor(self, last: &Invite) -> String {
        match self {
            Self::Recent => format!("{}::{}", last.created_at, last.code),
            Self::Usage => format!("{}::{}", last.uses_max - last.uses_left, last.code),
        }
    }
}

impl Invites {
    /// Makes the service.
    pub fn new(store: Store, world: World, host: Host, earning: Option<Earning>) -> Self {
        Self { store, world, host, earning }
    }

    /// Makes codes for each of `accounts`, or for whoever gets hold of them;
    /// answers with the codes of each, in order.
    ///
    /// # Errors
    /// [`InviteError::Number`]; then none was made.
    pub async fn create(
        &self,
        accounts: &[Option<Did>],
        wanted: Wanted,
    ) -> Result<Vec<Vec<String>>, InviteError> {
        let codes = usize::try_from(wanted.codes).unwrap_or(0);
        let some = (1..=CODES_MAX).contains(&codes.saturating_mul(accounts.len()));
        if !some || !(1..=USES_MAX).contains(&wanted.uses) {
            return Err(InviteError::Number);
        }
        let now = self.world.clock.now();
        let mut batch = Batch::new();
        let mut made = Vec::with_capacity(accounts.len());
        for account in accounts {
            let codes: Vec<_> = (0..codes).map(|_| self.new_code()).collect();
            for code in &codes {
                invites::insert(&mut batch, &invite(code, account.as_ref(), wanted.uses, now));
            }
            made.push(codes);
        }
        self.store.db.run(batch).await?;
        Ok(made)
    }

    /// Returns a page of all codes with their uses, and where the next begins.
    ///
    /// # Errors
    /// [`InviteError::Cursor`] and the store's.
    pub async fn list(
        &self,
        order: InviteOrder,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Used>, Option<String>), InviteError> {
        let after = order.after(cursor)?;
        let page = invites::list(&self.store.db, &after, limit).await?;
        let is_full = page.len() >= limit as usize;
        let next = page.last().filter(|_| is_full).map(|last| order.cursor(last));
        Ok((self.with_uses(page).await?, next))
    }

    /// Returns the codes that an account may give to others.
    ///
    /// # Errors
    /// The store's.
    pub async fn of_account(&self, did: &Did) -> Result<Vec<Used>, InviteError> {
        let codes = invites::list_for_account(&self.store.db, did).await?;
        self.with_uses(codes).await
    }

    /// Disables codes by name, and all codes of accounts.
    ///
    /// # Errors
    /// [`InviteError::AllOfAdmin`]; then none was disabled.
    pub async fn disable(&self, codes: &[String], accounts: &[String]) -> Result<(), InviteError> {
        if accounts.iter().any(|account| account == ADMIN) {
            return Err(InviteError::AllOfAdmin);
        }
        if codes.len().saturating_add(accounts.len()) > CODES_MAX {
            return Err(InviteError::Number);
        }
        let now = self.world.clock.now();
        let mut batch = Batch::new();
        for code in codes {
            invites::disable(&mut batch, code, now);
        }
        for account in accounts {
            invites::disable_for(&mut batch, account, now);
        }
        self.store.db.run(batch).await?;
        Ok(())
    }

    /// Lets an account get no further codes.
    ///
    /// # Errors
    /// [`InviteError::Missing`].
    pub async fn ban(&self, did: &Did, note: Option<&str>) -> Result<(), InviteError> {
        let mut batch = Batch::new();
        invites::ban(&mut batch, did, self.world.clock.now(), note);
        match self.store.db.run(batch).await {
            Err(RunError::Unmet(Unmet::AccountMissing)) => Err(InviteError::Missing),
            other => Ok(other?),
        }
    }

    /// Lets an account get codes again.
    ///
    /// # Errors
    /// The store's.
    pub async fn unban(&self, did: &Did) -> Result<(), InviteError> {
        let mut batch = Batch::new();
        invites::unban(&mut batch, did);
        Ok(self.store.db.run(batch).await?)
    }

    /// Says whether an account gets no further codes, and why.
    ///
    /// # Errors
    /// The store's.
    pub async fn ban_of(&self, account: AccountId) -> Result<Option<Ban>, InviteError> {
        Ok(invites::find_ban(&self.store.db, account).await?)
    }

    async fn with_uses(&self, codes: Vec<Invite>) -> Result<Vec<Used>, InviteError> {
        let mut used = Vec::with_capacity(codes.len());
        for invite in codes {
            let uses = invites::list_uses(&self.store.db, &invite.code).await?;
            used.push(Used { invite, uses });
        }
        Ok(used)
    }

    /// `pds-example-com-ab2cd-ef3gh`.
    fn new_code(&self) -> String {
        let host = self.host.hostname.replace('.', "-");
        let part = || self.world.entropy.token_base32(PART_CHARS);
        format!("{host}-{}-{}", part(), part())
    }
}

fn invite(code: &str, account: Option<&Did>, uses: i64, now: Moment) -> Invite {
    Invite {
        code: code.to_owned(),
        uses_max: uses,
        uses_left: uses,
        for_account: account.map_or(ADMIN, |did| did.as_str()).to_owned(),
        created_by: ADMIN.to_owned(),
        created_at: now,
        disabled_at: None,
    }
}
