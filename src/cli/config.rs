//! `freehold config`: what holds, and whether it can.

use clap::Subcommand;

use super::failure::Failure;
use super::print;
use super::settings::SettingsArgs;

/// Check or show the settings.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Read all settings and name every fault, without starting anything.
    ///
    /// Reads the file and the environment exactly as `freehold serve` would and
    /// prints what is wrong: the setting, the line or variable where it stands,
    /// and what is wanted. Settings that have no effect are named as well. The
    /// exit code is 0 if a server would start on them, else 2. Run it before a
    /// restart.
    Check,
    /// Print the settings that hold, with where each comes from.
    ///
    /// The output is a settings file that gives the same server, with one
    /// exception: secrets are said to be set and never shown. Settings with no
    /// value are listed as comments, so this is also the list of all settings.
    Show,
}

impl Config {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let loaded = settings.load()?;
        for warning in &loaded.warnings {
            eprintln!("freehold: {warning}");
        }
        match self {
            Self::Check => print("The configuration has no faults.\n"),
            Self::Show => print(&loaded.shown),
        }
    }
}
