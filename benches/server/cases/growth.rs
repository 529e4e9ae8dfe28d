//! What a write costs as the repository, and the server, become larger.

use std::io;

use super::Bench;
use crate::load::{self, Requests};
use crate::loader;
use crate::people::Person;
use crate::process;
use crate::subject::Kind;

/// Records that the loader gives to each account.
const RECORDS_EACH: usize = 10;
/// Accounts that write.
const WRITERS: usize = 32;

/// Measures it.
pub async fn run(bench: &mut Bench) -> io::Result<()> {
    repository(bench).await?;
    match bench.subject.kind {
        // The loader knows our tables only.
        Kind::Official => Ok(()),
        _ => accounts(bench).await,
    }
}

async fn repository(bench: &mut Bench) -> io::Result<()> {
    let person = Person::new(&bench.subject, "growing").await?;
    let mut size = 0;
    for &wanted in bench.scale.repository_growth {
        if bench.subject.kind == Kind::Official && wanted > 100_000 {
            return Ok(());
        }
        person.fill(&bench.subject, (size, wanted - size)).await?;
        size = wanted;
        let request = person.create_record();
        let writer: Requests = Box::new(move |_| request.clone());
        let measured = load::closed(&bench.subject, vec![writer], bench.scale.time).await?;
        bench.report.add_load(&format!("createRecord beside {size} own records"), &measured, 1);
    }
    Ok(())
}

async fn accounts(bench: &mut Bench) -> io::Result<()> {
    let mut people: Vec<Person> = Vec::new();
    for &wanted in bench.scale.account_growth {
        let have = people.len() as u64;
        let mut new = Vec::new();
        let took = bench
            .subject
            .restart(async |subject| {
                new = loader::load(subject, (have, wanted), RECORDS_EACH).await;
            })
            .await?;
        people.extend(new);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let figures = [
            ("ms to healthy", took.as_secs_f64() * 1e3),
            ("idle MB", process::memory(bench.subject.pid()) as f64 / 1e6),
        ];
        bench.report.add(&format!("start with {wanted} accounts"), &figures);
        let step = (people.len() / WRITERS).max(1);
        let writers: Vec<&Person> = people.iter().step_by(step).take(WRITERS).collect();
        let writing = writers.iter().map(|person| {
            let request = person.create_record();
            Box::new(move |_| request.clone()) as Requests
        });
        let measured = load::closed(&bench.subject, writing.collect(), bench.scale.time).await?;
        bench.report.add_load(&format!("createRecord among {wanted} accounts"), &measured, 1);
        // Everybody writes in turn: trees and keys are rarely at hand.
        let crowd = (0..WRITERS).map(|at| {
            let mine: Vec<Person> = people.iter().skip(at).step_by(WRITERS).cloned().collect();
            Box::new(move |turn: u64| mine[turn as usize % mine.len().max(1)].create_record())
                as Requests
        });
        let crowd = if people.len() < WRITERS { Vec::new() } else { crowd.collect() };
        if !crowd.is_empty() {
            let measured = load::closed(&bench.subject, crowd, bench.scale.time).await?;
            bench.report.add_load(
                &format!("createRecord by each of {wanted} accounts"),
                &measured,
                1,
            );
        }
    }
    Ok(())
}
