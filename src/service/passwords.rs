//! Passwords: how they are hashed, checked and renewed.
//!
//! New ones are argon2id. Those of an installation of the official server are
//! scrypt and stay good; the first log-in replaces them. Hashing is work by
//! design, so it runs on a few blocking threads behind a bounded queue: a
//! flood of log-ins waits for itself and not the rest of the server for it.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::world::Entropy;

/// Characters of a new password.
pub const NEW_CHARS_MAX: usize = 256;
/// Characters of a password that somebody logs in with: older servers allowed
/// longer ones.
pub const CHARS_MAX: usize = 512;

/// What is stored for an account without a password: no password has this hash.
const NONE: &str = "!";

/// Memory, passes and lanes of argon2id: OWASP's first choice for servers.
const ARGON2_KIB: u32 = 19 * 1024;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// Cost of the official server's scrypt: N = 2^14, r = 8, p = 1.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
const SCRYPT_BYTES: usize = 64;

/// Hashes computed at once; each holds 16 to 19 MiB.
const HASHES_MAX: usize = 4;
/// Requests that may wait for a hash; beyond them the answer is "later".
const WAITING_MAX: usize = 128;

/// Hashes and checks passwords, a few at a time; cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    entropy: Entropy,
    /// Held while a hash is computed; shared with the blocking threads.
    workers: Arc<Semaphore>,
    /// Held while waiting for a worker too, so that the queue has an end.
    queue: Arc<Semaphore>,
}

/// Whether a password is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It is, and its hash should be replaced by one of today's kind.
    RightButOld,
    /// It is not.
    Wrong,
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being hashed already.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// A stored hash has no known form.
    #[error("a stored password hash cannot be read")]
    Unreadable,
    /// The hash function itself refused, which it has no reason to.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// What to store for an account that has no password.
pub fn no_hash() -> String {
    NONE.to_owned()
}

/// Whether an account has no password, by what is stored.
pub fn is_none(stored: &str) -> bool {
    stored == NONE
}

impl Passwords {
    /// Makes the pool; `entropy` gives the salts.
    pub fn new(entropy: Entropy) -> Self {
        let workers =
            std::thread::available_parallelism().map_or(1, |cores| cores.get().min(HASHES_MAX));
        Self {
            entropy,
            workers: Arc::new(Semaphore::new(workers)),
            queue: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt = self.entropy.bytes::<SALT_BYTES>();
        let password = Zeroizing::new(password.to_owned());
        self.run(move || argon2id(&password, &salt)).await
    }

    /// Checks `password` against a stored hash of either kind.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full,
    /// [`PasswordError::Unreadable`] for a hash of no known form.
    pub async fn verify(&self, password: &str, stored: &str) -> Result<Verdict, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let stored = stored.to_owned();
        self.run(move || verdict(&password, &stored)).await
    }

    /// Does the work of a check that fails, for a log-in to an account that
    /// does not exist.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn verify_nobody(&self, password: &str) -> Result<(), PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || argon2id(&password, &[0; SALT_BYTES])).await.map(drop)
    }

    /// Computes the official server's hash of an app password, whose salt is
    /// the account's and therefore needs computing once for all of them.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn scrypt(&self, password: &str, salt: &str) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let salt = salt.to_owned();
        self.run(move || official_scrypt(&password, &salt)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _waiting = self.queue.try_acquire().map_err(|_| PasswordError::Busy)?;
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let work = move || {
            let result = work();
            drop(worker);
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| PasswordError::Failed(error.to_string()))?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, None)
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn argon2id(password: &str, salt: &[u8]) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2()?
        .hash_password_with_salt(password.as_bytes(), salt)
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(hash.to_string())
}

fn verdict(password: &str, stored: &str) -> Result<Verdict, PasswordError> {
    if stored.starts_with('$') {
        let hash = PasswordHash::new(stored).map_err(|_| PasswordError::Unreadable)?;
        let right = argon2()?.verify_password(password.as_bytes(), &hash).is_ok();
        return Ok(if right { Verdict::Right } else { Verdict::Wrong });
    }
    if is_none(stored) {
        // It takes as long as any other.
        argon2id(password, &[0; SALT_BYTES])?;
        return Ok(Verdict::Wrong);
    }
    let (salt, _) = stored.split_once(':').ok_or(PasswordError::Unreadable)?;
    let computed = official_scrypt(password, salt)?;
    let right = bool::from(computed.as_bytes().ct_eq(stored.as_bytes()));
    Ok(if right { Verdict::RightButOld } else { Verdict::Wrong })
}

/// `salt:hash` as the official server writes it: the salt's own text is what
/// goes into the function, not the bytes that it spells.
fn official_scrypt(password: &str, salt: &str) -> Result<String, PasswordError> {
    let failed = |error: &dyn std::fmt::Display| PasswordError::Failed(error.to_string());
    let params = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(|e| failed(&e))?;
    let mut hash = [0; SCRYPT_BYTES];
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut hash)
        .map_err(|error| failed(&error))?;
    Ok(format!("{salt}:{}", data_encoding::HEXLOWER.encode(&hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Entropy::seeded(1))
    }

    #[tokio::test]
    async fn a_new_hash_is_argon2id_and_opens_to_its_password_only() {
        let passwords = passwords();
        let stored = passwords.hash("correct horse").await.expect("hashes");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(passwords.verify("correct horse", &stored).await.ok(), Some(Verdict::Right));
        assert_eq!(passwords.verify("battery staple", &stored).await.ok(), Some(Verdict::Wrong));
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = passwords();
        let first = passwords.hash("same").await.expect("hashes");
        assert_ne!(passwords.hash("same").await.expect("hashes"), first);
    }

    /// The value comes from Node's `crypto.scryptSync`, which the official
    /// server uses: `scryptSync("hunter2", "000102030405060708090a0b0c0d0e0f",
    /// 64)`.
    #[tokio::test]
    async fn a_hash_of_the_official_server_is_good_once_and_then_renewed() {
        let passwords = passwords();
        let stored = OFFICIAL;
        assert_eq!(passwords.verify("hunter2", stored).await.ok(), Some(Verdict::RightButOld));
        assert_eq!(passwords.verify("hunter3", stored).await.ok(), Some(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_hash_of_no_known_form_is_an_error_and_not_a_wrong_password() {
        let verdict = passwords().verify("x", "plain text").await;
        assert!(matches!(verdict, Err(PasswordError::Unreadable)));
    }

    #[tokio::test]
    async fn no_password_opens_what_has_none() {
        for password in ["", "!", "anything"] {
            let verdict = passwords().verify(password, &no_hash()).await;
            assert_eq!(verdict.ok(), Some(Verdict::Wrong));
        }
    }

    const OFFICIAL: &str = "000102030405060708090a0b0c0d0e0f:ea9df5abd6826beb5d198aee803e7674\
        19b2a56139c50a128286e6b619b3c8bb1a0c5c5a2f436f860ba0670d7d02a4318d05626cc059606fc165577a35bdaddc";
}
