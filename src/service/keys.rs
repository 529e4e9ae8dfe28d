//! The signing keys of accounts: made here, sealed in the store, built once.
//!
//! A key leaves this room only as a [`SigningKey`], which signs and never shows
//! its secret. Building one costs as much as a signature, so built keys are
//! kept; the number is bounded.

use zeroize::Zeroizing;

use crate::{
    atproto::{
        crypto::{Curve, PublicKey, SECRET_BYTES, SigningKey},
        syntax::Did,
    },
    store::{
        AccountId, Batch, Db, StoreError,
        keys::{self, SealedKey},
        vault::Vault,
    },
    world::World,
};

/// Keys that are kept built; about 200 bytes each.
const BUILT_MAX: u64 = 20_000;

/// Makes, keeps and finds the keys that sign repositories.
#[derive(Clone)]
pub struct AccountKeys {
    db: Db,
    vault: Vault,
    world: World,
    built: moka::sync::Cache<AccountId, SigningKey>,
}

/// A key was not found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The account has none: it is not of this server.
    #[error("the account has no signing key here")]
    Missing,
    /// The store failed, or holds something that is no key.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountKeys {
    /// Returns the keys in `db`, sealed by `vault`.
    pub fn new(db: Db, vault: Vault, world: World) -> Self {
        let built = moka::sync::Cache::new(BUILT_MAX);
        Self { db, vault, world, built }
    }

    /// Makes a new key, which is not stored yet.
    pub fn generate(&self) -> SigningKey {
        loop {
            let secret = Zeroizing::new(self.world.entropy.bytes::<SECRET_BYTES>());
            // One in 2^128 numbers is not a secret of the curve.
            if let Ok(key) = SigningKey::from_secret(Curve::K256, &secret) {
                return key;
            }
        }
    }

    /// Seals `key` for `did`, to be stored.
    pub fn seal(&self, did: &Did, key: &SigningKey) -> SealedKey {
        let nonce = self.world.entropy.bytes();
        SealedKey {
            did_key: key.public().did_key().as_str().to_owned(),
            sealed: self.vault.seal(did.as_str(), key.to_secret().as_slice(), nonce),
            created_at: self.world.clock.now(),
        }
    }

    /// Opens a key that was sealed for `did`.
    ///
    /// # Errors
    /// [`StoreError`], where it does not open or is no key.
    pub fn open(&self, did: &Did, sealed: &SealedKey) -> Result<SigningKey, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt {
            table: "signing_keys".to_owned(),
            key: did.as_str().to_owned(),
            what: what.to_owned(),
        };
        let public = PublicKey::from_did_key(&sealed.did_key);
        let public = public.map_err(|_| corrupt("the public half is no key"))?;
        let secret = self.vault.open(did.as_str(), &sealed.sealed)?;
        let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(
            secret.as_slice().try_into().map_err(|_| corrupt("the secret has another length"))?,
        );
        let key = SigningKey::from_secret(public.curve(), &secret);
        let key = key.map_err(|_| corrupt("the secret is not one of its curve"))?;
        if *key.public() != public {
            return Err(corrupt("the halves do not belong together"));
        }
        Ok(key)
    }

    /// Adds to `batch` that `key` is the account's key from now on. Whoever runs
    /// the batch calls [`AccountKeys::forget`] when the account had one before.
    pub fn put(&self, batch: &mut Batch, id: AccountId, did: &Did, key: &SigningKey) {
        keys::put(batch, id, &self.seal(did, key));
    }

    /// Returns the key of an account.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn signing_key(&self, id: AccountId, did: &Did) -> Result<SigningKey, KeyError> {
        if let Some(key) = self.built.get(&id) {
            return Ok(key);
        }
        let sealed = keys::find(&self.db, id).await?.ok_or(KeyError::Missing)?;
        let key = self.open(did, &sealed)?;
        self.built.insert(id, key.clone());
        Ok(key)
    }

    /// Forgets the built key of an account whose key has changed.
    pub fn forget(&self, id: AccountId) {
        self.built.invalidate(&id);
    }
}
