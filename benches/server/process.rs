//! What a process used: processor, memory, disk. Read from `/proc`, so Linux.

use std::fs;
use std::path::Path;

/// Ticks of the kernel's clock in a second.
const TICKS: f64 = 100.0;
/// What `clear_refs` takes to forget the peak of the memory.
const FORGET_PEAK: &str = "5";

/// What a process has used since it began.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, of all threads.
    pub cpu_seconds: f64,
    /// Bytes that it had written to disks.
    pub written_bytes: u64,
}

impl Usage {
    /// Reads it; nothing, where there is no such process.
    pub fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold spaces; it ends with the last parenthesis.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|n| n.parse().ok());
        let ticks = ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0);
        Self { cpu_seconds: ticks / TICKS, written_bytes: field(pid, "io", "write_bytes:") }
    }

    /// What was used since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

/// Bytes of memory that a process has now.
pub fn memory(pid: u32) -> u64 {
    field(pid, "status", "VmRSS:") * 1024
}

/// Bytes of memory that it had at most since [`forget_peak`].
pub fn peak(pid: u32) -> u64 {
    field(pid, "status", "VmHWM:") * 1024
}

/// Begins to look for the peak anew.
pub fn forget_peak(pid: u32) {
    // Where it is not allowed, peaks are those since the start.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), FORGET_PEAK);
}

/// Bytes of the files in a folder.
pub fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size_of(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
