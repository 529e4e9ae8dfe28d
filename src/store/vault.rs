//! The vault: seals secrets before they are stored, and opens them again.
//!
//! Bytes in, bytes out: ChaCha20-Poly1305 with a master key that comes from the
//! configuration or from a file that only the owner may read. What the secret
//! belongs to (an account's DID, the name of a server secret) is bound to the
//! sealed bytes, so that they cannot be opened in another's place.

use std::{path::Path, sync::Arc};

use zeroize::Zeroizing;

/// Bytes of the master key.
pub const MASTER_KEY_BYTES: usize = 32;
/// Bytes of the nonce with which each secret is sealed; random, from the
/// World's entropy.
pub const NONCE_BYTES: usize = 12;

/// Why a secret could not be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// The sealed bytes are not from this vault, or not for this owner, or were
    /// changed.
    #[error("a sealed secret of {owner} does not open: wrong master key, or changed bytes")]
    DoesNotOpen {
        /// To what the secret belongs.
        owner: String,
    },
    /// The key file cannot be read or written.
    #[error("cannot use the key file {path}")]
    KeyFile {
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The key file does not hold a key, or others may read it.
    #[error("the key file {path} {what}")]
    BadKeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Seals and opens with one master key. Cheap to clone.
#[derive(Clone)]
pub struct Vault {}

impl Vault {
    /// Takes a master key.
    pub fn new(master: &[u8; MASTER_KEY_BYTES]) -> Self {
        unreachable!("being written")
    }

    /// Reads the master key from a file, or writes `fresh` into a new one (mode
    /// 0600) where there is none.
    ///
    /// # Errors
    /// [`VaultError::BadKeyFile`] for a file that others may read.
    pub fn from_file(path: &Path, fresh: &[u8; MASTER_KEY_BYTES]) -> Result<Self, VaultError> {
        unreachable!("being written")
    }

    /// Seals `secret` for `owner`. `nonce` must be random and new.
    pub fn seal(&self, owner: &str, secret: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        unreachable!("being written")
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        unreachable!("being written")
    }
}
