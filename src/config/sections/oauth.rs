//! `[oauth]`: apps that act for accounts.

use crate::config::reader::Reader;

/// Section `[oauth]`.
#[derive(Clone, Debug, Default)]
pub struct OAuthConfig {
    /// The `client_id`s of the operator's own apps, for which nobody is asked
    /// whether they agree.
    pub trusted_clients: Vec<String>,
}

impl OAuthConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("oauth");
        Self { trusted_clients: section.list("trusted_clients", Vec::new()) }
    }
}
