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
        tree::{Step, Tree, Walk},
    },
    service::repos::{AtHead, Owner},
    store::{
        StoreError,
        records::{self, BlockRef, PackValues},
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
    (Sender { chunks, clock }, Archive(receiver))
}

impl Sender {
    async fn send(&mut self, chunk: Bytes) -> Result<(), Unsent> {
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
    let mut chunk = car::header(Some(&head.commit_cid));
    car::push_block(&mut chunk, &head.commit_cid, &head.commit_bytes);
    if since.is_some_and(|since| since.as_str() >= head.rev.as_str()) {
        return sender.send(chunk.into()).await;
    }
    let packer = Packer {
        owner: source.owner.clone(),
        walk: tree.walk(),
        once: Once::of(tree.clone()).await?,
        rest: if since.is_some() { Rest::IsOlder } else { Rest::IsMissing },
        chunk,
    };
    let mut chunks = records::stream_packed(&source.snapshot, source.owner.account, since, packer);
    while let Some(chunk) = chunks.next().await {
        sender.send(chunk?).await?;
    }
    Ok(())
}

/// What it means that the scan has no record where the tree has one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It is older than what was asked for.
    IsOlder,
    /// The store is not as the tree says.
    IsMissing,
}

/// Puts nodes and records into chunks, in the order of the tree; the scan hands
/// it one record after the other.
struct Packer {
    owner: Owner,
    walk: Walk,
    once: Once,
    rest: Rest,
    chunk: Vec<u8>,
}

impl PackValues for Packer {
    fn record(
        &mut self,
        path: &str,
        block: BlockRef<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StoreError> {
        loop {
            match self.walk.advance() {
                Some(Step::Node(node)) => {
                    car::push_block(&mut self.chunk, &node.cid(), node.block());
                    flush_full(&mut self.chunk, out);
                }
                Some(Step::Record { path: here, cid: known }) if here == path => {
                    if known.as_bytes() != block.cid {
                        return Err(changed(&self.owner, path));
                    }
                    if self.once.is_first(&known) {
                        car::push_block(&mut self.chunk, &known, block.value);
                        flush_full(&mut self.chunk, out);
                    }
                    return Ok(());
                }
                Some(Step::Record { .. }) if self.rest == Rest::IsOlder => {}
                _ => return Err(changed(&self.owner, path)),
            }
        }
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> Result<(), StoreError> {
        while let Some(step) = self.walk.advance() {
            match step {
                Step::Node(node) => {
                    car::push_block(&mut self.chunk, &node.cid(), node.block());
                    flush_full(&mut self.chunk, out);
                }
                Step::Record { .. } if self.rest == Rest::IsOlder => {}
                Step::Record { path, .. } => return Err(changed(&self.owner, path)),
            }
        }
        out.push(std::mem::take(&mut self.chunk).into());
        Ok(())
    }
}

fn flush_full(chunk: &mut Vec<u8>, out: &mut Vec<Bytes>) {
    if chunk.len() >= CHUNK_BYTES {
        let next = Vec::with_capacity(chunk.len());
        out.push(std::mem::replace(chunk, next).into());
    }
}

fn changed(owner: &Owner, path: &str) -> StoreError {
    corrupt(owner, format!("{path} changed within a snapshot"))
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
