//! Packages: everything that somebody has here, as one archive to take along.
//!
//! An archive is a tar with the repository as a CAR, each blob under its CID, the
//! private preferences, and what the account is called. Its size is known before
//! its first byte, so that whoever receives it can show how far it is and notices
//! if it breaks off. The repository is written to a nameless file first, since its
//! size is not known before it is read; blobs stream from where they are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use moka::sync::Cache;
use serde_json::json;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::export::{ExportError, Exports};
use super::repos::Owner;
use crate::atproto::Cid;
use crate::atproto::syntax::Did;
use crate::store::accounts::Account;
use crate::store::blobs::{self, BlobPage};
use crate::store::{AccountId, Store, StoreError, preferences};
use crate::world::World;

/// Blobs that are listed at once.
const BLOBS_PAGE: u32 = 1_000;
/// Packages whose progress is known at once, and for how long.
const UNDER_WAY_MAX: u64 = 1_000;
const UNDER_WAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The unit of a tar.
const BLOCK: u64 = 512;
/// Who may read what is unpacked: its owner.
const MODE: u32 = 0o600;

/// Makes packages.
pub struct Packages {
    store: Store,
    world: World,
    exports: Arc<Exports>,
    spool_folder: PathBuf,
    /// By the name that whoever asked gave it.
    under_way: Cache<String, Arc<Sending>>,
}

/// A package on its way.
struct Sending {
    account: AccountId,
    size_bytes: u64,
    sent_bytes: AtomicU64,
}

/// How much of a package was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Bytes of the whole.
    pub size_bytes: u64,
}

/// Everything somebody has here.
pub struct Package {
    /// Bytes of the whole.
    pub size_bytes: u64,
    sending: Arc<Sending>,
    store: Store,
    did: Did,
    entries: Vec<Entry>,
}

/// A file in the archive.
struct Entry {
    head: Bytes,
    content: Content,
    size_bytes: u64,
}

enum Content {
    Bytes(Bytes),
    File(tokio::fs::File),
    Blob(Cid),
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] ExportError),
    /// The repository cannot be set down.
    #[error("the repository cannot be set down in a file")]
    Spool(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Packages {
    /// Makes the service; repositories are set down in `spool_folder`.
    pub fn new(store: Store, world: World, exports: Arc<Exports>, spool_folder: PathBuf) -> Self {
        let under_way =
            Cache::builder().max_capacity(UNDER_WAY_MAX).time_to_live(UNDER_WAY).build();
        Self { store, world, exports, spool_folder, under_way }
    }

    /// How far a package of an account is, by the name that it was given.
    pub fn progress(&self, account: AccountId, name: &str) -> Option<Progress> {
        let sending = self.under_way.get(name).filter(|sending| sending.account == account)?;
        let sent_bytes = sending.sent_bytes.load(Ordering::Relaxed);
        Some(Progress { sent_bytes, size_bytes: sending.size_bytes })
    }

    /// Puts together what an account has; `name` is how its progress is asked for.
    ///
    /// # Errors
    /// See [`PackageError`].
    pub async fn of(&self, account: &Account, name: &str) -> Result<Package, PackageError> {
        let now = self.world.clock.now();
        let at = u64::try_from(now.unix_secs()).unwrap_or(0);
        let about = json!({
            "did": account.did.as_str(),
            "handle": account.handle.as_str(),
            "email": account.email,
            "createdAt": account.created_at.to_string(),
            "exportedAt": now.to_string(),
        });
        let mut entries = vec![
            Entry::of_bytes("account.json", pretty(&about), at),
            Entry::of_bytes("preferences.json", self.preferences(account).await?, at),
        ];
        let (file, size_bytes) = self.repository(account).await?;
        entries.push(Entry::new("repo.car", Content::File(file), size_bytes, at));
        let mut after = None;
        loop {
            let page = BlobPage { after, limit: BLOBS_PAGE };
            let blobs = blobs::list(&self.store.db, account.id, &page).await?;
            let Some(last) = blobs.last() else { break };
            after = Some(last.cid);
            for blob in &blobs {
                let size_bytes = u64::try_from(blob.size_bytes).unwrap_or(0);
                let name = format!("blobs/{}", blob.cid);
                entries.push(Entry::new(&name, Content::Blob(blob.cid), size_bytes, at));
            }
        }
        // Two empty blocks end a tar.
        let files: u64 = entries.iter().map(Entry::whole_bytes).sum();
        let (store, did) = (self.store.clone(), account.did.clone());
        let size_bytes = files + 2 * BLOCK;
        let sending = Sending { account: account.id, size_bytes, sent_bytes: AtomicU64::new(0) };
        let sending = Arc::new(sending);
        self.under_way.insert(name.to_owned(), sending.clone());
        Ok(Package { size_bytes, sending, store, did, entries })
    }

    async fn preferences(&self, account: &Account) -> Result<Bytes, StoreError> {
        let kept = preferences::list(&self.store.db, account.id).await?;
        let values = kept.iter().filter_map(|kept| serde_json::from_str(&kept.value).ok());
        let values: Vec<serde_json::Value> = values.collect();
        Ok(pretty(&json!({ "preferences": values })))
    }

    /// Sets the repository down in a file without a name: when it is closed, it
    /// is gone, also after a crash.
    async fn repository(&self, account: &Account) -> Result<(tokio::fs::File, u64), PackageError> {
        tokio::fs::create_dir_all(&self.spool_folder).await?;
        let name = format!("package-{}.car", self.world.entropy.token_hex(8));
        let path = self.spool_folder.join(name);
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).open(&path).await?;
        tokio::fs::remove_file(&path).await?;
        let mut archive = self.exports.repository(Owner::from(account), None).await?;
        let mut size_bytes = 0;
        while let Some(piece) = archive.next().await {
            let piece = piece?;
            size_bytes += piece.len() as u64;
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        file.rewind().await?;
        Ok((file, size_bytes))
    }
}

impl Package {
    /// The archive, piece by piece. It ends with an error where a blob is gone
    /// meanwhile: an archive that lacks something must not look whole.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let Self { store, did, entries, sending, .. } = self;
        let files = stream::iter(entries).then(move |entry| {
            let (store, did) = (store.clone(), did.clone());
            async move { entry.into_stream(&store, &did).await }
        });
        let end = stream::iter([Ok(Bytes::from(vec![0; 2 * BLOCK as usize]))]);
        files.try_flatten().chain(end).inspect_ok(move |piece| {
            sending.sent_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        })
    }
}

type Pieces = stream::BoxStream<'static, io::Result<Bytes>>;

impl Entry {
    fn new(name: &str, content: Content, size_bytes: u64, at: u64) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("names are ours and short");
        header.set_size(size_bytes);
        header.set_mode(MODE);
        header.set_mtime(at);
        header.set_cksum();
        Self { head: Bytes::copy_from_slice(header.as_bytes()), content, size_bytes }
    }

    fn of_bytes(name: &str, bytes: Bytes, at: u64) -> Self {
        let size_bytes = bytes.len() as u64;
        Self::new(name, Content::Bytes(bytes), size_bytes, at)
    }

    fn whole_bytes(&self) -> u64 {
        BLOCK + self.size_bytes.div_ceil(BLOCK) * BLOCK
    }

    async fn into_stream(self, store: &Store, did: &Did) -> io::Result<Pieces> {
        let padding = self.whole_bytes() - BLOCK - self.size_bytes;
        let padding = Bytes::from(vec![0; usize::try_from(padding).unwrap_or(0)]);
        let content: Pieces = match self.content {
            Content::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
            Content::File(file) => ReaderStream::new(file).boxed(),
            Content::Blob(cid) => {
                let open = store.blobs.open(did, cid, None).await.map_err(io::Error::other)?;
                let open = open.ok_or_else(|| io::Error::other(format!("{cid} is gone")))?;
                if open.size_bytes != self.size_bytes {
                    return Err(io::Error::other(format!("{cid} has another size")));
                }
                open.bytes.map_err(io::Error::other).boxed()
            }
        };
        let head = stream::iter([Ok(self.head)]);
        Ok(head.chain(content).chain(stream::iter([Ok(padding)])).boxed())
    }
}

fn pretty(value: &serde_json::Value) -> Bytes {
    serde_json::to_vec_pretty(value).unwrap_or_default().into()
}
