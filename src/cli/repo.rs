//! `freehold repo`: what the network knows of repositories.

use clap::{Args, Subcommand};

use crate::http::operator::Outcome;

use super::failure::Failure;
use super::reach::{Deed, Which, each};
use super::serve::runtime;
use super::settings::SettingsArgs;

/// Tell the network of repositories.
#[derive(Debug, Subcommand)]
pub(super) enum Repo {
    Announce(Announce),
}

/// Tell the network again how accounts stand.
///
/// A relay that takes an account for deactivated or gone drops everything it
/// hears of it. This puts into the event stream what a newcomer would be told:
/// how the account stands, who it is and, if it is active, where its repository
/// stands. Works with the running server of these settings, or on its database
/// while no server runs; then relays read it after the next start.
#[derive(Debug, Args)]
pub(super) struct Announce {
    #[command(flatten)]
    which: Which,
    /// Print a line of JSON for each account.
    #[arg(long)]
    json: bool,
}

impl Repo {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let Self::Announce(command) = self;
        let config = settings.load()?.config;
        let done = each(&config, &command.which, Deed::Announce, shown, command.json);
        runtime()?.block_on(done)
    }
}

fn shown(account: &str, outcome: &Outcome) -> String {
    let Outcome::Announced { status } = outcome else { return String::new() };
    format!("{account}  announced as {}\n", status.as_deref().unwrap_or("active"))
}
