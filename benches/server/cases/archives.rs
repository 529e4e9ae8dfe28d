//! Repositories as archives: out and in.

use std::io;
use std::time::Instant;

use futures_util::future::try_join_all;
use serde_json::json;

use super::Bench;
use crate::load::Watch;
use crate::people::Person;
use crate::process;
use crate::subject::Subject;
use crate::wire::{Connection, post};

/// Exports at once in the crowded row.
const CROWD: usize = 8;
/// Times that each export is measured, until so many records were sent.
const RECORDS_MEASURED: u64 = 400_000;
const CAR: &str = "application/vnd.ipld.car";

/// Measures them.
pub async fn run(bench: &mut Bench) -> io::Result<()> {
    for &size in bench.scale.sizes {
        let person = Person::new(&bench.subject, &format!("size{size}")).await?;
        let before = process::size_of(&bench.subject.data());
        person.fill(&bench.subject, (0, size)).await?;
        let grown = process::size_of(&bench.subject.data()).saturating_sub(before) as f64;
        let row = format!("{size} records on disk, with their events");
        bench.report.add(&row, &[("bytes per record", grown / size as f64)]);
        // Each begins with nothing in memory.
        bench.subject.restart(async |_| ()).await?;
        export(bench, &person, (size, 1)).await?;
        bench.subject.restart(async |_| ()).await?;
        export(bench, &person, (size, CROWD)).await?;
        import(bench, &person, size).await?;
    }
    Ok(())
}

async fn export(bench: &mut Bench, person: &Person, (size, crowd): (u64, usize)) -> io::Result<()> {
    let rounds = (RECORDS_MEASURED / size / crowd as u64).clamp(1, 50);
    let request = person.export();
    let watch = Watch::begin(&bench.subject);
    let address = bench.subject.address;
    let work = (0..crowd).map(|_| async {
        let mut connection = Connection::open(address).await?;
        let (mut bytes, mut first, mut times) = (0, 0.0_f64, Vec::new());
        for _ in 0..rounds {
            let began = Instant::now();
            let poured = connection.pour(&request).await?;
            times.push(began.elapsed());
            bytes += poured.bytes;
            first = first.max(poured.first_byte.as_secs_f64() * 1e3);
        }
        io::Result::Ok((bytes, first, times))
    });
    let done = try_join_all(work).await?;
    let bytes: u64 = done.iter().map(|(bytes, ..)| bytes).sum();
    let first = done.iter().map(|(_, first, _)| *first).fold(0.0, f64::max);
    let times = done.into_iter().flat_map(|(.., times)| times).collect();
    let measured = watch.end(rounds * crowd as u64, times);
    let cpu = measured.usage.cpu_seconds.max(0.01);
    let figures = [
        ("p50 ms", measured.percentile_ms(0.5)),
        ("p99 ms", measured.percentile_ms(0.99)),
        ("first byte ms", first),
        ("MB/s", bytes as f64 / 1e6 / measured.seconds),
        ("MB per CPU s", bytes as f64 / 1e6 / cpu),
        ("peak MB", measured.peak_bytes as f64 / 1e6),
    ];
    bench.report.add(&format!("getRepo of {size}, {crowd} at once"), &figures);
    Ok(())
}

/// The archive comes back into the account after everything was deleted: all
/// servers take that, and have to write every record.
async fn import(bench: &mut Bench, person: &Person, size: u64) -> io::Result<()> {
    let mut connection = Connection::open(bench.subject.address).await?;
    let archive = connection.succeed(&person.export()).await?;
    empty(&bench.subject, person, size).await?;
    bench.subject.restart(async |_| ()).await?;
    let target = "/xrpc/com.atproto.repo.importRepo";
    let request = post(target, Some(&person.token), (CAR, &archive));
    let mut connection = Connection::open(bench.subject.address).await?;
    let watch = Watch::begin(&bench.subject);
    let began = Instant::now();
    connection.succeed(&request).await?;
    let measured = watch.end(1, vec![began.elapsed()]);
    bench.report.add_load(&format!("importRepo of {size}"), &measured, 1);
    Ok(())
}

async fn empty(subject: &Subject, person: &Person, size: u64) -> io::Result<()> {
    let mut connection = Connection::open(subject.address).await?;
    let mut number = 0;
    while number < size {
        let delete = |number: u64| {
            json!({
                "$type": "com.atproto.repo.applyWrites#delete",
                "collection": "app.bsky.feed.post", "rkey": crate::people::rkey(number),
            })
        };
        let writes: Vec<_> = (number..number + crate::people::BATCH as u64).map(delete).collect();
        let input = json!({ "repo": person.did, "writes": writes });
        connection.succeed(&person.procedure("com.atproto.repo.applyWrites", &input)).await?;
        number += crate::people::BATCH as u64;
    }
    Ok(())
}
