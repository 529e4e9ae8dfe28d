//! One writer for each account.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::store::AccountId;

/// Locks by account; an account that nobody waits for costs nothing.
///
/// The inner lock is an async one, because its holder waits for the store; the
/// outer one is held for a look at the map and never across an await.
#[derive(Clone, Default)]
pub struct Locks {
    held: Arc<Mutex<HashMap<AccountId, Arc<tokio::sync::Mutex<()>>>>>,
}

/// The lock of an account, held until this is dropped.
pub struct Guard {
    locks: Locks,
    account: AccountId,
    /// `None` only while it is being dropped.
    inner: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits for the lock of `account`; who came first gets it first.
    pub async fn lock(&self, account: AccountId) -> Guard {
        let lock = self.held.lock().entry(account).or_default().clone();
        let waiting = Waiting { locks: self, account };
        let inner = lock.lock_owned().await;
        std::mem::forget(waiting);
        Guard { locks: self.clone(), account, inner: Some(inner) }
    }

    /// Forgets the account's lock where nobody holds it or waits for it.
    fn release(&self, account: AccountId) {
        let mut held = self.held.lock();
        if held.get(&account).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&account);
        }
    }
}

/// Somebody who waits and may give up.
struct Waiting<'a> {
    locks: &'a Locks,
    account: AccountId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.release(self.account);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner = None;
        self.locks.release(self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_nothing_stays() {
        let locks = Locks::default();
        let first = locks.lock(AccountId(1)).await;
        let other = locks.lock(AccountId(2)).await;
        let mut second = Box::pin(locks.lock(AccountId(1)));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop((first, other));
        let second = second.await;
        assert_eq!(locks.held.lock().len(), 1);
        drop(second);
        assert_eq!(locks.held.lock().len(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing() {
        let locks = Locks::default();
        let first = locks.lock(AccountId(1)).await;
        let mut second = Box::pin(locks.lock(AccountId(1)));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(second);
        drop(first);
        assert_eq!(locks.held.lock().len(), 0);
    }
}
