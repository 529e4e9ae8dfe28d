//! Invite codes: made by the operator, used up by new accounts.

use super::Host;
use crate::atproto::Moment;
use crate::atproto::syntax::Did;
use crate::store::invites::{self, Invite};
use crate::store::{Batch, RunError, Store, StoreError};
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

impl Invites {
    /// Makes the service.
    pub fn new(store: Store, world: World, host: Host) -> Self {
        Self { store, world, host }
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
