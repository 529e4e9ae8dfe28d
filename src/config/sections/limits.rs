//! `[limits]`: how much one address or account may ask for.

use std::net::IpAddr;

use crate::config::reader::Reader;
use crate::config::secret::Secret;

/// Section `[limits]`.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Whether requests are counted at all.
    pub enabled: bool,
    /// Requests with this value in `x-ratelimit-bypass` are not counted.
    pub bypass_key: Option<Secret>,
    /// Requests from these addresses are not counted.
    pub bypass_addresses: Vec<IpAddr>,
}

impl LimitsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("limits");
        Self {
            enabled: section.or("enabled", true),
            bypass_key: section.secret("bypass_key"),
            bypass_addresses: section.list("bypass_addresses", Vec::new()),
        }
    }
}
