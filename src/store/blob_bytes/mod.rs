//! The bytes of blobs: on disk, or in memory for tests.
//!
//! An upload is written aside while it is hashed, and gets its place by name
//! when it is whole and durable; so a place holds the right bytes or nothing.
//! Bytes are kept per account. Another home (S3) fits behind the same verbs.

mod disk;
mod memory;

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};

use crate::atproto::{Cid, Codec, syntax::Did};

use super::StoreError;
use disk::{Disk, DiskUpload};
use memory::Memory;

/// First bytes of an upload that are kept at hand, to tell its media type.
pub const HEAD_BYTES: usize = 8192;

/// Where the bytes of blobs are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobBytes {
    home: Home,
}

#[derive(Clone, Debug)]
enum Home {
    Disk(Arc<Disk>),
    Memory(Arc<Memory>),
}

impl BlobBytes {
    /// Keeps bytes in a folder, which is created, and removes what uploads have
    /// left there that a crash cut short. One process at a time.
    pub async fn disk(folder: PathBuf) -> Result<Self, StoreError> {
        let disk = Disk::open(folder).await?;
        disk.sweep().await?;
        Ok(Self { home: Home::Disk(Arc::new(disk)) })
    }

    /// Looks at a folder of bytes beside the process that owns it.
    pub async fn disk_to_read(folder: PathBuf) -> Result<Self, StoreError> {
        Ok(Self { home: Home::Disk(Arc::new(Disk::open(folder).await?)) })
    }

    /// Keeps bytes in memory.
    pub fn memory() -> Self {
        Self { home: Home::Memory(Arc::default()) }
    }

    /// Begins an upload for an account.
    pub async fn begin(&self, did: &Did) -> Result<Upload, StoreError> {
        let aside = match &self.home {
            Home::Disk(disk) => Aside::Disk(disk.begin().await?),
            Home::Memory(_) => Aside::Memory(Vec::new()),
        };
        let (did, digest, head) = (did.clone(), Sha256::new(), Vec::new());
        Ok(Upload { did, digest, head, size_bytes: 0, aside })
    }

    /// Gives a finished upload its place; durable on return. Keeping the same
    /// bytes twice is the same as once.
    pub async fn keep(&self, uploaded: Uploaded) -> Result<(), StoreError> {
        let Uploaded { cid, did, aside, .. } = uploaded;
        match (&self.home, aside) {
            (Home::Disk(disk), Aside::Disk(upload)) => disk.keep(&did, cid, upload).await,
            (Home::Memory(memory), Aside::Memory(bytes)) => {
                memory.keep(&did, cid, Bytes::from(bytes));
                Ok(())
            }
            (_, Aside::Disk(_) | Aside::Memory(_)) => Err(StoreError::Closed),
        }
    }

    /// Opens a blob, or the part of it in `range`, which is cut at its end;
    /// `None` where it is not here.
    pub async fn open(
        &self,
        did: &Did,
        cid: Cid,
        range: Option<Range<u64>>,
    ) -> Result<Option<OpenBlob>, StoreError> {
        match &self.home {
            Home::Disk(disk) => disk.open_blob(did, cid, range).await,
            Home::Memory(memory) => Ok(memory.open_blob(did, cid, range)),
        }
    }

    /// Deletes a blob; nothing happens where it is not here.
    pub async fn delete(&self, did: &Did, cid: Cid) -> Result<(), StoreError> {
        match &self.home {
            Home::Disk(disk) => disk.delete(did, cid).await,
            Home::Memory(memory) => {
                memory.delete(did, cid);
                Ok(())
            }
        }
    }

    /// Lists the blobs of an account, by their bytes.
    pub async fn list(&self, did: &Did) -> Result<Vec<Cid>, StoreError> {
        match &self.home {
            Home::Disk(disk) => disk.list(did).await,
            Home::Memory(memory) => Ok(memory.list(did)),
        }
    }
}

/// An upload that is coming in. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    did: Did,
    digest: Sha256,
    head: Vec<u8>,
    size_bytes: u64,
    aside: Aside,
}

/// Where the bytes of an upload lie until they have a place.
#[derive(Debug)]
enum Aside {
    Disk(DiskUpload),
    Memory(Vec<u8>),
}

impl Upload {
    /// Writes the next bytes. Limits are the caller's.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        self.digest.update(chunk);
        self.size_bytes += chunk.len() as u64;
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..missing]);
        match &mut self.aside {
            Aside::Disk(upload) => upload.write(chunk).await,
            Aside::Memory(bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    /// Returns how many bytes came in so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the bytes durable and names them; they have no place yet.
    pub async fn finish(mut self) -> Result<Uploaded, StoreError> {
        if let Aside::Disk(upload) = &mut self.aside {
            upload.finish().await?;
        }
        Ok(Uploaded {
            cid: Cid::from_digest(Codec::Raw, self.digest.finalize().into()),
            size_bytes: self.size_bytes,
            head: Bytes::from(self.head),
            did: self.did,
            aside: self.aside,
        })
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
    did: Did,
    aside: Aside,
}

/// A blob, or a part of one, that is being read.
pub struct OpenBlob {
    /// The size of the whole blob.
    pub size_bytes: u64,
    /// The bytes asked for.
    pub bytes: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl fmt::Debug for OpenBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenBlob({} bytes)", self.size_bytes)
    }
}

/// Cuts a range at the end of a blob.
fn cut(range: Option<Range<u64>>, size_bytes: u64) -> Range<u64> {
    let range = range.unwrap_or(0..size_bytes);
    let end = range.end.min(size_bytes);
    range.start.min(end)..end
}

#[cfg(test)]
mod tests;
