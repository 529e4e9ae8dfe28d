//! `freehold check`: whether what is kept holds together.

use crate::app;
use crate::config::Config;
use crate::service::check::{self, Depth, Report};
use crate::store::{BlobBytes, Db, Store, StoreError};
use crate::world::Clock;

use super::failure::Failure;
use super::print;
use super::serve;
use super::settings::SettingsArgs;

/// Check that accounts, repositories, events and blobs hold together.
///
/// Rebuilds every repository from its records and compares it with the signed
/// commit, follows the log of events to each of them, and looks for the bytes
/// of every blob. Changes nothing and may run beside the server; after a
/// restore, a crash, or a disk that gave errors it says what was lost. The
/// exit code is 0 if there are no faults, else 1.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Read and hash every record and blob as well: as slow as the disk.
    #[arg(long)]
    deep: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let loaded = settings.load()?;
        let depth = if self.deep { Depth::Deep } else { Depth::Quick };
        let report = serve::runtime()?.block_on(report(&loaded.config, depth))?;
        match self.json {
            true => print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?,
            false => print(&report.to_string())?,
        }
        match report.is_clean() {
            true => Ok(()),
            false => Err("the check has found faults".into()),
        }
    }
}

async fn report(config: &Config, depth: Depth) -> Result<Report, StoreError> {
    let db = Db::open_to_read(app::database(config)).await?;
    let blobs = BlobBytes::disk_to_read(config.blobs.directory.clone()).await?;
    let store = Store { db, blobs };
    let report = check::run(&store, Clock::system().now(), depth).await;
    store.db.close().await;
    report
}
