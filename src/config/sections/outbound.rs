//! `[outbound]`: requests this server makes to addresses others gave it.

use crate::config::ServerConfig;
use crate::config::reader::Reader;

/// Section `[outbound]`.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Refuses private addresses and plain HTTP.
    pub address_guard: bool,
}

impl OutboundConfig {
    pub(in crate::config) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        let mut section = reader.section("outbound");
        Self { address_guard: section.or("address_guard", !server.dev_mode) }
    }
}
