//! Starting, signing up, logging in.

use std::io;
use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::load::{self, Requests};
use crate::people::{self, Person};
use crate::process;

/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);
/// Wrong passwords in a second, and how many connections they come by.
const GUESSES_PER_SECOND: f64 = 100.0;
const GUESSERS: usize = 16;
/// Log-ins of others in a second meanwhile.
const LOG_INS_PER_SECOND: f64 = 5.0;

/// Measures them.
pub async fn run(bench: &mut Bench) -> io::Result<()> {
    start(bench).await?;
    let time = bench.scale.time;
    let sign_ups = |connection: usize| -> Requests {
        Box::new(move |turn| people::sign_up(&format!("s{connection}x{turn}")))
    };
    let measured = load::closed(&bench.subject, (0..4).map(sign_ups).collect(), time).await?;
    bench.report.add_load("createAccount, 4 at once", &measured, 1);
    let person = Person::new(&bench.subject, "somebody").await?;
    let log_ins = |_: usize| -> Requests { Box::new(|_| people::log_in("somebody")) };
    let measured = load::closed(&bench.subject, (0..4).map(log_ins).collect(), time).await?;
    bench.report.add_load("createSession, 4 at once", &measured, 1);
    drop(person);
    guesses(bench).await
}

async fn start(bench: &mut Bench) -> io::Result<()> {
    let took = bench.subject.restart(async |_| ()).await?;
    tokio::time::sleep(REST).await;
    let idle = process::memory(bench.subject.pid()) as f64 / 1e6;
    let figures = [("ms to healthy", took.as_secs_f64() * 1e3), ("idle MB", idle)];
    bench.report.add("start, empty", &figures);
    Ok(())
}

/// Somebody guesses the password of one account while others log in.
async fn guesses(bench: &mut Bench) -> io::Result<()> {
    Person::new(&bench.subject, "victim").await?;
    let time = bench.scale.time;
    let others = |_: usize| -> Requests { Box::new(|_| people::log_in("somebody")) };
    let pace = (LOG_INS_PER_SECOND, time);
    let alone = load::paced(&bench.subject, vec![others(0)], pace).await?;
    bench.report.add_load("createSession, 5 a second", &alone, 1);
    let guess = json!({ "identifier": "victim.test", "password": "a guess" });
    let guess = people::procedure("com.atproto.server.createSession", None, &guess);
    let guessers = (0..GUESSERS).map(|_| {
        let guess = guess.clone();
        move |_| guess.clone()
    });
    let guessing = guessers.map(|make| Box::new(make) as Requests).collect();
    let attack = load::paced_whatever(&bench.subject, guessing, (GUESSES_PER_SECOND, time));
    let beside = load::paced(&bench.subject, vec![others(0)], pace);
    let (_, beside) = futures_util::future::try_join(attack, beside).await?;
    bench.report.add_load("createSession, 5 a second beside 100 guesses", &beside, 1);
    Ok(())
}
