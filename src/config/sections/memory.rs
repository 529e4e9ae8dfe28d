//! `[memory]`: how much of the machine's memory the caches may fill.

use crate::config::reader::Reader;

/// With less, a tree of a large repository and the newest events find no room.
const BUDGET_MB_MIN: u64 = 64;

/// Section `[memory]`.
#[derive(Clone, Copy, Debug)]
pub struct MemoryConfig {
    /// Megabytes for the whole process; by the machine, if nothing is said.
    pub budget_mb: Option<u64>,
}

impl MemoryConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("memory");
        let budget_mb: Option<u64> = section.optional("budget_mb");
        if budget_mb.is_some_and(|budget| budget < BUDGET_MB_MIN) {
            let origin = section.origin("budget_mb");
            section.fault("budget_mb", Some(origin), format!("wanted {BUDGET_MB_MIN} or more"));
        }
        Self { budget_mb }
    }
}
