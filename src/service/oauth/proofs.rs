//! Proofs of possession: nonces that go out, and proofs that came in.
//!
//! A nonce follows from the minute, so none is stored; a proof must carry one
//! of the last minutes. Proofs are remembered for exactly as long as their nonce
//! is good, by the minute, so that a minute's are forgotten at once. Both are of
//! this process: after a restart every client gets a new nonce first.
//!
//! Spec: <https://atproto.com/specs/oauth#demonstrating-proof-of-possession-d-po-p>

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::OAuthError;
use crate::atproto::oauth::dpop::{Proof, Request};
use crate::world::{Clock, World};

/// How often the nonce changes.
const NONCE_PERIOD: Duration = Duration::from_secs(60);
/// Nonces before the present one that are still taken: two to three minutes.
// spec: oauth#demonstrating-proof-of-possession-d-po-p
const NONCES_BEFORE: u64 = 2;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 16;
/// Proofs that are remembered of one period: 10,000 a second, in some 40 MB.
const PROOFS_MAX: usize = 600_000;

/// Gives out nonces and remembers proofs.
pub struct Proofs {
    clock: Clock,
    key: [u8; 32],
    /// By period; touched once for each request with a proof, and never across
    /// an await.
    seen: Mutex<HashMap<u64, HashSet<u128>>>,
}

impl Proofs {
    /// Begins with a key of its own and nothing seen.
    pub fn new(world: &World) -> Self {
        let key = world.entropy.bytes();
        Self { clock: world.clock.clone(), key, seen: Mutex::default() }
    }

    /// The nonce that the next proof must carry.
    pub fn nonce(&self) -> String {
        self.nonce_of(self.period())
    }

    /// Reads the proof of a request and uses it up.
    ///
    /// # Errors
    /// [`OAuthError::Proof`], [`OAuthError::UseNonce`], [`OAuthError::Busy`].
    pub fn check(&self, text: &str, request: &Request<'_>) -> Result<Proof, OAuthError> {
        let proof = Proof::parse(text)?;
        let nonce = proof.nonce.as_deref().ok_or(OAuthError::UseNonce)?;
        let now = self.period();
        let mut good = (now.saturating_sub(NONCES_BEFORE)..=now).rev();
        let period = good.find(|period| self.nonce_of(*period) == nonce);
        let period = period.ok_or(OAuthError::UseNonce)?;
        proof.check(request, self.clock.now())?;
        self.use_up(&proof, period, now)?;
        Ok(proof)
    }

    fn use_up(&self, proof: &Proof, period: u64, now: u64) -> Result<(), OAuthError> {
        let mut seen = self.seen.lock();
        seen.retain(|period, _| *period + NONCES_BEFORE >= now);
        let seen = seen.entry(period).or_default();
        if seen.len() >= PROOFS_MAX {
            return Err(OAuthError::Busy);
        }
        match seen.insert(name_of(proof)) {
            true => Ok(()),
            false => Err(OAuthError::Proof("the DPoP proof was used before".to_owned())),
        }
    }

    fn period(&self) -> u64 {
        self.clock.now_us() / 1_000_000 / NONCE_PERIOD.as_secs()
    }

    fn nonce_of(&self, period: u64) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        let digest = mac.chain_update(period.to_be_bytes()).finalize().into_bytes();
        BASE64URL_NOPAD.encode(&digest[..NONCE_BYTES])
    }
}

/// What stands for a proof: the names that one key gives are its own affair.
fn name_of(proof: &Proof) -> u128 {
    let digest = Sha256::new()
        .chain_update(proof.thumbprint.as_bytes())
        .chain_update([0])
        .chain_update(proof.jti.as_bytes())
        .finalize();
    let mut name = [0; 16];
    name.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(name)
}
