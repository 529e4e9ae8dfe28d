//! Writing and reading records, and blobs.

use std::io;

use serde_json::Value;

use super::Bench;
use crate::load::{self, Requests};
use crate::people::{BATCH, Person, query};
use crate::wire::{Connection, post};

/// Accounts that write at once.
const WRITERS: usize = 32;
/// Writes in a second for the row about a server that is busy and not full.
const PACE: f64 = 2_000.0;
/// Records that are there to be read.
const READ_RECORDS: u64 = 1_000;
/// Bytes of the blob that is uploaded, and fetched.
const BLOB_BYTES: usize = 100_000;

/// Measures them.
pub async fn run(bench: &mut Bench) -> io::Result<()> {
    let people = Person::several(&bench.subject, "writer", WRITERS).await?;
    writes(bench, &people).await?;
    reads(bench, &people[0]).await?;
    blobs(bench, &people[1]).await?;
    mix(bench, &people).await
}

fn creating(person: &Person) -> Requests {
    let request = person.create_record();
    Box::new(move |_| request.clone())
}

async fn writes(bench: &mut Bench, people: &[Person]) -> io::Result<()> {
    let time = bench.scale.time;
    let one = vec![creating(&people[0])];
    let measured = load::closed(&bench.subject, one, time).await?;
    bench.report.add_load("createRecord, 1 account, 1 at once", &measured, 1);
    let crowd = (0..16).map(|_| creating(&people[0])).collect();
    let measured = load::closed(&bench.subject, crowd, time).await?;
    bench.report.add_load("createRecord, 1 account, 16 at once", &measured, 1);
    let all = people.iter().map(creating).collect();
    let measured = load::closed(&bench.subject, all, time).await?;
    bench.report.add_load("createRecord, 32 accounts", &measured, 1);
    let twice = people.iter().chain(people).map(creating).collect();
    let measured = load::closed(&bench.subject, twice, time).await?;
    bench.report.add_load("createRecord, 32 accounts, 64 at once", &measured, 1);
    if bench.subject.kind != crate::subject::Kind::Official {
        let all = people.iter().chain(people).map(creating).collect();
        let measured = load::paced(&bench.subject, all, (PACE, time)).await?;
        bench.report.add_load("createRecord, 2,000 a second", &measured, 1);
    }
    let writer = people[2].clone();
    let batches: Requests = Box::new(move |turn| writer.apply_writes(turn * BATCH as u64));
    let measured = load::closed(&bench.subject, vec![batches], time).await?;
    bench.report.add_load("applyWrites of 200", &measured, 1);
    let written = measured.operations * BATCH as u64;
    let deleter = people[2].clone();
    // What is deleted twice is no error, and no work.
    let deletes: Requests = Box::new(move |turn| deleter.delete_at(turn % written));
    let time = time.min(std::time::Duration::from_secs_f64(written as f64 / 10_000.0));
    let measured = load::closed(&bench.subject, vec![deletes], time).await?;
    bench.report.add_load("deleteRecord, 1 at once", &measured, 1);
    Ok(())
}

async fn reads(bench: &mut Bench, person: &Person) -> io::Result<()> {
    person.fill(&bench.subject, (0, READ_RECORDS)).await?;
    let time = bench.scale.time;
    let readers = |make: fn(&Person, u64) -> bytes::Bytes| -> Vec<Requests> {
        let reader = |at: u64| -> Requests {
            let person = person.clone();
            Box::new(move |turn| make(&person, (turn * 7 + at * 31) % READ_RECORDS))
        };
        (0..16).map(reader).collect()
    };
    let measured = load::closed(&bench.subject, readers(Person::get_at), time).await?;
    bench.report.add_load("getRecord, 16 at once", &measured, 1);
    let measured = load::closed(&bench.subject, readers(|person, _| person.list()), time).await?;
    bench.report.add_load("listRecords of 100, 16 at once", &measured, 1);
    let measured = load::closed(&bench.subject, readers(Person::prove_at), time).await?;
    bench.report.add_load("sync.getRecord, 16 at once", &measured, 1);
    Ok(())
}

fn upload(person: &Person, turn: u64) -> bytes::Bytes {
    let mut blob = vec![0_u8; BLOB_BYTES];
    blob[..8].copy_from_slice(&turn.to_be_bytes());
    let kind = "application/octet-stream";
    post("/xrpc/com.atproto.repo.uploadBlob", Some(&person.token), (kind, &blob))
}

async fn blobs(bench: &mut Bench, person: &Person) -> io::Result<()> {
    let time = bench.scale.time;
    let uploader = |at: u64| -> Requests {
        let person = person.clone();
        Box::new(move |turn| upload(&person, turn | at << 40))
    };
    let measured = load::closed(&bench.subject, (0..4).map(uploader).collect(), time).await?;
    bench.report.add_load("uploadBlob of 100 kB, 4 at once", &measured, 1);
    let mut connection = Connection::open(bench.subject.address).await?;
    let answer = connection.succeed(&upload(person, u64::MAX)).await?;
    let mut blob: Value = serde_json::from_slice(&answer)?;
    let blob = blob["blob"].take();
    let cid = blob["ref"]["$link"].as_str().unwrap_or_default().to_owned();
    // Only what a record refers to is given out.
    let record = serde_json::json!({
        "repo": person.did, "collection": "com.example.file",
        "record": { "$type": "com.example.file", "file": blob },
    });
    connection.succeed(&person.procedure("com.atproto.repo.createRecord", &record)).await?;
    let params = [("did", &*person.did), ("cid", &*cid)];
    let fetch = query("com.atproto.sync.getBlob", None, &params);
    let fetcher = |_: u64| -> Requests {
        let fetch = fetch.clone();
        Box::new(move |_| fetch.clone())
    };
    let measured = load::closed(&bench.subject, (0..4).map(fetcher).collect(), time).await?;
    bench.report.add_load("sync.getBlob of 100 kB, 4 at once", &measured, 1);
    Ok(())
}

/// What apps do: mostly reading.
async fn mix(bench: &mut Bench, people: &[Person]) -> io::Result<()> {
    for person in &people[4..12] {
        person.fill(&bench.subject, (0, READ_RECORDS)).await?;
    }
    let mixed = |person: &Person| -> Requests {
        let person = person.clone();
        Box::new(move |turn| match turn % 20 {
            0..4 => person.create_record(),
            4 => person.prove_at(turn % READ_RECORDS),
            5..8 => person.list(),
            _ => person.get_at(turn * 7 % READ_RECORDS),
        })
    };
    let crowd = people[4..12].iter().cycle().take(32).map(mixed).collect();
    let measured = load::closed(&bench.subject, crowd, bench.scale.time).await?;
    bench.report.add_load("a mix, 32 at once", &measured, 1);
    Ok(())
}
