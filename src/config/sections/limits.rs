//! `[limits]`: how often a client may ask, and how a client is told apart.

use std::net::IpAddr;

use crate::config::reader::Reader;
use crate::config::secret::Secret;
use crate::config::sections::server::ServerConfig;

/// Section `[limits]`.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Whether requests are counted.
    pub enabled: bool,
    /// How many reverse proxies of the operator's stand in front; nothing for
    /// one, where the connection comes from the local network, else none.
    pub trusted_proxies: Option<usize>,
    /// Whoever sends it in `x-ratelimit-bypass` is not counted.
    pub bypass_key: Option<Secret>,
    /// Clients that are not counted.
    pub bypass_addresses: Vec<IpAddr>,
}

impl LimitsConfig {
    pub(in crate::config) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        let mut section = reader.section("limits");
        Self {
            enabled: section.or("enabled", !server.dev_mode),
            trusted_proxies: section.optional("trusted_proxies"),
            bypass_key: section.secret("bypass_key"),
            bypass_addresses: section.list("bypass_addresses", Vec::new()),
        }
    }
}
