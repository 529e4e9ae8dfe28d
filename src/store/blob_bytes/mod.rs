//! The bytes of blobs: on disk, or in memory for tests.
//!
//! An upload is written aside while it is hashed, and gets its place by name
//! when it is whole and durable; so a place holds the right bytes or nothing.
//! Bytes are kept per account. Another home (S3) fits behind the same verbs.

use std::{ops::Range, path::PathBuf};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::atproto::{Cid, syntax::Did};

use super::StoreError;

/// First bytes of an upload that are kept at hand, to tell its media type.
pub const HEAD_BYTES: usize = 8192;

/// Where the bytes of blobs are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub enum BlobBytes {
    /// In a folder.
    Disk(()),
    /// In memory.
    Memory(()),
}

impl BlobBytes {
    /// Keeps bytes in a folder, which is created, and removes what uploads have
    /// left there that a crash cut short.
    pub async fn disk(_folder: PathBuf) -> Result<Self, StoreError> {
        unreachable!("being written")
    }

    /// Keeps bytes in memory.
    pub fn memory() -> Self {
        unreachable!("being written")
    }

    /// Begins an upload for an account.
    pub async fn begin(&self, _did: &Did) -> Result<Upload, StoreError> {
        unreachable!("being written")
    }

    /// Gives a finished upload its place; durable on return. Keeping the same
    /// bytes twice is the same as once.
    pub async fn keep(&self, _uploaded: Uploaded) -> Result<(), StoreError> {
        unreachable!("being written")
    }

    /// Opens a blob, or the part of it in `range`; `None` where it is not here.
    pub async fn open(
        &self,
        _did: &Did,
        _cid: Cid,
        _range: Option<Range<u64>>,
    ) -> Result<Option<OpenBlob>, StoreError> {
        unreachable!("being written")
    }

    /// Deletes a blob; nothing happens where it is not here.
    pub async fn delete(&self, _did: &Did, _cid: Cid) -> Result<(), StoreError> {
        unreachable!("being written")
    }

    /// Lists the blobs of an account, by their bytes.
    pub async fn list(&self, _did: &Did) -> Result<Vec<Cid>, StoreError> {
        unreachable!("being written")
    }
}

/// An upload that is coming in. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Upload {}

impl Upload {
    /// Writes the next bytes.
    pub async fn write(&mut self, _chunk: &[u8]) -> Result<(), StoreError> {
        unreachable!("being written")
    }

    /// Returns how many bytes came in so far.
    pub fn size_bytes(&self) -> u64 {
        unreachable!("being written")
    }

    /// Makes the bytes durable and names them; they have no place yet.
    pub async fn finish(self) -> Result<Uploaded, StoreError> {
        unreachable!("being written")
    }
}

/// An upload that is whole. Dropped before [`BlobBytes::keep`], it leaves
/// nothing.
#[derive(Debug)]
pub struct Uploaded {
    /// The name of the bytes.
    pub cid: Cid,
    /// How many they are.
    pub size_bytes: u64,
    /// The first of them, [`HEAD_BYTES`] at most.
    pub head: Bytes,
}

/// A blob, or a part of one, that is being read.
pub struct OpenBlob {
    /// The size of the whole blob.
    pub size_bytes: u64,
    /// The bytes asked for.
    pub bytes: BoxStream<'static, Result<Bytes, StoreError>>,
}
