//! `[database]`: which engine keeps everything but blobs.

use std::path::{Path, PathBuf};

use url::Url;

use crate::config::reader::Reader;
use crate::config::secret::Secret;

/// The database file in the data folder.
const SQLITE_FILE: &str = "freehold.sqlite";

/// Connections for reading; more than a few per core only wait for each other.
const CONNECTIONS_MAX: u64 = 8;

/// Which engine, and where.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file that this process alone owns.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A Postgres server.
    Postgres {
        /// The URL; it may hold a password.
        url: Secret,
        /// Connections for reading.
        connections_max: u32,
    },
}

impl Database {
    pub(in crate::config) fn read(reader: &mut Reader, data_directory: &Path) -> Self {
        let mut section = reader.section("database");
        let url = section.secret("url");
        let connections_max = section.or("connections_max", CONNECTIONS_MAX);
        let connections_max = u32::try_from(connections_max).unwrap_or(u32::MAX).max(2);
        let default = Self::Sqlite { path: data_directory.join(SQLITE_FILE) };
        let Some(url) = url else { return default };
        let scheme =
            Url::parse(url.reveal()).map(|url| url.scheme().to_owned()).unwrap_or_default();
        match (scheme.as_str(), url.reveal().strip_prefix("sqlite:")) {
            ("postgres" | "postgresql", _) => Self::Postgres { url, connections_max },
            (_, Some(path)) if !path.is_empty() => {
                Self::Sqlite { path: PathBuf::from(path.strip_prefix("//").unwrap_or(path)) }
            }
            _ => {
                let origin = section.origin("url");
                section.fault(
                    "url",
                    Some(origin),
                    "wanted postgres://user:password@host/database or sqlite:PATH (the value is not shown)",
                );
                default
            }
        }
    }
}
