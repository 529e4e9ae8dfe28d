//! Codes that accounts earn by staying: one for each interval of time.
//!
//! Nothing is handed out by a clock. When an account asks for its codes, those
//! that it has earned since the epoch and not yet been given are made, as long
//! as it does not sit on too many unused ones. What the operator gave it does
//! not count.

use std::time::Duration;

use super::{ADMIN, InviteError, Invites, Used};
use crate::atproto::Moment;
use crate::store::accounts::Account;
use crate::store::invites::{self, Invite};
use crate::store::{Batch, RunError, Unmet};

/// Earned codes that an account may hold unused; more are made when these are
/// gone. The number of the official server.
const UNUSED_MAX: i64 = 5;
/// How often codes are looked at again because another request made some.
const ATTEMPTS_MAX: u32 = 4;

/// How accounts earn codes; the operator's choice.
#[derive(Debug, Clone, Copy)]
pub struct Earning {
    /// How long an account stays for one code; more than nothing.
    pub interval: Duration,
    /// From when on intervals count.
    pub epoch: Moment,
}

impl Invites {
    /// Returns the codes that an account may give to others, with those that it
    /// has earned by now.
    ///
    /// # Errors
    /// The store's.
    pub async fn earned_by(&self, account: &Account) -> Result<Vec<Used>, InviteError> {
        for _ in 0..ATTEMPTS_MAX {
            let codes = self.of_account(&account.did).await?;
            let Some(earning) = self.earning else { return Ok(codes) };
            let due = earning.due(account.created_at, self.world.clock.now(), &codes);
            if due == 0 || self.ban_of(account.id).await?.is_some() {
                return Ok(codes);
            }
            let mut batch = Batch::new();
            let own = codes.iter().filter(|used| used.invite.created_by != ADMIN).count();
            invites::expect_created(&mut batch, &account.did, own as u64);
            for _ in 0..due {
                invites::insert(&mut batch, &self.earned(account));
            }
            match self.store.db.run(batch).await {
                Ok(()) | Err(RunError::Unmet(Unmet::Exists | Unmet::Missing)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.of_account(&account.did).await
    }

    fn earned(&self, account: &Account) -> Invite {
        Invite {
            code: self.new_code(),
            uses_max: 1,
            uses_left: 1,
            for_account: account.did.as_str().to_owned(),
            created_by: account.did.as_str().to_owned(),
            created_at: self.world.clock.now(),
            disabled_at: None,
        }
    }
}

impl Earning {
    /// How many codes are to be made now.
    fn due(&self, since: Moment, now: Moment, codes: &[Used]) -> i64 {
        let own = || codes.iter().filter(|used| used.invite.created_by != ADMIN);
        let unused =
            own().filter(|used| used.invite.disabled_at.is_none() && used.invite.uses_left > 0);
        let given = own().filter(|used| used.invite.created_at > self.epoch);
        let earned = self.intervals(since, now) - self.intervals(since, self.epoch.min(now));
        let room = UNUSED_MAX - unused.count() as i64;
        room.min(earned - given.count() as i64).max(0)
    }

    /// Whole intervals from one moment to another, none if that is earlier.
    fn intervals(&self, from: Moment, to: Moment) -> i64 {
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        to.unix_ms().saturating_sub(from.unix_ms()).max(0) / interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn day(number: i64) -> Moment {
        Moment::from_unix_ms(number * DAY_MS)
    }

    fn code(by: &str, made: i64, uses_left: i64) -> Used {
        let invite = Invite {
            code: "a-code".to_owned(),
            uses_max: 1,
            uses_left,
            for_account: "did:plc:alice".to_owned(),
            created_by: by.to_owned(),
            created_at: day(made),
            disabled_at: None,
        };
        Used { invite, uses: Vec::new() }
    }

    #[test]
    fn a_code_is_earned_for_each_interval_since_the_epoch() {
        let earning =
            |epoch: i64| Earning { interval: Duration::from_secs(10 * 86_400), epoch: day(epoch) };
        let check = |epoch: i64, since: i64, now: i64, codes: &[Used], expected: i64| {
            let due = earning(epoch).due(day(since), day(now), codes);
            assert_eq!(due, expected, "{epoch} {since} {now} {codes:?}");
        };
        check(0, 100, 109, &[], 0);
        check(0, 100, 110, &[], 1);
        check(0, 100, 149, &[], 4);
        check(0, 100, 900, &[], 5);
        check(120, 100, 149, &[], 2);
        check(200, 100, 149, &[], 0);
        let own = |made: i64, left: i64| code("did:plc:alice", made, left);
        check(0, 100, 149, &[own(111, 0), own(121, 1)], 2);
        check(0, 100, 149, &[code("admin", 111, 1), code("admin", 112, 1)], 4);
        check(0, 100, 900, &[own(111, 1), own(121, 1), own(131, 0)], 3);
        check(120, 100, 149, &[own(111, 0)], 2);
    }
}
