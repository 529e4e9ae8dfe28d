//! Lock-outs: whoever tries too often waits, longer each time.
//!
//! Counted by what is tried (an account's password, its second factor) and from
//! where, so that a guesser waits and not the owner; and, with more patience, from
//! everywhere together, since somebody with many addresses is still one attacker.
//! A try counts when it begins, so that a hundred at once are a hundred. Who is
//! locked out is told without a look at what they brought. The wait has an end
//! and is kept in memory only; a browser in which the owner has signed in before
//! does not wait (see `service::sessions`), so that an attacker cannot keep
//! owners out for ever.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::atproto::Moment;
use crate::world::Clock;

/// Tries in a row from one place before anybody waits: a person who has three
/// passwords in mind, each with two typing errors.
const FREE: u32 = 10;
/// Tries in a row from everywhere together.
const FREE_IN_ALL: u32 = 60;
/// The first wait; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(30);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// After this much peace everything is forgotten.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Things that are counted at once; when there are more, the oldest are
/// forgotten.
const SUBJECTS_MAX: usize = 50_000;

/// Counts tries.
pub struct Lockouts {
    clock: Clock,
    /// Touched once or twice for each try, and never across an await.
    tries: Mutex<HashMap<String, Tries>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    in_a_row: u32,
    last_at: Moment,
    locked_until: Moment,
}

/// Too many tries; nothing was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too many attempts, try again in {} seconds", .0.as_secs())]
pub struct Locked(pub Duration);

impl Lockouts {
    /// Nothing was tried yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, tries: Mutex::default() }
    }

    /// Counts a try that begins now, from one place.
    ///
    /// # Errors
    /// [`Locked`].
    pub fn begin(&self, subject: &str, place: &str) -> Result<(), Locked> {
        self.count(&from(subject, place), FREE)?;
        self.count(subject, FREE_IN_ALL)
    }

    fn count(&self, subject: &str, free: u32) -> Result<(), Locked> {
        let now = self.clock.now();
        let mut all = self.tries.lock();
        if all.len() >= SUBJECTS_MAX {
            forget(&mut all, now);
        }
        let fresh = Tries { in_a_row: 0, last_at: now, locked_until: now };
        let tries = all.entry(subject.to_owned()).or_insert(fresh);
        if tries.last_at.plus(MEMORY) <= now {
            *tries = fresh;
        }
        if tries.locked_until > now {
            return Err(Locked(tries.locked_until.since(now)));
        }
        tries.in_a_row = tries.in_a_row.saturating_add(1);
        tries.last_at = now;
        if let Some(over) = tries.in_a_row.checked_sub(free) {
            let wait = WAIT_FIRST.saturating_mul(1 << over.min(10));
            tries.locked_until = now.plus(wait.min(WAIT_MAX));
        }
        Ok(())
    }

    /// A try was right: what was before is forgotten.
    pub fn succeeded(&self, subject: &str, place: &str) {
        let mut all = self.tries.lock();
        all.remove(subject);
        all.remove(&from(subject, place));
    }
}

fn from(subject: &str, place: &str) -> String {
    format!("{subject} from {place}")
}

/// Makes room: for what is over, else for the older half.
fn forget(all: &mut HashMap<String, Tries>, now: Moment) {
    all.retain(|_, tries| tries.last_at.plus(MEMORY) > now);
    if all.len() >= SUBJECTS_MAX {
        let mut times: Vec<Moment> = all.values().map(|tries| tries.last_at).collect();
        let (_, middle, _) = times.select_nth_unstable(SUBJECTS_MAX / 2);
        let middle = *middle;
        all.retain(|_, tries| tries.last_at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let clock = Clock::fake();
        let lockouts = Lockouts::new(clock.clone());
        let begin = || lockouts.begin("alice", "a").map_err(|Locked(wait)| wait.as_secs());
        for _ in 0..10 {
            assert_eq!(begin(), Ok(()));
        }
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(begin(), Err(wait));
            assert_eq!(lockouts.begin("bob", "a"), Ok(()));
            lockouts.succeeded("bob", "a");
            assert_eq!(lockouts.begin("alice", "b"), Ok(()));
            clock.advance(Duration::from_secs(wait));
            assert_eq!(begin(), Ok(()));
        }
        lockouts.succeeded("alice", "a");
        assert_eq!(begin(), Ok(()));
    }

    #[test]
    fn an_hour_of_peace_ends_everything() {
        let clock = Clock::fake();
        let lockouts = Lockouts::new(clock.clone());
        for _ in 0..10 {
            lockouts.begin("alice", "a").expect("free");
        }
        clock.advance(Duration::from_secs(60 * 60));
        for _ in 0..10 {
            lockouts.begin("alice", "a").expect("free again");
        }
        assert!(lockouts.begin("alice", "a").is_err());
    }

    #[test]
    fn many_places_are_one_attacker_in_the_end() {
        let lockouts = Lockouts::new(Clock::fake());
        let tries = (0..100).map(|place| lockouts.begin("alice", &place.to_string()));
        assert_eq!(tries.filter(Result::is_ok).count(), 60);
    }
}
