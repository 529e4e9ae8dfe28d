//! What is measured, in the order in which it is.

mod archives;
mod growth;
mod people;
mod records;
mod stream;

use std::io;
use std::time::Duration;

use crate::report::Report;
use crate::subject::Subject;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    /// How long a load lasts.
    pub time: Duration,
    /// Records of the repositories that are exported and imported.
    pub sizes: &'static [u64],
    /// Subscribers to the stream at once.
    pub subscribers: &'static [usize],
    /// Records of a repository whose writes are timed as it grows.
    pub repository_growth: &'static [u64],
    /// Accounts among which writes are timed as they become more.
    pub account_growth: &'static [u64],
}

impl Scale {
    /// A few minutes.
    pub const QUICK: Self = Self {
        time: Duration::from_secs(3),
        sizes: &[1_000, 10_000],
        subscribers: &[1, 100],
        repository_growth: &[1_000, 10_000],
        account_growth: &[10, 1_000],
    };
    /// What is published.
    pub const WHOLE: Self = Self {
        time: Duration::from_secs(8),
        sizes: &[1_000, 10_000, 100_000],
        subscribers: &[1, 100, 1_000],
        repository_growth: &[1_000, 10_000, 100_000, 1_000_000],
        account_growth: &[10, 1_000, 10_000, 100_000],
    };
    /// With repositories larger than any that is known.
    pub const HUGE: Self = Self { sizes: &[1_000, 10_000, 100_000, 1_000_000], ..Self::WHOLE };
}

/// A server under measurement.
pub struct Bench {
    pub subject: Subject,
    pub report: Report,
    pub scale: Scale,
}

/// The groups of cases, by name.
pub const GROUPS: [&str; 5] = ["people", "records", "archives", "stream", "growth"];

/// Measures a group.
pub async fn run(group: &str, bench: &mut Bench) -> io::Result<()> {
    match group {
        "people" => people::run(bench).await,
        "records" => records::run(bench).await,
        "archives" => archives::run(bench).await,
        "stream" => stream::run(bench).await,
        "growth" => growth::run(bench).await,
        _ => Err(io::Error::other(format!("there is no group {group}"))),
    }
}
