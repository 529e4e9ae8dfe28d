//! Windows in use, in a bounded number.
//!
//! Two generations: a window that is touched is in the young one; when that is
//! full it becomes the old one, and what nobody touched since goes. So neither
//! adding nor forgetting ever walks over all of them, and a flood of strangers
//! pushes out the idle first.

use std::collections::HashMap;
use std::time::Duration;

/// Windows in one generation; both together take about 10 MB when full.
const GENERATION_MAX: usize = 128 * 1024;

/// One window.
#[derive(Debug, Clone, Copy)]
struct Window {
    ends_ms: u64,
    used: u32,
}

/// Windows by the digest of bucket and subject.
#[derive(Debug, Default)]
pub(super) struct Windows {
    young: HashMap<u64, Window>,
    old: HashMap<u64, Window>,
}

impl Windows {
    /// How much of a window is used, and when it ends: of a new one, if there
    /// is none or it has ended.
    pub(super) fn read(&self, key: u64, now_ms: u64, length: Duration) -> (u32, u64) {
        let window = self.find(key, now_ms, length);
        (window.used, window.ends_ms)
    }

    /// Uses a window.
    pub(super) fn add(&mut self, key: u64, points: u32, now_ms: u64, length: Duration) {
        let mut window = self.find(key, now_ms, length);
        window.used = window.used.saturating_add(points);
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, window);
    }

    fn find(&self, key: u64, now_ms: u64, length: Duration) -> Window {
        let found = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let new = Window { ends_ms: now_ms.saturating_add(length_ms), used: 0 };
        found.filter(|window| window.ends_ms > now_ms).unwrap_or(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_strangers_pushes_out_the_idle_and_not_the_busy() {
        let length = Duration::from_secs(60);
        let mut windows = Windows::default();
        windows.add(1, 1, 0, length);
        windows.add(2, 1, 0, length);
        for stranger in 0..(2 * GENERATION_MAX as u64) {
            windows.add(100 + stranger, 1, 0, length);
            if stranger % 1_000 == 0 {
                windows.add(2, 1, 0, length);
            }
            assert!(windows.young.len() <= GENERATION_MAX);
            assert!(windows.old.len() <= GENERATION_MAX);
        }
        assert_eq!(windows.read(1, 0, length).0, 0);
        assert!(windows.read(2, 0, length).0 > 200);
    }
}
