//! `[outbound]`: requests this server makes to addresses others gave it.

use crate::config::ServerConfig;
use crate::config::parsed::{Parsed, quoted};
use crate::config::reader::Reader;
use crate::world::http::Authorities;

/// Section `[outbound]`.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Refuses private addresses and plain HTTP.
    pub address_guard: bool,
    /// Certificate authorities beside the public ones.
    pub authorities: Authorities,
}

/// A file of certificates that was read.
struct AuthoritiesFile {
    path: String,
    authorities: Authorities,
}

impl Parsed for AuthoritiesFile {
    const WANTED: &'static str = "the path of a file with certificates in PEM";
    fn parse(text: &str) -> Option<Self> {
        let authorities = Authorities::read(std::path::Path::new(text)).ok()?;
        Some(Self { path: text.to_owned(), authorities })
    }
    fn show(&self) -> String {
        quoted(&self.path)
    }
}

impl OutboundConfig {
    pub(in crate::config) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        let mut section = reader.section("outbound");
        let file: Option<AuthoritiesFile> = section.optional("extra_authorities_file");
        Self {
            address_guard: section.or("address_guard", !server.dev_mode),
            authorities: file.map(|file| file.authorities).unwrap_or_default(),
        }
    }
}
