//! Ownership of a database file: one process at a time.
//!
//! A second server on the same file would number events twice and keep old
//! heads in memory. The lock is the operating system's, on a file beside the
//! database, so it goes away with its process, however that ends.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use crate::store::StoreError;

/// The lock, held while this lives.
#[derive(Debug)]
pub(super) struct Ownership {
    _file: File,
}

impl Ownership {
    /// Takes the lock of the database at `path`.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another process has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::disk("locking the database", e);
        let lock_path = beside(path);
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner_of(&mut file);
                return Err(StoreError::Owned { path: path.to_owned(), owner });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).map_err(failed)?;
        write!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    PathBuf::from(name)
}

/// Returns ` (process 123)` from the lock file, or nothing.
fn owner_of(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!(" (process {})", text.trim()),
        _ => String::new(),
    }
}
