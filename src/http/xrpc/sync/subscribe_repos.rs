//! The event stream, over a WebSocket.
//!
//! A connection is a subscription and a socket, and this file carries frames
//! from one to the other: with a deadline for each, and a ping where it has been
//! quiet. What the other side says is read and passed over.
//!
//! Spec: <https://atproto.com/specs/event-stream>

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::SinkExt;
use serde::Deserialize;

use crate::http::error::stream;
use crate::http::params::Params;
use crate::http::{App, XrpcError};
use crate::service::sequencer::{Ended, History, SubscribeError, Subscription};
use crate::world::Clock;

/// Bytes of the read buffer: subscribers only send pongs, and the library's
/// default would make up most of what a subscriber costs.
const READ_BUFFER_BYTES: usize = 2_048;
/// Bytes of a message from a subscriber.
const INCOMING_BYTES_MAX: usize = 4_096;
/// Bytes that may wait to be written: one frame of the largest size, and room.
const WRITE_BUFFER_BYTES_MAX: usize = 8 << 20;
/// How long a subscriber may take for one frame.
const SEND_TIME_MAX: Duration = Duration::from_secs(30);
/// How long it may be quiet before a ping, and then before it counts as gone.
const QUIET_TIME_MAX: Duration = Duration::from_secs(30);

/// Parameters of [`subscribe_repos`].
#[derive(Deserialize)]
pub struct Position {
    cursor: Option<i64>,
}

/// `com.atproto.sync.subscribeRepos`: every event, from the cursor on.
pub async fn subscribe_repos(
    State(app): State<App>,
    Params(position): Params<Position>,
    request: Request,
) -> Result<Response, XrpcError> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|_| XrpcError::upgrade_required())?;
    // A cursor below zero comes before everything, as zero does.
    let cursor = position.cursor.map(|cursor| u64::try_from(cursor).unwrap_or(0));
    let subscribed = match app.sequencer.subscribe(cursor).await {
        // Refused on the stream, where clients look for it.
        Err(SubscribeError::FutureCursor { .. }) => None,
        subscribed => Some(subscribed?),
    };
    let clock = app.world.clock.clone();
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(INCOMING_BYTES_MAX)
        .max_frame_size(INCOMING_BYTES_MAX)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        let connection = Connection { socket, clock };
        match subscribed {
            Some(subscription) => connection.serve(subscription).await,
            None => connection.refuse(stream::future_cursor()).await,
        }
    }))
}

/// A subscriber on the line.
struct Connection {
    socket: WebSocket,
    clock: Clock,
}

/// The subscriber went away, or takes too long.
struct Gone;

/// What happens next on a connection.
enum Next {
    Frames(Result<Vec<Bytes>, Ended>),
    Heard(Option<Result<Message, axum::Error>>),
    Quiet,
}

/// Whether a ping has not been answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ping {
    None,
    Unanswered,
}

impl Connection {
    async fn serve(mut self, mut subscription: Subscription) {
        if subscription.history() == History::Outdated {
            let info = stream::outdated_cursor();
            if self.send([info]).await.is_err() {
                return;
            }
        }
        let ended = self.carry(&mut subscription).await;
        // The place is free before the good-byes.
        drop(subscription);
        if let Ok(ended) = ended {
            self.part(ended).await;
        }
    }

    /// Carries frames until the subscription ends.
    async fn carry(&mut self, subscription: &mut Subscription) -> Result<Ended, Gone> {
        let mut ping = Ping::None;
        loop {
            let quiet = self.clock.sleep(QUIET_TIME_MAX);
            let next = tokio::select! {
                frames = subscription.next() => Next::Frames(frames),
                heard = self.socket.recv() => Next::Heard(heard),
                () = quiet => Next::Quiet,
            };
            match next {
                Next::Frames(Ok(frames)) => self.send(frames).await?,
                Next::Frames(Err(ended)) => return Ok(ended),
                Next::Heard(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Err(Gone),
                Next::Heard(Some(Ok(_))) => ping = Ping::None,
                Next::Quiet if ping == Ping::Unanswered => return Err(Gone),
                Next::Quiet => {
                    ping = Ping::Unanswered;
                    self.within_time(Message::Ping(Bytes::new())).await?;
                    self.flush().await?;
                }
            }
        }
    }

    /// Says why the stream ends, and hangs up.
    async fn part(mut self, ended: Ended) {
        let (frame, code) = match ended {
            Ended::TooSlow => (Some(stream::consumer_too_slow()), close_code::POLICY),
            Ended::Stopped => (None, close_code::AWAY),
            Ended::Store(error) => {
                tracing::error!("An event stream ended: {error}.");
                (None, close_code::ERROR)
            }
        };
        if self.send(frame).await.is_ok() {
            self.hang_up(code).await;
        }
    }

    async fn refuse(mut self, frame: Bytes) {
        if self.send([frame]).await.is_ok() {
            self.hang_up(close_code::POLICY).await;
        }
    }

    async fn hang_up(&mut self, code: u16) {
        let close = CloseFrame { code, reason: "".into() };
        if self.within_time(Message::Close(Some(close))).await.is_ok() {
            let _ = self.flush().await;
        }
    }

    async fn send(&mut self, frames: impl IntoIterator<Item = Bytes>) -> Result<(), Gone> {
        for frame in frames {
            self.within_time(Message::Binary(frame)).await?;
        }
        self.flush().await
    }

    async fn within_time(&mut self, message: Message) -> Result<(), Gone> {
        let sent = self.clock.timeout(SEND_TIME_MAX, self.socket.feed(message)).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let flushed = self.clock.timeout(SEND_TIME_MAX, self.socket.flush()).await;
        flushed.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}
