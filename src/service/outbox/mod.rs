//! The outbox: letters are stored with what made them necessary, and sent later.
//!
//! No request waits for a relay. A letter is sealed and added to the batch of
//! whoever writes it; a few senders take letters one at a time, try each again
//! with growing pauses, and give it up when it is of no use any more or has
//! been refused for good. A sender that dies loses its claim and nothing else:
//! the letter is sent by the next one, so it may rarely arrive twice.

pub mod letters;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::atproto::Moment;
use crate::store::accounts::Account;
use crate::store::email_tokens::Purpose;
use crate::store::outbox::{self, Claimed, NewLetter};
use crate::store::vault::Vault;
use crate::store::{AccountId, Batch, Db, RunError, StoreError};
use crate::world::World;
use letters::Notice;

use crate::world::mail::{Letter, MailError, SEND_TIME_MAX, Sender};

/// Letters that are being sent at once; each is one connection to the relay.
const SENDERS: usize = 4;
/// How long a claim lasts: a try that takes all its time, and some more.
const CLAIM: Duration = SEND_TIME_MAX.saturating_add(Duration::from_secs(30));
/// How often senders look without being woken: for letters whose pause is over
/// and for those of other processes.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pauses after the first, second, … try that failed; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(60),
    Duration::from_secs(3 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];
/// Tries of a letter.
const TRIES_MAX: i64 = 30;
/// How long a letter without a code is worth sending.
const LASTING: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a letter that was given up can be seen.
const SHOWN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Random bytes in a letter's name.
const ID_BYTES: usize = 16;
/// What letters are about that carry no code.
const NOTICE: &str = "notice";
const OF_OPERATOR: &str = "of_operator";

/// Stores letters and sends them; shared by whoever writes one.
pub struct Outbox {
    db: Db,
    world: World,
    vault: Vault,
    /// Wakes senders that have nothing to do.
    wake: Notify,
}

/// A code that is to be sent.
#[derive(Clone, Copy)]
pub struct NewCode<'c> {
    /// What it permits.
    pub purpose: Purpose,
    /// The code.
    pub code: &'c str,
    /// When it stops being good.
    pub expires_at: Moment,
}

/// A letter about an account.
struct About<'a> {
    account: AccountId,
    topic: &'a str,
    expires_at: Moment,
}

/// When a sender that has nothing to do looks again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// When it is woken; enough for those that share the work of the first.
    WhenWoken,
    /// Also every few seconds.
    Regularly,
}

impl Outbox {
    /// Makes the outbox in `db`, sealed by `vault`.
    pub fn new(db: Db, vault: Vault, world: World) -> Self {
        Self { db, world, vault, wake: Notify::new() }
    }

    /// Whether letters of this kind are delivered at all.
    pub fn delivers(&self, sender: Sender) -> bool {
        self.world.mail.delivers(sender)
    }

    /// Adds the letter that carries a code, in place of one for the same
    /// purpose that waits. Whoever runs the batch calls [`Outbox::wake`].
    pub fn put_code(&self, batch: &mut Batch, account: &Account, new: &NewCode<'_>) {
        let NewCode { purpose, code, expires_at } = *new;
        let letter = letters::code(&account.email, &account.handle, purpose, code);
        let topic = purpose.name();
        outbox::delete_of_topic(batch, account.id, topic);
        self.put(batch, &About { account: account.id, topic, expires_at }, &letter);
    }

    /// Adds the notice to `account`'s address of now that it gets another one,
    /// and takes back codes that wait to be sent to it.
    pub fn put_email_changed(&self, batch: &mut Batch, account: &Account) {
        self.take_back_codes(batch, account.id);
        if self.delivers(Sender::Accounts) {
            let letter = letters::email_changed(&account.email, &account.handle);
            self.put(batch, &self.lasting(account.id, NOTICE), &letter);
        }
    }

    /// Adds the notice that something about the safety of `account` has changed; to
    /// an address that its owner has shown to read, since it tells where they are.
    pub fn put_notice(&self, batch: &mut Batch, account: &Account, notice: &Notice<'_>) {
        if account.email_confirmed_at.is_some() && self.delivers(Sender::Accounts) {
            let letter = letters::notice(&account.email, &account.handle, notice);
            self.put(batch, &self.lasting(account.id, NOTICE), &letter);
        }
    }

    /// Takes back codes that wait to be sent.
    pub fn take_back_codes(&self, batch: &mut Batch, account: AccountId) {
        for purpose in Purpose::ALL {
            outbox::delete_of_topic(batch, account, purpose.name());
        }
    }

    /// Stores a letter in the operator's words.
    ///
    /// # Errors
    /// The store's.
    pub async fn send_of_operator(
        &self,
        account: &Account,
        subject: Option<&str>,
        content: &str,
    ) -> Result<(), RunError> {
        let letter = letters::of_operator(&account.email, subject, content);
        let mut batch = Batch::new();
        self.put(&mut batch, &self.lasting(account.id, OF_OPERATOR), &letter);
        self.db.run(batch).await?;
        self.wake();
        Ok(())
    }

    /// Tells the senders that there is something new.
    pub fn wake(&self) {
        self.wake.notify_waiters();
    }

    /// Sends letters for as long as it is polled.
    pub async fn deliver(&self) {
        let further = (1..SENDERS).map(|_| self.send_all(Looks::WhenWoken));
        let first = self.send_all(Looks::Regularly);
        tokio::join!(first, join_all(further));
    }

    /// Forgets letters that were given up long ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_old(&self) -> Result<(), StoreError> {
        outbox::delete_given_up(&self.db, self.now().minus(SHOWN)).await
    }

    fn lasting<'a>(&self, account: AccountId, topic: &'a str) -> About<'a> {
        About { account, topic, expires_at: self.now().plus(LASTING) }
    }

    fn put(&self, batch: &mut Batch, about: &About<'_>, letter: &Letter) {
        let id = self.world.entropy.token_hex(ID_BYTES);
        let sealed = self.vault.seal(&owner(&id), &letter.to_bytes(), self.world.entropy.bytes());
        let new = NewLetter {
            id: &id,
            account: about.account,
            topic: about.topic,
            sealed: &sealed,
            created_at: self.now(),
            expires_at: about.expires_at,
        };
        outbox::insert(batch, &new);
    }

    /// One sender: takes a letter, sends it, takes the next, waits.
    async fn send_all(&self, looks: Looks) {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            match self.send_next().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!("The outbox cannot be read: {error}."),
            }
            tokio::select! {
                () = woken => {}
                () = self.world.clock.sleep(LOOK_EVERY), if looks == Looks::Regularly => {}
            }
        }
    }

    /// Tries one letter; says whether there was one.
    async fn send_next(&self) -> Result<bool, StoreError> {
        let now = self.now();
        // A claim is a write, and nearly always nothing is due.
        if !outbox::is_due(&self.db, now).await? {
            return Ok(false);
        }
        let Some(claimed) = outbox::claim(&self.db, now, now.plus(CLAIM)).await? else {
            return Ok(false);
        };
        self.wake();
        if claimed.expires_at <= now {
            self.give_up(&claimed, "expired").await?;
            return Ok(true);
        }
        let opened = self.vault.open(&owner(&claimed.id), &claimed.sealed).ok();
        let Some(letter) = opened.and_then(|bytes| Letter::from_bytes(&bytes)) else {
            self.give_up(&claimed, "cannot be opened").await?;
            return Ok(true);
        };
        match self.world.mail.send(&letter).await {
            Ok(_) => outbox::delete(&self.db, &claimed.id).await?,
            Err(error) => self.failed(&claimed, &error).await?,
        }
        Ok(true)
    }

    async fn failed(&self, claimed: &Claimed, error: &MailError) -> Result<(), StoreError> {
        let again_at = self.now().plus(pause(claimed.tries));
        let lost = error.is_final() || claimed.tries >= TRIES_MAX;
        if lost || again_at >= claimed.expires_at {
            return self.give_up(claimed, &error.kind()).await;
        }
        let (topic, tries, kind) = (&claimed.topic, claimed.tries, error.kind());
        tracing::info!("A letter ({topic}) was not taken ({kind}); it waits after {tries} tries.");
        outbox::postpone(&self.db, claimed, again_at, &kind).await
    }

    async fn give_up(&self, claimed: &Claimed, fault: &str) -> Result<(), StoreError> {
        let (topic, tries) = (&claimed.topic, claimed.tries);
        tracing::warn!("A letter ({topic}) was given up after {tries} tries: {fault}.");
        outbox::give_up(&self.db, claimed, self.now(), fault).await
    }

    fn now(&self) -> Moment {
        self.world.clock.now()
    }
}

/// To what a letter's sealed bytes are bound.
fn owner(id: &str) -> String {
    format!("letter {id}")
}

/// How long a letter waits after its try of this number.
fn pause(tries: i64) -> Duration {
    let at = usize::try_from(tries.saturating_sub(1)).unwrap_or(0);
    PAUSES[at.min(PAUSES.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_the_life_of_a_code() {
        assert_eq!(pause(1), Duration::from_secs(5));
        assert_eq!(pause(2), Duration::from_secs(20));
        assert_eq!(pause(99), Duration::from_secs(60 * 60));
        let first_four: Duration = PAUSES[..4].iter().sum();
        assert!(first_four < Duration::from_secs(15 * 60));
    }
}
