//! The server's sockets: accept, serve, and stop without cutting anybody off.
//!
//! HTTP/1.1 and cleartext HTTP/2 on one port, for a reverse proxy in front or
//! for a local network. Each connection is a task; [`serve`] returns when the
//! last of them has finished after the stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections open at once; further ones wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Time for the head of a request, which is also how long an idle HTTP/1.1
/// connection lives. Longer than the 120 s for which common reverse proxies
/// keep theirs, so that it is the proxy who hangs up and no request is lost.
const HEADER_TIME_MAX: Duration = Duration::from_secs(130);
/// Bytes of the head of an HTTP/1.1 request and of its read buffer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the headers of an HTTP/2 request.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// Requests in flight on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// How often a silent HTTP/2 connection is asked whether it still lives, and
/// for how long an answer is awaited.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME_MAX: Duration = Duration::from_secs(20);
/// Time that requests in hand are given after the stop.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// Pause after a failed accept (out of file descriptors, mostly), so that the
/// loop does not spin while others close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` resolves; then refuses new
/// connections, lets the requests in hand finish within [`STOP_TIME_MAX`], and
/// closes what is left.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let stopping = CancellationToken::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        // What has finished leaves the set.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection { stream, peer, stopping: stopping.clone() };
                let (router, watcher) = (router.clone(), graceful.watcher());
                connections.spawn(async move {
                    connection.serve(router, watcher).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("Could not accept a connection: {error}.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    if tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!("Closed {} connections that did not finish in time.", connections.len());
        connections.shutdown().await;
    }
}

/// A connection that was accepted and has said nothing yet.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Cancelled at the stop.
    stopping: CancellationToken,
}

impl Connection {
    /// Serves the requests of this connection until it ends.
    async fn serve(self, router: Router, watcher: Watcher) {
        if !self.speaks().await {
            return;
        }
        // An answer is written in one piece; waiting for more only delays it.
        let _ = self.stream.set_nodelay(true);
        let peer = self.peer;
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let builder = builder();
        let stream = TokioIo::new(self.stream);
        let connection = builder.serve_connection_with_upgrades(stream, service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!("A connection ended early: {error}.");
        }
    }

    /// Waits for the first byte, which hyper does without a limit of time: the
    /// silent must not take everybody's places.
    async fn speaks(&self) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            readable = tokio::time::timeout(HEADER_TIME_MAX, self.stream.readable()) => {
                matches!(readable, Ok(Ok(())))
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME_MAX);
    builder
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http::Version;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// A server with one slow path, the word by which it is told to stop, and
    /// the sign that the slow path is being asked.
    struct Running {
        address: SocketAddr,
        begun: Arc<Notify>,
        go_on: Arc<Notify>,
        stop: oneshot::Sender<()>,
        served: tokio::task::JoinHandle<()>,
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own task")]
    async fn running() -> Running {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (asked, released) = (begun.clone(), go_on.clone());
        let slow = move || async move {
            asked.notify_one();
            released.notified().await;
            "slow"
        };
        let router =
            Router::new().route("/slow", get(slow)).route("/quick", get(|| async { "quick" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, router, async {
            let _ = stopped.await;
        }));
        Running { address, begun, go_on, stop, served }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own client and task")]
    #[tokio::test]
    async fn a_stop_lets_requests_finish_and_takes_no_new_ones() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = running().await;
        let url = format!("http://{}/slow", server.address);
        let request = tokio::spawn(async move { reqwest::Client::new().get(url).send().await });
        server.begun.notified().await;
        server.stop.send(()).expect("the server waits for it");
        // The listener is gone as soon as the stop was heard.
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.served.is_finished());
        server.go_on.notify_one();
        let answer = request.await.expect("the client ends").expect("an answer");
        assert_eq!(answer.text().await.expect("a body"), "slow");
        server.served.await.expect("the server ends");
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own client")]
    #[tokio::test]
    async fn both_versions_of_http_are_served_in_the_clear() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = running().await;
        let url = format!("http://{}/quick", server.address);
        let one = reqwest::Client::new().get(&url).send().await.expect("an answer");
        assert_eq!(one.version(), Version::HTTP_11);
        let two = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
        let two = two.get(&url).send().await.expect("an answer");
        assert_eq!(two.version(), Version::HTTP_2);
        assert_eq!(two.text().await.expect("a body"), "quick");
    }
}
