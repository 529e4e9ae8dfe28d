//! `[accounts]`: who may come, and what accounts may do.

use std::time::Duration;

use crate::config::reader::Reader;

/// Section `[accounts]`.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Whether a new account needs an invite code.
    pub invite_required: bool,
    /// How often an account earns an invite code; `None` is never.
    pub invite_interval: Option<Duration>,
    /// Accounts earn codes for time after this moment, in milliseconds.
    pub invite_epoch_ms: u64,
    /// Whether accounts may come with their repository.
    pub repo_imports: bool,
    /// Largest repository that is imported; `None` leaves the server's own.
    pub repo_import_bytes_max: Option<u64>,
    /// Whether answers about sessions carry the account's DID document.
    pub did_doc_with_session: bool,
}

impl AccountsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("accounts");
        Self {
            invite_required: section.or("invite_required", true),
            invite_interval: section.optional("invite_interval_ms").map(Duration::from_millis),
            invite_epoch_ms: section.or("invite_epoch_ms", 0),
            repo_imports: section.or("repo_imports", true),
            repo_import_bytes_max: section.optional("repo_import_bytes_max"),
            did_doc_with_session: section.or("did_doc_with_session", false),
        }
    }
}
