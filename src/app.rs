//! The wiring: from a checked configuration to a server that runs, and back.
//!
//! [`Server::start`] opens what is kept, builds the services, takes the port
//! and then starts serving, in this order, so that a server that answers is a
//! server that works. [`Server::stop`] goes the other way: no new connections,
//! requests finish, streams close, tasks end, the committer drains. Nothing
//! here decides what a server does; tests start it as `main` does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, keyring::KeyringError};
use crate::http;
use crate::service::tasks::Tasks;
use crate::service::{Host, Services, UploadLimits};
use crate::world::World;

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    services: Arc<Services>,
    tasks: Tasks,
    /// Resolves when the last connection has ended after the stop.
    serving: JoinHandle<()>,
    /// Cancelled when the server is to stop accepting.
    stop: CancellationToken,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("cannot make the data folder {path}: {source}")]
    DataDirectory {
        /// The folder.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The secrets are not complete.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The port cannot be taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Server {
    /// Starts a server and returns once it answers.
    ///
    /// # Errors
    /// [`StartError`] says what stands in the way.
    pub async fn start(config: &Config, world: World) -> Result<Self, StartError> {
        let address = config.server.listen();
        let listening = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let tasks = Tasks::new(world.clock.clone());
        let services = Arc::new(services(config, world));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = serve(listener, services.clone(), stopped);
        Ok(Self { address, services, tasks, serving, stop })
    }

    /// Returns the address and port it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its services, for commands and tests that go past the wire.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Stops: finishes what was begun and closes everything.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.stop();
        if let Err(panic) = self.serving.await {
            tracing::error!("Serving broke down: {panic}.");
        }
        self.tasks.finish().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the hall starts the server's own tasks")]
fn serve(
    listener: TcpListener,
    services: Arc<Services>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(http::serve(listener, http::router(services), stopped))
}

fn services(config: &Config, world: World) -> Services {
    let uploads = UploadLimits {
        blob_bytes_max: config.blobs.upload_bytes_max,
        repository_bytes_max: config.accounts.repo_import_bytes_max.unwrap_or(u64::MAX),
    };
    Services { host: host(config), world, uploads }
}

fn host(config: &Config) -> Host {
    Host {
        public_url: config.server.public_url.clone(),
        hostname: config.server.hostname.clone(),
        service_did: config.server.service_did.clone(),
        handle_domains: config.identity.handle_domains.clone(),
    }
}
