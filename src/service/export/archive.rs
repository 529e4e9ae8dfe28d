//! A whole repository, chunk by chunk.

use std::{
    collections::HashSet,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::{ExportError, Source, corrupt};
use crate::{
    atproto::Cid,
    repo::{
        car,
        tree::{Step, Tree},
    },
    service::repos::AtHead,
    store::{
        RowStream, StoreError,
        records::{self, RecordValue},
    },
    world::Clock,
};

/// Bytes of a chunk, roughly: a block is never split.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that may wait for the reader.
const CHUNKS_WAITING_MAX: usize = 4;
/// How long a reader may take for a chunk: at least 6.4 kB a second.
const CHUNK_TIME_MAX: Duration = Duration::from_secs(10);

/// An archive that is being sent: a stream of bytes. Dropped, it ends the
/// export.
#[derive(Debug)]
pub struct Archive(mpsc::Receiver<Result<Bytes, ExportError>>);

impl Stream for Archive {
    type Item = Result<Bytes, ExportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// The other end of an [`Archive`].
pub(super) struct Sender {
    chunks: mpsc::Sender<Result<Bytes, ExportError>>,
    chunk: Vec<u8>,
    clock: Clock,
}

/// Why an archive was not sent to its end.
pub(super) enum Unsent {
    /// The reader went away.
    Left,
    /// Something failed, and the reader is to know.
    Failed(ExportError),
}

impl<E: Into<ExportError>> From<E> for Unsent {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns both ends of a new archive.
pub(super) fn channel(clock: Clock) -> (Sender, Archive) {
    let (chunks, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
    (Sender { chunks, chunk: Vec::new(), clock }, Archive(receiver))
}

impl Sender {
    async fn block(&mut self, cid: &Cid, block: &[u8]) -> Result<(), Unsent> {
        car::push_block(&mut self.chunk, cid, block);
        match self.chunk.len() >= CHUNK_BYTES {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), Unsent> {
        let next = Vec::with_capacity(self.chunk.len());
        let chunk = Bytes::from(std::mem::replace(&mut self.chunk, next));
        let sent = self.clock.timeout(CHUNK_TIME_MAX, self.chunks.send(Ok(chunk))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Unsent::Left),
            Err(_) => Err(ExportError::SlowReader.into()),
        }
    }

    /// Ends the archive so that the reader sees that it is not whole.
    pub(super) async fn fail(self, error: ExportError) {
        let _ = self.clock.timeout(CHUNK_TIME_MAX, self.chunks.send(Err(error))).await;
    }
}

/// Sends the commit, and then nodes and records as the tree has them; with
/// `since`, only the records that are newer. The nodes are all sent then: which
/// of them a deletion has changed is not known, and they are few.
pub(super) async fn send(source: &Source, sender: &mut Sender) -> Result<(), Unsent> {
    let AtHead { head, tree } = &*source.repo;
    let since = source.since.as_ref();
    sender.chunk = car::header(Some(&head.commit_cid));
    sender.block(&head.commit_cid, &head.commit_bytes).await?;
    if since.is_some_and(|since| since.as_str() >= head.rev.as_str()) {
        return sender.flush().await;
    }
    let mut once = Once::of(tree.clone()).await?;
    let rows = records::stream_values(&source.snapshot, source.owner.account, since);
    let mut values = Values { rows, next: None };
    let mut walk = tree.walk();
    while let Some(step) = walk.advance() {
        let (path, cid) = match step {
            Step::Node(node) => {
                sender.block(&node.cid(), node.block()).await?;
                continue;
            }
            Step::Record { path, cid } => (path, cid),
        };
        match values.take_at(path).await? {
            Some(record) if record.cid == cid => {
                if once.is_first(&cid) {
                    sender.block(&cid, &record.value).await?;
                }
            }
            None if since.is_some() => {}
            _ => {
                let what = format!("{path} changed within a snapshot");
                return Err(corrupt(&source.owner, what).into());
            }
        }
    }
    sender.flush().await
}

/// The second scan, of which the walk asks for one path after the other.
struct Values {
    rows: RowStream<RecordValue>,
    next: Option<RecordValue>,
}

impl Values {
    /// Takes the next row if it stands at `path`.
    async fn take_at(&mut self, path: &str) -> Result<Option<RecordValue>, StoreError> {
        if self.next.is_none() {
            self.next = self.rows.next().await.transpose()?;
        }
        Ok(self.next.take_if(|record| record.path == path))
    }
}

/// Lets each block pass once, though several paths may have it.
///
/// Only the CIDs that come twice are remembered: a repository has few of them.
struct Once {
    /// The beginnings of digests that more than one path has.
    repeated: HashSet<u64>,
    passed: HashSet<Cid>,
}

impl Once {
    /// Looks through all CIDs on a thread of its own.
    async fn of(tree: Tree) -> Result<Self, ExportError> {
        Ok(tokio::task::spawn_blocking(move || Self::new(&tree)).await?)
    }

    fn new(tree: &Tree) -> Self {
        let mut beginnings: Vec<u64> = Vec::with_capacity(tree.len());
        let mut walk = tree.walk();
        while let Some(step) = walk.advance() {
            if let Step::Record { cid, .. } = step {
                beginnings.push(beginning(&cid));
            }
        }
        beginnings.sort_unstable();
        let twice = beginnings.windows(2).filter(|pair| pair[0] == pair[1]);
        Self { repeated: twice.map(|pair| pair[0]).collect(), passed: HashSet::new() }
    }

    fn is_first(&mut self, cid: &Cid) -> bool {
        !self.repeated.contains(&beginning(cid)) || self.passed.insert(*cid)
    }
}

/// Returns the first eight bytes of the digest.
fn beginning(cid: &Cid) -> u64 {
    let digest = cid.as_bytes()[4..].first_chunk();
    u64::from_be_bytes(*digest.expect("a digest has 32 bytes"))
}
