//! `[accounts]`: who may come, and what accounts may do.

use std::time::Duration;

use crate::atproto::Moment;
use crate::config::reader::Reader;

/// More than any check of a password takes, so that how long a log-in took
/// does not tell whether the account exists.
const LOGIN_TIME_MIN: Duration = Duration::from_millis(350);

/// Section `[accounts]`.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Whether a new account needs an invite code.
    pub invite_required: bool,
    /// How long an account stays to earn an invite code; `None` where it earns none.
    pub invite_interval: Option<Duration>,
    /// From when on that counts.
    pub invite_epoch: Moment,
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
            invite_interval: section
                .optional::<u64>("invite_interval_ms")
                .filter(|interval| *interval > 0)
                .map(Duration::from_millis),
            invite_epoch: Moment::from_unix_ms(
                i64::try_from(section.or::<u64>("invite_epoch_ms", 0)).unwrap_or(i64::MAX),
            ),
            repo_imports: section.or("repo_imports", true),
            repo_import_bytes_max: section.optional("repo_import_bytes_max"),
            login_time_min: section.millis("login_time_min_ms", LOGIN_TIME_MIN),
        }
    }
}
