//! `freehold serve`: the server.

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Server};
use crate::config::{Config, Loaded};

use super::failure::Failure;
use super::logs;
use super::settings::SettingsArgs;

/// Run the server until it is told to stop.
///
/// Reads the settings, opens the database (a new one is made), listens, and
/// serves. What the settings do not give is generated at the first start and
/// kept in the data folder: the secret of session tokens, the administrator's
/// password, the key that signs identities, and the key that seals the
/// accounts' signing keys. Back that folder up; without it the accounts cannot
/// write.
///
/// On SIGTERM or SIGINT it accepts nothing new, finishes the requests in hand,
/// closes the event streams and leaves, at the latest after stop_deadline_ms
/// of section [server]. A second signal ends it at once; nothing that was
/// answered is lost either way.
///
/// With nothing but the environment of an official installation (its pds.env)
/// it behaves as that server: same names, same secrets, same folders.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let loaded = settings.load()?;
        logs::start(&loaded.config.log)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        runtime()?.block_on(serve(loaded))
    }
}

/// Starts the threads that everything asynchronous runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn serve(loaded: Loaded) -> Result<(), Failure> {
    let config = &loaded.config;
    warn_of_official_data(config);
    let mut stopping = StopSignals::new()?;
    let server = Server::start(config, app::world(config)).await?;
    let address = server.address();
    tracing::info!("Serving {} on {address}.", config.server.public_url);
    stopping.next().await;
    tracing::info!("Stopping: finishing the requests in hand.");
    let deadline = config.server.stop_deadline;
    tokio::select! {
        () = server.stop() => tracing::info!("Stopped."),
        () = stopping.next() => tracing::warn!("Left at once, as told twice."),
        () = tokio::time::sleep(deadline) => {
            tracing::warn!("Left after {} ms with requests still in hand.", deadline.as_millis());
        }
    }
    Ok(())
}

/// Says that an official server's accounts are not served: its settings are
/// understood, so somebody may think that its data is as well.
fn warn_of_official_data(config: &Config) {
    let folder = &config.server.data_directory;
    if folder.join("account.sqlite").exists() {
        tracing::warn!(
            "The folder {} holds accounts of the official server. They are left alone and not \
             served: Freehold keeps its own in the same folder.",
            folder.display()
        );
    }
}

/// The signals by which service managers and people ask a server to stop.
pub(super) struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from now on; must be called within a runtime.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
