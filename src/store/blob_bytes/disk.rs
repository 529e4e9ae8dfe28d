//! Bytes of blobs on disk.
//!
//! `uploads/` holds what is coming in; a whole blob lies at
//! `accounts/<two characters>/<did>/<cid>`, which keeps folders small however
//! many accounts there are. A place is taken by renaming, after the bytes are
//! durable and before the folder is: a crash leaves the blob whole or absent.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

use super::{OpenBlob, cut};
use crate::{
    atproto::{Cid, syntax::Did},
    store::StoreError,
};

/// Bytes that are read from a blob at once.
const CHUNK_BYTES: usize = 128 << 10;
/// Characters of a DID that may be a folder's name; the name of a longer one is
/// its digest. File systems allow 255.
const FOLDER_NAME_CHARS_MAX: usize = 200;
/// How often a name for an upload is tried that another process has taken.
const NAMES_MAX: u32 = 1000;

/// A folder of blobs.
#[derive(Debug)]
pub(super) struct Disk {
    uploads: PathBuf,
    accounts: PathBuf,
    /// Names uploads.
    next: AtomicU64,
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::disk(doing, error)
}

impl Disk {
    pub(super) async fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let (uploads, accounts) = (folder.join("uploads"), folder.join("accounts"));
        for folder in [&uploads, &accounts] {
            fs::create_dir_all(folder).await.map_err(failed("creating the folder of blobs"))?;
        }
        Ok(Self { uploads, accounts, next: AtomicU64::new(0) })
    }

    /// Removes uploads that a crash cut short.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let failed = failed("removing unfinished uploads");
        let mut entries = fs::read_dir(&self.uploads).await.map_err(&failed)?;
        while let Some(entry) = entries.next_entry().await.map_err(&failed)? {
            fs::remove_file(entry.path()).await.map_err(&failed)?;
        }
        Ok(())
    }

    /// Makes a file for an upload.
    pub(super) async fn begin(&self) -> Result<DiskUpload, StoreError> {
        let mut taken = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = self.uploads.join(format!("{}-{number}", std::process::id()));
            match File::create_new(&path).await {
                Ok(file) => return Ok(DiskUpload { file, path: Leftover(Some(path)) }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && taken < NAMES_MAX => {
                    taken += 1;
                }
                Err(e) => return Err(failed("beginning an upload")(e)),
            }
        }
    }

    /// Gives an upload its place.
    pub(super) async fn keep(
        &self,
        did: &Did,
        cid: Cid,
        upload: DiskUpload,
    ) -> Result<(), StoreError> {
        let failed = failed("keeping an upload");
        let folder = self.folder_of(did);
        fs::create_dir_all(&folder).await.map_err(&failed)?;
        let DiskUpload { file, mut path } = upload;
        drop(file);
        if let Some(aside) = &path.0 {
            fs::rename(aside, folder.join(cid.to_string())).await.map_err(&failed)?;
        }
        // It has its place and is no leftover any more.
        path.0 = None;
        self.sync_folders(&folder).await.map_err(&failed)
    }

    /// Makes names durable, from the blob's folder up to ours: each may be new.
    async fn sync_folders(&self, folder: &Path) -> io::Result<()> {
        let above = folder.ancestors().take_while(|above| above.starts_with(&self.accounts));
        for folder in above {
            File::open(folder).await?.sync_all().await?;
        }
        Ok(())
    }

    fn folder_of(&self, did: &Did) -> PathBuf {
        let digest = HEXLOWER.encode(&Sha256::digest(did.as_str()));
        let name = match did.as_str() {
            did if did.len() <= FOLDER_NAME_CHARS_MAX => did,
            _ => &digest,
        };
        self.accounts.join(&digest[..2]).join(name)
    }

    pub(super) async fn open_blob(
        &self,
        did: &Did,
        cid: Cid,
        range: Option<Range<u64>>,
    ) -> Result<Option<OpenBlob>, StoreError> {
        let failed = failed("opening a blob");
        let mut file = match File::open(self.folder_of(did).join(cid.to_string())).await {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let size_bytes = file.metadata().await.map_err(&failed)?.len();
        let range = cut(range, size_bytes);
        if range.start > 0 {
            file.seek(io::SeekFrom::Start(range.start)).await.map_err(&failed)?;
        }
        let left = range.end - range.start;
        let bytes = stream::try_unfold((file, left), read_chunk).boxed();
        Ok(Some(OpenBlob { size_bytes, bytes }))
    }

    pub(super) async fn delete(&self, did: &Did, cid: Cid) -> Result<(), StoreError> {
        let folder = self.folder_of(did);
        match fs::remove_file(folder.join(cid.to_string())).await {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed("deleting a blob")(e)),
        }
        // The list of removals forgets these bytes next; they must not come back
        // with the power.
        let synced = async { File::open(&folder).await?.sync_all().await };
        synced.await.map_err(failed("deleting a blob"))?;
        // Only an empty folder goes.
        let _ = fs::remove_dir(folder).await;
        Ok(())
    }

    pub(super) async fn list(&self, did: &Did) -> Result<Vec<Cid>, StoreError> {
        let failed = failed("listing blobs");
        let mut cids = Vec::new();
        let mut entries = match fs::read_dir(self.folder_of(did)).await {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(cids),
            Err(e) => return Err(failed(e)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(&failed)? {
            let name = entry.file_name();
            // What is not named by a CID is not ours.
            cids.extend(name.to_str().and_then(|name| name.parse::<Cid>().ok()));
        }
        cids.sort_unstable();
        Ok(cids)
    }
}

async fn read_chunk(
    (mut file, left): (File, u64),
) -> Result<Option<(Bytes, (File, u64))>, StoreError> {
    if left == 0 {
        return Ok(None);
    }
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
    let mut chunk = BytesMut::with_capacity(wanted);
    let limit = (&mut file).take(wanted as u64).read_buf(&mut chunk).await;
    match limit.map_err(failed("reading a blob"))? {
        0 => {
            let cut_short = io::ErrorKind::UnexpectedEof.into();
            Err(StoreError::disk("reading a blob that became shorter", cut_short))
        }
        read => Ok(Some((chunk.freeze(), (file, left - read as u64)))),
    }
}

/// An upload that comes in to a file.
#[derive(Debug)]
pub(super) struct DiskUpload {
    file: File,
    path: Leftover,
}

impl DiskUpload {
    pub(super) async fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(chunk).await.map_err(failed("writing an upload"))
    }

    pub(super) async fn finish(&mut self) -> Result<(), StoreError> {
        self.file.flush().await.map_err(failed("finishing an upload"))?;
        self.file.sync_all().await.map_err(failed("finishing an upload"))
    }
}

/// A file that goes away with this, unless it got its place.
#[derive(Debug)]
struct Leftover(Option<PathBuf>);

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // What stays is swept at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}
