//! Bodies on their way: what we send, and what comes back under a limit.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

use super::{HttpError, request::failure};

/// What a request carries.
#[derive(Default)]
pub enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes at hand.
    Whole(Bytes),
    /// Pieces that are still coming; how many bytes, a header says where it is known.
    Pieces(BoxStream<'static, std::io::Result<Bytes>>),
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Whole(_) => "Whole",
            Self::Pieces(_) => "Pieces",
        })
    }
}

/// When the last piece of a request went out: the deadline for an answer counts
/// from there. Shared by the request's body and whoever waits for the answer.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock()
    }

    fn touch(&self) {
        *self.0.lock() = Instant::now();
    }
}

impl RequestBody {
    /// Turns into what reqwest sends, noting progress; `None` if there is nothing.
    pub(super) fn into_reqwest(self, progress: &Progress) -> Option<reqwest::Body> {
        match self {
            Self::Empty => None,
            Self::Whole(bytes) => Some(bytes.into()),
            Self::Pieces(pieces) => {
                let progress = progress.clone();
                let pieces = pieces.inspect(move |_| progress.touch());
                Some(reqwest::Body::wrap_stream(pieces))
            }
        }
    }
}

/// The pieces of an answer, under a size limit and an idle limit.
///
/// Holds its host's place among the requests under way until it is dropped.
pub struct AnswerBody {
    pieces: BoxStream<'static, Result<Bytes, HttpError>>,
    size_bytes: usize,
    size_bytes_max: usize,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    /// Whether the sender is being waited for: a slow reader does not make it silent.
    waiting: bool,
    ended: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    pub(super) fn new(
        pieces: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        size_bytes_max: usize,
        idle: Duration,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            pieces: pieces.map(|piece| piece.map_err(failure)).boxed(),
            size_bytes: 0,
            size_bytes_max,
            idle,
            silence: Box::pin(tokio::time::sleep(idle)),
            waiting: false,
            ended: false,
            _permit: permit,
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The stream's.
    pub async fn whole(mut self) -> Result<Bytes, HttpError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole.freeze())
    }

    fn taken(&mut self, piece: Bytes) -> Result<Bytes, HttpError> {
        self.size_bytes = self.size_bytes.saturating_add(piece.len());
        if self.size_bytes > self.size_bytes_max {
            let size_bytes_max = self.size_bytes_max;
            return Err(HttpError::TooLarge { size_bytes_max });
        }
        Ok(piece)
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match self.pieces.poll_next_unpin(cx) {
            Poll::Ready(Some(piece)) => Some(piece.and_then(|piece| self.taken(piece))),
            Poll::Ready(None) => None,
            Poll::Pending => {
                if !self.waiting {
                    self.waiting = true;
                    let until = Instant::now() + self.idle;
                    self.silence.as_mut().reset(until);
                }
                ready!(self.silence.as_mut().poll(cx));
                Some(Err(HttpError::TimedOut))
            }
        };
        self.waiting = false;
        self.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size_bytes = self.size_bytes;
        f.debug_struct("AnswerBody").field("size_bytes", &size_bytes).finish_non_exhaustive()
    }
}
