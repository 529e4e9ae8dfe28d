//! `[accounts]`: who may come, and what accounts may do.

use std::time::Duration;

use crate::config::reader::Reader;

/// More than any check of a password takes, so that how long a log-in took
/// does not tell whether the account exists.
const LOGIN_TIME_MIN: Duration = Duration::from_millis(350);

/// Section `[accounts]`.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Whether a new account needs an invite code.
    pub invite_required: bool,
    /// Whether accounts may come with their repository.
    pub repo_imports: bool,
    /// Largest repository that is imported; `None` leaves the server's own.
    pub repo_import_bytes_max: Option<u64>,
    /// Time that a log-in takes at least.
    pub login_time_min: Duration,
}

impl AccountsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("accounts");
        Self {
            invite_required: section.or("invite_required", true),
            repo_imports: section.or("repo_imports", true),
            repo_import_bytes_max: section.optional("repo_import_bytes_max"),
            login_time_min: section.millis("login_time_min_ms", LOGIN_TIME_MIN),
        }
    }
}
