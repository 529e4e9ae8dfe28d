//! What was measured, as a table for people and as lines for the next run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::load::Measured;

/// What a row can say, with the width of its column and its digits.
pub const COLUMNS: [(&str, usize); 7] = [
    ("per s", 0),
    ("p50 ms", 2),
    ("p99 ms", 2),
    ("CPU ms", 3),
    ("MB/s", 0),
    ("peak MB", 0),
    ("disk kB", 1),
];

/// The rows of one server.
#[derive(Default)]
pub struct Report {
    pub name: String,
    rows: Vec<(String, BTreeMap<String, f64>)>,
}

impl Report {
    /// Begins one.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rows: Vec::new() }
    }

    /// Adds figures, by the names of their columns.
    pub fn add(&mut self, row: &str, figures: &[(&str, f64)]) {
        let figures: BTreeMap<String, f64> =
            figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect();
        eprintln!("{:>12}  {row:44} {}", self.name, line(&figures));
        self.rows.push((row.to_owned(), figures));
    }

    /// Adds what came of a load; each operation counts for `per` things.
    pub fn add_load(&mut self, row: &str, measured: &Measured, per: u64) {
        let count = (measured.operations * per).max(1) as f64;
        let written = measured.usage.written_bytes as f64;
        let mut figures = vec![
            ("per s", count / measured.seconds),
            ("p50 ms", measured.percentile_ms(0.5)),
            ("p99 ms", measured.percentile_ms(0.99)),
            ("CPU ms", measured.usage.cpu_seconds * 1e3 / count),
            ("peak MB", measured.peak_bytes as f64 / 1e6),
        ];
        if written > 0.0 {
            figures.push(("disk kB", written / count / 1e3));
        }
        self.add(row, &figures);
    }

    /// A figure of a row.
    pub fn figure(&self, row: &str, column: &str) -> Option<f64> {
        let (_, figures) = self.rows.iter().find(|(name, _)| name == row)?;
        figures.get(column).copied()
    }

    /// All figures of a row.
    pub fn figures(&self, row: &str) -> impl Iterator<Item = (&str, f64)> {
        let found = self.rows.iter().find(|(name, _)| name == row);
        let figures = found.into_iter().flat_map(|(_, figures)| figures);
        figures.map(|(name, figure)| (name.as_str(), *figure))
    }

    /// The rows whose names begin so, with what follows as a number.
    pub fn series(&self, begin: &str, column: &str) -> Vec<(f64, f64)> {
        let point = |(name, figures): &(String, BTreeMap<String, f64>)| {
            let number = name.strip_prefix(begin)?.split_whitespace().next()?;
            Some((number.replace('_', "").parse().ok()?, *figures.get(column)?))
        };
        self.rows.iter().filter_map(point).collect()
    }

    /// Keeps the rows, with those of an earlier run that this one did not measure.
    pub fn keep(&mut self) -> std::io::Result<()> {
        let path = kept(&self.name);
        let before = Self::kept(&self.name);
        for row in before.rows {
            if !self.rows.iter().any(|(name, _)| *name == row.0) {
                self.rows.push(row);
            }
        }
        let rows: Vec<Value> = self.rows.iter().map(|(name, row)| json!([name, row])).collect();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, Value::Array(rows).to_string())
    }

    /// What earlier runs have measured.
    pub fn kept(name: &str) -> Self {
        let text = std::fs::read_to_string(kept(name)).unwrap_or_default();
        let rows = serde_json::from_str(&text).unwrap_or_default();
        Self { name: name.to_owned(), rows }
    }

    /// The names of the rows, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(name, _)| name.as_str())
    }
}

fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../bench");
    folder.join(format!("{}.json", name.replace(' ', "-")))
}

fn line(figures: &BTreeMap<String, f64>) -> String {
    let mut text = String::new();
    for (column, digits) in COLUMNS {
        if let Some(figure) = figures.get(column) {
            let _ = write!(text, "  {column} {figure:.digits$}");
        }
    }
    for (name, figure) in figures {
        if !COLUMNS.iter().any(|(column, _)| column == name) {
            let _ = write!(text, "  {name} {figure:.1}");
        }
    }
    text
}
