//! A directory that listens, with a database of its own.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::DevError;
use crate::{
    app::start_serving,
    http,
    service::directory::{Directory, Rates},
    store::{Db, DbSettings, Location},
    world::World,
};

/// The directory's database in its folder.
const DATABASE: &str = "directory.sqlite";

/// A did:plc directory that runs.
pub struct DirectoryServer {
    address: SocketAddr,
    directory: Arc<Directory>,
    /// The directory's own; closed in the end.
    db: Db,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl DirectoryServer {
    /// Starts a directory that is kept in `folder` and listens on `listen`,
    /// where port 0 takes a free one.
    ///
    /// # Errors
    /// [`DevError::Folder`], [`DevError::Listen`], [`DevError::Directory`].
    pub async fn start(
        listen: SocketAddr,
        folder: &Path,
        world: &World,
        rates: Rates,
    ) -> Result<Self, DevError> {
        let in_folder = |source| DevError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(in_folder)?;
        let listening = |source| DevError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let location = Location::Sqlite(folder.join(DATABASE));
        let clock = world.clock.clone();
        let now_us = Arc::new(move || clock.now_us());
        let db = Db::open(DbSettings::new(location), now_us).await?;
        let directory = Arc::new(Directory::new(db.clone(), world.clock.clone(), rates));
        let stop = CancellationToken::new();
        let router = http::directory::router(directory.clone());
        let stopped = stop.clone().cancelled_owned();
        let serving = start_serving(http::serve(listener, router, stopped));
        Ok(Self { address, directory, db, serving, stop })
    }

    /// Returns the address and port it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the directory, for tests that go past the wire.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Stops: finishes what was begun and closes everything.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(panic) = self.serving.await {
            tracing::error!("Serving the directory broke down: {panic}.");
        }
        self.db.close().await;
    }
}
