//! `docs/benchmarks.md` and its plot, made from what was measured.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::plot;
use crate::report::{COLUMNS, Report};
use crate::subject::Kind;

const INTRO: &str = "\
# Benchmarks

Made by `cargo bench --bench server -- --official`, then `cargo bench --bench server -- --write`; every figure is of one
machine, with durability on (`synchronous=FULL`), rate limits off, and the load generator on the same cores. The official
server is the one that `tests/official` pins. Single figures of a shared machine are good to a quarter; ratios are better.

`CPU ms` is processor time of the server for one operation. `peak MB` is the most memory that it had meanwhile.
";

/// What is wanted, row by row: the column, whether less is better, the goal, and the
/// bound that the parts of the work set on two cores.
const GOALS: [(&str, &str, Better, f64, Option<f64>); 22] = [
    ("createRecord, 32 accounts, 64 at once", "per s", Better::More, 6_000.0, Some(10_000.0)),
    ("createRecord, 32 accounts", "CPU ms", Better::Less, 0.25, Some(0.185)),
    ("createRecord, 2,000 a second", "p99 ms", Better::Less, 20.0, None),
    ("createRecord, 1 account, 1 at once", "p50 ms", Better::Less, 1.0, Some(0.5)),
    ("applyWrites of 200", "p50 ms", Better::Less, 8.0, None),
    ("getRecord, 16 at once", "per s", Better::More, 20_000.0, None),
    ("getRecord, 16 at once", "CPU ms", Better::Less, 0.05, Some(0.025)),
    ("listRecords of 100, 16 at once", "CPU ms", Better::Less, 0.4, Some(0.35)),
    ("getRepo of 100000, 1 at once", "first byte ms", Better::Less, 100.0, Some(35.0)),
    ("getRepo of 100000, 1 at once", "MB per CPU s", Better::More, 200.0, Some(500.0)),
    ("getRepo of 100000, 8 at once", "peak MB", Better::Less, 250.0, None),
    ("getRepo of 1000000, 1 at once", "first byte ms", Better::Less, 2_000.0, Some(350.0)),
    ("importRepo of 100000", "p50 ms", Better::Less, 3_000.0, Some(700.0)),
    ("importRepo of 100000", "peak MB", Better::Less, 150.0, None),
    ("backfill from cursor 0, events", "per s", Better::More, 60_000.0, Some(100_000.0)),
    ("1000 subscribers, 100 events a second", "p99 ms", Better::Less, 250.0, None),
    ("1000 subscribers, 100 events a second", "lost", Better::Less, 0.0, Some(0.0)),
    ("100 subscribers, 100 events a second", "CPU us per frame", Better::Less, 10.0, Some(6.0)),
    (
        "100 subscribers, 100 events a second",
        "kB per idle subscriber",
        Better::Less,
        64.0,
        Some(21.0),
    ),
    ("start with 1000 accounts", "idle MB", Better::Less, 25.0, Some(19.4)),
    ("start with 100000 accounts", "ms to healthy", Better::Less, 100.0, Some(20.0)),
    ("createSession, 5 a second beside 100 guesses", "p99 ms", Better::Less, 300.0, None),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

/// Writes it.
pub fn write() -> io::Result<()> {
    let reports = [Kind::Freehold, Kind::Official, Kind::FreeholdPostgres];
    let reports = reports.map(|kind| Report::kept(kind.name()));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::create_dir_all(&docs)?;
    let [ours, official, postgres] = &reports;
    let mut text = INTRO.to_owned();
    let _ = writeln!(text, "\nVersion {}, on {}.\n", env!("CARGO_PKG_VERSION"), machine());
    text.push_str(&goals(ours, official));
    text.push_str(
        "\n## As it grows\n\n![CPU of a write as a repository and a server grow](benchmarks.svg)\n",
    );
    text.push_str("\n## Everything\n");
    for report in [ours, official, postgres] {
        if report.names().next().is_some() {
            text.push_str(&rows(report));
        }
    }
    std::fs::write(docs.join("benchmarks.md"), text)?;
    std::fs::write(docs.join("benchmarks.svg"), plot::growth(ours, official))
}

fn goals(ours: &Report, official: &Report) -> String {
    let mut text = String::from(
        "## Goals, bounds, and the official server\n\n\
         | what | figure | goal | bound | measured | official | ratio |\n|---|---|---|---|---|---|---|\n",
    );
    for (row, column, better, goal, bound) in GOALS {
        let Some(measured) = ours.figure(row, column) else { continue };
        let met = match better {
            Better::More => measured >= goal,
            Better::Less => measured <= goal,
        };
        let sign = if better == Better::More { "≥" } else { "≤" };
        let theirs = official.figure(row, column);
        let ratio = theirs.map(|theirs| match better {
            Better::More => measured / theirs,
            Better::Less => theirs / measured,
        });
        let _ = writeln!(
            text,
            "| {row} | {column} | {sign} {} | {} | {}{} | {} | {} |",
            short(goal),
            bound.map(short).unwrap_or_default(),
            short(measured),
            if met { "" } else { " **missed**" },
            theirs.map(short).unwrap_or_default(),
            ratio.filter(|ratio| ratio.is_finite()).map(|r| format!("{r:.1}×")).unwrap_or_default(),
        );
    }
    text
}

fn rows(report: &Report) -> String {
    let mut text = format!("\n### {}\n\n| what |", report.name);
    for (column, _) in COLUMNS {
        let _ = write!(text, " {column} |");
    }
    text.push_str(" more |\n|---|");
    text.push_str(&"---|".repeat(COLUMNS.len() + 1));
    text.push('\n');
    for name in report.names() {
        let _ = write!(text, "| {name} |");
        for (column, digits) in COLUMNS {
            match report.figure(name, column) {
                Some(figure) => write!(text, " {figure:.digits$} |"),
                None => write!(text, " |"),
            }
            .unwrap_or_default();
        }
        let more: Vec<String> = report
            .figures(name)
            .filter(|(column, _)| !COLUMNS.iter().any(|(known, _)| known == column))
            .map(|(column, figure)| format!("{column} {}", short(figure)))
            .collect();
        let _ = writeln!(text, " {} |", more.join(", "));
    }
    text
}

/// A figure with three digits that count.
fn short(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
    let gigabytes = kilobytes.unwrap_or(0.0) / 1024.0 / 1024.0;
    format!("{} ({cores} cores, {gigabytes:.0} GiB)", model.unwrap_or("some machine").trim())
}
