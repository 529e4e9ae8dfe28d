//! One number for the memory of the process, divided among what may fill it.
//!
//! What is left when nothing is cached is small and the same everywhere; the rest
//! is for trees, for the newest events and for pages of the database. What a
//! request needs while it runs comes out of the reserve.

use std::fs;

use crate::config::Config;

const MB: u64 = 1_000_000;
/// The part of the machine's memory that is taken where the operator says nothing.
const PART_OF_MACHINE: u64 = 8;
/// The least and the most of it, in megabytes: a small machine shall work, and a
/// large one need not be filled.
const DEFAULT_MB: (u64, u64) = (64, 256);
/// A machine about which nothing can be read, in megabytes.
const UNKNOWN_MACHINE_MB: u64 = 1_024;
/// What the process needs with empty caches, and for requests that run.
const RESERVE_MB: u64 = 32;

/// Hundredths of what is left: trees, events, pages of the writer, pages of all
/// readers.
const TREES: u64 = 50;
const EVENTS: u64 = 15;
const WRITER_PAGES: u64 = 20;
const READER_PAGES: u64 = 15;

/// Bytes for each of the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Trees of repositories in use.
    pub trees_bytes: u64,
    /// The newest events.
    pub events_bytes: u64,
    /// Pages that SQLite's writer keeps.
    pub writer_pages_bytes: u64,
    /// Pages that all of SQLite's readers keep.
    pub reader_pages_bytes: u64,
}

impl Memory {
    /// Divides the memory of `config`.
    pub fn of(config: &Config) -> Self {
        Self::divide(config.memory.budget_mb.unwrap_or_else(default_mb))
    }

    fn divide(budget_mb: u64) -> Self {
        let left = budget_mb.saturating_sub(RESERVE_MB) * MB;
        let part = |hundredths: u64| left / 100 * hundredths;
        Self {
            trees_bytes: part(TREES),
            events_bytes: part(EVENTS),
            writer_pages_bytes: part(WRITER_PAGES),
            reader_pages_bytes: part(READER_PAGES),
        }
    }
}

fn default_mb() -> u64 {
    let machine = machine_mb().unwrap_or(UNKNOWN_MACHINE_MB);
    (machine / PART_OF_MACHINE).clamp(DEFAULT_MB.0, DEFAULT_MB.1)
}

/// The memory of the machine, or what a container is allowed of it.
fn machine_mb() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    let allowed = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let allowed = allowed.and_then(|text| text.trim().parse::<u64>().ok());
    Some((kib * 1_024).min(allowed.unwrap_or(u64::MAX)) / MB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fit_into_the_budget_with_the_reserve() {
        for budget_mb in [64, 128, 512, 4_096] {
            let memory = Memory::divide(budget_mb);
            let all = memory.trees_bytes
                + memory.events_bytes
                + memory.writer_pages_bytes
                + memory.reader_pages_bytes;
            assert!(all + RESERVE_MB * MB <= budget_mb * MB, "{budget_mb}: {memory:?}");
            assert!(memory.events_bytes > 4 * MB, "{budget_mb}: {memory:?}");
        }
    }
}
