//! `[outbound]`: requests this server makes to addresses others gave it.

use crate::config::reader::Reader;

/// DID documents and the like are a few kilobytes.
const RESPONSE_BYTES_MAX: u64 = 512 * 1024;

/// Section `[outbound]`.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// Refuses private addresses and plain HTTP.
    pub address_guard: bool,
    /// Largest answer that is read.
    pub response_bytes_max: u64,
}

impl OutboundConfig {
    pub(in crate::config) fn read(reader: &mut Reader, dev_mode: bool) -> Self {
        let mut section = reader.section("outbound");
        Self {
            address_guard: section.or("address_guard", !dev_mode),
            response_bytes_max: section.or("response_bytes_max", RESPONSE_BYTES_MAX),
        }
    }
}
