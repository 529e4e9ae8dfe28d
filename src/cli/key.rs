//! `freehold key`: the keys that sign repositories.

use clap::{Args, Subcommand};

use crate::http::operator::Outcome;

use super::failure::Failure;
use super::reach::{Deed, Which, each};
use super::serve::runtime;
use super::settings::SettingsArgs;

/// Change the keys that sign repositories.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    Rotate(Rotate),
}

/// Give accounts another signing key.
///
/// Wanted where a key, the database or a backup of it may have come into other
/// hands. Works with the running server of these settings, or on its database
/// while no server runs. Each account gets a new key: the did:plc directory is
/// told, and the repository is signed with it. A change that is cut off is
/// finished or undone by the server. Where only the owner can change the DID
/// (did:web, or rotation keys without this server's), the key to put into the
/// DID document is printed; it is used within a minute after it is there, and
/// running the command again prints it again.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Print a line of JSON for each account.
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let Self::Rotate(command) = self;
        let config = settings.load()?.config;
        let done = each(&config, &command.which, Deed::RotateKey, shown, command.json);
        runtime()?.block_on(done)
    }
}

fn shown(account: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rotated { key } => format!("{account}  signs with {key}\n"),
        Outcome::Waiting { key } => {
            let multibase = key.trim_start_matches("did:key:");
            format!(
                "{account}  waits: its owner must put {key} into the DID document, as\n  \
                 the verification method #atproto (publicKeyMultibase {multibase})\n"
            )
        }
        Outcome::Announced { .. } => String::new(),
    }
}
