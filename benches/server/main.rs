//! The whole server, measured from outside.
//!
//! ```text
//! cargo bench --bench server                      # ours, on SQLite
//! cargo bench --bench server -- --official        # and the official one beside it
//! cargo bench --bench server -- --quick --only records,stream
//! cargo bench --bench server -- --write           # docs/benchmarks.md from what was measured
//! ```
//!
//! `--postgres` measures ours on the empty database that `FREEHOLD_BENCH_POSTGRES_URL`
//! names. The official server is the one that `tests/official/install` installs.
//! Figures are kept in `target/bench`, by server, so that runs add up.

mod cases;
mod load;
mod loader;
mod people;
mod plot;
mod process;
mod report;
mod subject;
mod wire;
mod write;

use std::io;

use cases::{Bench, GROUPS, Scale};
use report::Report;
use subject::{Kind, Subject};

fn main() -> io::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let after = |flag: &str| args.iter().skip_while(|arg| *arg != flag).nth(1);
    if has("--write") {
        return write::write();
    }
    let scale = match (has("--quick"), has("--huge")) {
        (true, _) => Scale::QUICK,
        (_, true) => Scale::HUGE,
        _ => Scale::WHOLE,
    };
    let wanted = after("--only").map(|names| names.split(',').collect::<Vec<_>>());
    let groups: Vec<&str> = wanted.unwrap_or_else(|| GROUPS.to_vec());
    let mut kinds = vec![match has("--postgres") {
        true => Kind::FreeholdPostgres,
        false => Kind::Freehold,
    }];
    if has("--official") {
        kinds.push(Kind::Official);
    }
    // One thread: the generator leaves the rest of the machine to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for group in groups {
            for &kind in &kinds {
                measure(kind, group, scale).await?;
            }
        }
        Ok(())
    })
}

/// Measures a group on a fresh server, so that none is slowed by what another left.
async fn measure(kind: Kind, group: &str, scale: Scale) -> io::Result<()> {
    let subject = Subject::start(kind).await?;
    let mut bench = Bench { subject, report: Report::new(kind.name()), scale };
    cases::run(group, &mut bench).await?;
    bench.report.keep()?;
    bench.subject.stop().await;
    Ok(())
}
