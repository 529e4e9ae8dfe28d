//! Where a command finds its settings: the file and the process environment.
//!
//! The only place that reads the environment and the settings file.

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigFile, Loaded, Sources};

use super::failure::Failure;

/// The file that is read when none is named, if it is there.
const DEFAULT_FILE: &str = "freehold.toml";

/// Arguments of every command that needs settings.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArgs {
    /// File with settings; ./freehold.toml is read if it is there.
    ///
    /// Environment variables win over the file: FREEHOLD_SERVER_PORT is port in
    /// section [server]. The official server's PDS_* variables are understood
    /// as well. See `freehold config show` for what holds in the end.
    #[arg(long, global = true, value_name = "FILE", env = "FREEHOLD_CONFIG")]
    config: Option<PathBuf>,
}

impl SettingsArgs {
    /// Reads the settings.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let sources = Sources { file: self.file()?, variables: variables() };
        Config::load(&sources).map_err(|faulty| {
            let mut text = faulty.to_string();
            for warning in &faulty.warnings {
                text.push_str(&format!("\n  (also: {warning})"));
            }
            Failure::Mistaken(text)
        })
    }

    fn file(&self) -> Result<Option<ConfigFile>, Failure> {
        let (path, wanted) = match &self.config {
            Some(path) => (path.as_path(), true),
            None => (Path::new(DEFAULT_FILE), false),
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(ConfigFile { path: path.to_owned(), text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !wanted => Ok(None),
            Err(error) => {
                Err(Failure::Mistaken(format!("cannot read {}: {error}", path.display())))
            }
        }
    }
}

/// Variables that are not Unicode cannot be ours and are left out.
fn variables() -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
        .collect();
    variables.sort();
    variables
}
