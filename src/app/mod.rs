//! The wiring: from a checked configuration to a server that runs, and back.
//!
//! [`Server::start`] opens what is kept, builds the services, takes the port,
//! starts the tasks and then serves, in this order, so that a server that
//! answers is a server that works. [`Server::stop`] goes the other way: no new
//! connections, requests finish, streams close, tasks end, the committer drains.
//! Nothing here decides what a server does; tests start it as `main` does.

mod memory;
mod services;
mod tasks;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Database, keyring::Keyring, keyring::KeyringError};
use crate::http;
use crate::service::Services;
use crate::service::tasks::Tasks;
use crate::store::{BlobBytes, Db, DbSettings, Location, Store, StoreError};
use crate::world::{Network, World, WorldSettings};

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    services: Arc<Services>,
    store: Store,
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
    #[error("cannot make the data folder {}: {source}", path.display())]
    DataDirectory {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The secrets are not complete.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What is kept cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        let keyring = open_keyring(config, &world)?;
        let store = open_store(config, &world).await?;
        let tasks = Tasks::new(world.clock.clone());
        let wiring =
            services::Wiring { config, keyring, world, store: store.clone(), tasks: &tasks };
        let (services, feed) = wiring.build().await?;
        let services = Arc::new(services);
        services.accounts.hold_rotating().await?;
        let (listener, address) = listen(config.server.listen()).await?;
        tasks::start(config, &services, feed, &tasks);
        let stop = CancellationToken::new();
        let router = http::router(services.clone());
        let stopped = stop.clone().cancelled_owned();
        let serving = start_serving(http::serve(listener, router, stopped));
        Ok(Self { address, services, store, tasks, serving, stop })
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
        self.store.db.close().await;
    }
}

/// A server for one command, while the real one is down: it works on the same
/// database, listens on this machine only, and runs no periodic tasks.
pub struct Offline {
    services: Arc<Services>,
    store: Store,
    tasks: Tasks,
    address: SocketAddr,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl Offline {
    /// Opens what is kept and serves it to this machine. Fails where a server
    /// has it open, on SQLite.
    ///
    /// # Errors
    /// [`StartError`] says what stands in the way.
    pub async fn open(config: &Config, world: World) -> Result<Self, StartError> {
        let keyring = open_keyring(config, &world)?;
        let store = open_store(config, &world).await?;
        let tasks = Tasks::new(world.clock.clone());
        let wiring =
            services::Wiring { config, keyring, world, store: store.clone(), tasks: &tasks };
        // Nobody subscribes, so nobody follows the feed.
        let (services, _feed) = wiring.build().await?;
        services.accounts.hold_rotating().await?;
        let services = Arc::new(services);
        let (listener, address) = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = http::router(services.clone());
        let serving = start_serving(http::serve(listener, router, stopped));
        Ok(Self { services, store, tasks, address, serving, stop })
    }

    /// Returns the address and port it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes everything.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.stop();
        if let Err(panic) = self.serving.await {
            tracing::error!("Serving broke down: {panic}.");
        }
        drop(self.services);
        self.tasks.finish().await;
        self.store.db.close().await;
    }
}

/// Returns the world that `config` describes.
pub fn world(config: &Config) -> World {
    World::real(&WorldSettings {
        nameservers: config.identity.nameservers.clone(),
        authorities: config.outbound.authorities.clone(),
        network: match config.outbound.address_guard {
            true => Network::Internet,
            false => Network::Local,
        },
        mail: config.mail.settings.clone(),
    })
}

/// Completes the secrets of `config` from its data folder, which is made.
///
/// # Errors
/// [`StartError`], where the folder or a secret cannot be made or read.
pub fn open_keyring(config: &Config, world: &World) -> Result<Keyring, StartError> {
    let folder = &config.server.data_directory;
    // What is kept there is for the server's eyes only; a folder that is there
    // already has the mode that its owner gave it.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| StartError::DataDirectory { path: folder.clone(), source })?;
    let mut random = |bytes: &mut [u8]| world.entropy.fill(bytes);
    Ok(Keyring::open(&config.secrets, folder, &mut random)?)
}

/// Opens the database and the blobs that `config` names.
///
/// # Errors
/// [`StoreError`] says what stands in the way.
pub async fn open_store(config: &Config, world: &World) -> Result<Store, StoreError> {
    let clock = world.clock.clone();
    let db = Db::open(database(config), Arc::new(move || clock.now_us())).await?;
    let blobs = BlobBytes::disk(config.blobs.directory.clone()).await?;
    Ok(Store { db, blobs })
}

/// Says which database `config` names.
pub fn database(config: &Config) -> DbSettings {
    let memory = memory::Memory::of(config);
    let settings = match &config.database {
        Database::Sqlite { path } => DbSettings::new(Location::Sqlite(path.clone())),
        Database::Postgres { url, connections_max } => DbSettings {
            readers_max: *connections_max,
            ..DbSettings::new(Location::Postgres(url.reveal().to_owned()))
        },
    };
    DbSettings {
        writer_pages_bytes: memory.writer_pages_bytes,
        reader_pages_bytes: memory.reader_pages_bytes / u64::from(settings.readers_max),
        ..settings
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    Ok((listener, address))
}

/// Starts the task that serves a port, here or in a local network.
#[expect(clippy::disallowed_methods, reason = "the hall starts the task of each port")]
pub(crate) fn start_serving(serving: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(serving)
}
