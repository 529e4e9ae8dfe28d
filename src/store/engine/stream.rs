//! Streams of rows: a scan on its own thread, and a reader that it waits for.
//!
//! Rows travel in chunks, bounded in rows and bytes, through a short channel;
//! when it is full the scan waits, until the deadline of its snapshot.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::{runtime::Handle, sync::mpsc};

use super::{BadColumn, Read, Row, deadline::Deadline};
use crate::store::StoreError;

/// Rows that travel together at most.
const CHUNK_ROWS_MAX: usize = 512;
/// Bytes from which on a chunk is sent.
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Chunks that wait for the reader.
const CHUNKS_MAX: usize = 2;

/// Why a scan stopped early.
type Failure = Arc<OnceLock<StoreError>>;

/// Rows of a scan as they come, with back-pressure: the scan waits for its
/// reader, until the snapshot's deadline. The scan begins when the stream is
/// first polled; streams of one snapshot run one after the other.
pub struct RowStream<T> {
    state: State<T>,
}

enum State<T> {
    Idle(Box<dyn FnOnce(Scan<T>) + Send>),
    Running { chunks: mpsc::Receiver<Vec<T>>, rows: VecDeque<T>, failure: Failure },
    Ended,
}

/// What becomes of the rows of a scan, on the scan's own thread: what need not
/// travel is not made.
pub(in crate::store) trait Shape: Send + 'static {
    /// What travels to the reader.
    type Item: Send + 'static;

    /// Takes a row, and puts out what is ready, with what it weighs in bytes.
    fn row(&mut self, row: &Row<'_>, out: &mut Vec<(Self::Item, usize)>) -> Result<(), Unshaped>;

    /// Puts out what is left when all rows were shown.
    fn end(&mut self, out: &mut Vec<(Self::Item, usize)>) -> Result<(), StoreError>;
}

/// Why a row was not taken.
pub(in crate::store) enum Unshaped {
    /// A column cannot be read.
    Column(BadColumn),
    /// It does not fit to what was known.
    Store(StoreError),
}

impl From<BadColumn> for Unshaped {
    fn from(bad: BadColumn) -> Self {
        Self::Column(bad)
    }
}

/// Each row by itself.
pub(super) struct Each<T>(pub(super) Read<T>);

impl<T: Send + 'static> Shape for Each<T> {
    type Item = T;

    fn row(&mut self, row: &Row<'_>, out: &mut Vec<(T, usize)>) -> Result<(), Unshaped> {
        out.push(((self.0)(row)?, row.size_bytes()));
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<(T, usize)>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The sending end of a stream, used by the scan.
pub(super) struct Scan<T> {
    chunks: mpsc::Sender<Vec<T>>,
    chunk: Vec<T>,
    chunk_bytes: usize,
    failure: Failure,
}

/// The reader is gone or too slow: the scan must stop.
pub(super) struct Stop;

impl<T: Send + 'static> RowStream<T> {
    /// Makes a stream that runs `scan` on a blocking thread.
    pub(super) fn new(scan: impl FnOnce(Scan<T>) + Send + 'static) -> Self {
        Self { state: State::Idle(Box::new(scan)) }
    }

    fn start(scan: Box<dyn FnOnce(Scan<T>) + Send>) -> State<T> {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let failure = Failure::default();
        let sending = Scan {
            chunks: sender,
            chunk: Vec::new(),
            chunk_bytes: 0,
            failure: Arc::clone(&failure),
        };
        tokio::task::spawn_blocking(move || scan(sending));
        State::Running { chunks, rows: VecDeque::new(), failure }
    }
}

impl<T> Scan<T> {
    /// Sends a row, now or with the next ones.
    pub(super) fn send(&mut self, row: T, bytes: usize, deadline: Deadline) -> Result<(), Stop> {
        self.chunk.push(row);
        self.chunk_bytes += bytes;
        if self.chunk.len() >= CHUNK_ROWS_MAX || self.chunk_bytes >= CHUNK_BYTES_MAX {
            return self.flush(deadline);
        }
        Ok(())
    }

    /// Sends what was put out.
    pub(super) fn send_all(
        &mut self,
        out: &mut Vec<(T, usize)>,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        out.drain(..).try_for_each(|(item, bytes)| self.send(item, bytes, deadline))
    }

    /// Sends what has not been sent.
    pub(super) fn flush(&mut self, deadline: Deadline) -> Result<(), Stop> {
        self.chunk_bytes = 0;
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        // Blocking is fine: a scan has a thread to itself.
        let sending = deadline.limit(self.chunks.send(chunk));
        match deadline.check().and_then(|()| Handle::current().block_on(sending)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop),
            Err(passed) => {
                self.fail(passed);
                Err(Stop)
            }
        }
    }

    /// Ends the stream with an error.
    pub(super) fn fail(&mut self, error: StoreError) {
        // The first failure counts.
        let _ = self.failure.set(error);
    }
}

impl<T: Send + 'static> Stream for RowStream<T> {
    type Item = Result<T, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle(scan) => self.state = Self::start(scan),
                State::Ended => return Poll::Ready(None),
                State::Running { mut chunks, mut rows, failure } => {
                    if let Some(row) = rows.pop_front() {
                        self.state = State::Running { chunks, rows, failure };
                        return Poll::Ready(Some(Ok(row)));
                    }
                    let Poll::Ready(chunk) = chunks.poll_recv(cx) else {
                        self.state = State::Running { chunks, rows, failure };
                        return Poll::Pending;
                    };
                    let Some(chunk) = chunk else {
                        return Poll::Ready(failure.get().cloned().map(Err));
                    };
                    self.state = State::Running { chunks, rows: chunk.into(), failure };
                }
            }
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for RowStream<T> {}
