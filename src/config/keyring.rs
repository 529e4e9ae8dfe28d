//! The server's secrets, complete: given ones, and those it made itself.
//!
//! What the configuration does not give is generated once and kept in
//! `<data>/secrets/`, one file each, readable by the server's user alone. A
//! lost file cannot be made again (without `master_key` the accounts' signing
//! keys are gone), so a backup of the data folder must hold this folder, and
//! files that are there are never overwritten.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::secret::Secret;
use super::sections::secrets::{SecretsConfig, key_bytes};
use crate::atproto::crypto::{Curve, SigningKey};

/// The folder of generated secrets, within the data folder.
const FOLDER: &str = "secrets";

/// Bytes of randomness in a generated secret.
const SECRET_BYTES: usize = 32;

/// Every secret of a running server.
#[derive(Clone)]
pub struct Keyring {
    /// Signs session tokens; its UTF-8 bytes are the key.
    pub jwt_secret: Secret,
    /// Password of the administrator `admin`.
    pub admin_password: Secret,
    /// Signs operations of did:plc.
    pub plc_rotation_key: SigningKey,
    /// Seals the accounts' signing keys at rest.
    pub master_key: [u8; 32],
}

/// Why the secrets are not complete.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file of the folder cannot be made or read.
    #[error("cannot use the secret file {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the folder holds something else than a key.
    #[error("the secret file {} does not hold 64 hex digits of a key", path.display())]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
}

impl Keyring {
    /// Completes the given secrets from the data folder, making what is
    /// missing from `random`, which fills a buffer with random bytes.
    ///
    /// # Errors
    /// [`KeyringError`] where a file cannot be made, read or understood.
    pub fn open(
        given: &SecretsConfig,
        data_directory: &Path,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Self, KeyringError> {
        let folder = data_directory.join(FOLDER);
        let mut fetch = |given: &Option<Secret>, name: &str| match given {
            Some(secret) => Ok((secret.clone(), folder.join(name))),
            None => kept_or_made(&folder, name, random),
        };
        let (jwt_secret, _) = fetch(&given.jwt_secret, "jwt_secret")?;
        let (admin_password, _) = fetch(&given.admin_password, "admin_password")?;
        let (rotation, rotation_path) = fetch(&given.plc_rotation_key, "plc_rotation_key")?;
        let (master, master_path) = fetch(&given.master_key, "master_key")?;
        let plc_rotation_key = key_bytes(&rotation)
            .and_then(|bytes| SigningKey::from_secret(Curve::K256, &bytes).ok())
            .ok_or(KeyringError::NoKey { path: rotation_path })?;
        let master_key = key_bytes(&master).ok_or(KeyringError::NoKey { path: master_path })?;
        Ok(Self { jwt_secret, admin_password, plc_rotation_key, master_key })
    }
}

/// Where a generated secret is kept, for messages to the operator.
pub fn path_of(data_directory: &Path, name: &str) -> PathBuf {
    data_directory.join(FOLDER).join(name)
}

fn kept_or_made(
    folder: &Path,
    name: &str,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<(Secret, PathBuf), KeyringError> {
    let path = folder.join(name);
    let at = |source| KeyringError::File { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim_end().is_empty() => {
            return Ok((Secret::new(text.trim_end().to_owned()), path));
        }
        // Empty: the power failed between making the file and filling it,
        // before anything was done with the secret.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(error)),
    }
    let mut bytes = [0; SECRET_BYTES];
    random(&mut bytes);
    let secret = Secret::new(HEXLOWER.encode(&bytes));
    write_private(folder, &path, &secret).map_err(at)?;
    Ok((secret, path))
}

/// Writes a file that only this user may read, whole or not at all.
fn write_private(folder: &Path, path: &Path, secret: &Secret) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(secret.reveal().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn nothing_given() -> SecretsConfig {
        SecretsConfig {
            jwt_secret: None,
            admin_password: None,
            plc_rotation_key: None,
            master_key: None,
        }
    }

    fn open(given: &SecretsConfig, folder: &Path, fill: u8) -> Result<Keyring, KeyringError> {
        Keyring::open(given, folder, &mut |bytes| bytes.fill(fill))
    }

    #[test]
    fn secrets_are_made_once_and_kept_for_the_server_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = open(&nothing_given(), folder.path(), 1).expect("a first start");
        let second = open(&nothing_given(), folder.path(), 2).expect("a second start");
        assert_eq!(first.master_key, [1; 32]);
        assert_eq!(second.master_key, first.master_key);
        assert_eq!(second.jwt_secret, first.jwt_secret);
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode();
        assert_eq!(mode(&folder.path().join(FOLDER)) & 0o777, 0o700);
        for name in ["jwt_secret", "admin_password", "plc_rotation_key", "master_key"] {
            assert_eq!(mode(&path_of(folder.path(), name)) & 0o777, 0o600);
        }
    }

    #[test]
    fn given_secrets_are_used_and_not_written_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let given =
            SecretsConfig { jwt_secret: Some(Secret::new("given".into())), ..nothing_given() };
        let keyring = open(&given, folder.path(), 1).expect("a first start");
        assert_eq!(keyring.jwt_secret.reveal(), "given");
        assert!(!path_of(folder.path(), "jwt_secret").exists());
    }

    #[test]
    fn a_file_that_was_changed_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        open(&nothing_given(), folder.path(), 1).expect("a first start");
        let path = path_of(folder.path(), "master_key");
        std::fs::write(&path, "something else").expect("is writable");
        let error = open(&nothing_given(), folder.path(), 2).err().expect("no key");
        assert!(error.to_string().contains("master_key does not hold"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("is there"), "something else");
    }
}
