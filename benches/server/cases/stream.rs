//! The stream of events: how soon a frame arrives, what it costs, and the past.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Bench;
use crate::load::{self, Requests, Watch};
use crate::people::Person;
use crate::process;
use crate::wire::Connection;

/// Events in a second while subscribers listen.
const PACE: f64 = 100.0;
/// Accounts that write them.
const WRITERS: usize = 8;
/// Subscribers whose frames are told apart; the others only count.
const TIMED_MAX: usize = 8;
/// How long frames may take to arrive after the last write.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events of the past that are read again.
const PAST_EVENTS: u64 = 100_000;

/// Measures it.
pub async fn run(bench: &mut Bench) -> io::Result<()> {
    let people = Person::several(&bench.subject, "feeder", WRITERS).await?;
    let alone = write_cost(bench, &people).await?;
    for &count in bench.scale.subscribers {
        listen(bench, &people, (count, alone)).await?;
    }
    past(bench, &people).await
}

/// Processor time of a write to which nobody listens, in seconds.
async fn write_cost(bench: &Bench, people: &[Person]) -> io::Result<f64> {
    let writers = people.iter().map(|person| {
        let request = person.create_record();
        Box::new(move |_| request.clone()) as Requests
    });
    let pace = (PACE, bench.scale.time);
    let measured = load::paced(&bench.subject, writers.collect(), pace).await?;
    Ok(measured.usage.cpu_seconds / measured.operations.max(1) as f64)
}

/// When frames arrived: of each account by their number among its own.
type Arrivals = Rc<RefCell<HashMap<(String, u64), Vec<Instant>>>>;

async fn listen(
    bench: &mut Bench,
    people: &[Person],
    (count, alone): (usize, f64),
) -> io::Result<()> {
    let before = process::memory(bench.subject.pid());
    let arrivals = Arrivals::default();
    let total = Rc::new(RefCell::new(0_u64));
    let mut listeners = Vec::new();
    for at in 0..count {
        let connection = Connection::open(bench.subject.address).await?;
        let mut subscription = connection.subscribe(None).await?;
        let (arrivals, total) = (arrivals.clone(), total.clone());
        listeners.push(Box::pin(async move {
            let mut seen: HashMap<String, u64> = HashMap::new();
            loop {
                let frame = subscription.next().await?;
                *total.borrow_mut() += 1;
                if at < TIMED_MAX
                    && let Some(did) = did_of(&frame)
                {
                    let number = seen.entry(did.clone()).or_default();
                    arrivals.borrow_mut().entry((did, *number)).or_default().push(Instant::now());
                    *number += 1;
                }
            }
            #[expect(unreachable_code, reason = "it names the type of the future")]
            io::Result::Ok(())
        }));
    }
    let idle = process::memory(bench.subject.pid()).saturating_sub(before);
    let answered: Rc<RefCell<HashMap<(String, u64), Instant>>> = Rc::default();
    let writers = people.iter().map(|person| {
        let (request, did, answered) =
            (person.create_record(), person.did.clone(), answered.clone());
        // Called again when the last one was answered.
        let make = move |turn: u64| {
            if let Some(last) = turn.checked_sub(1) {
                answered.borrow_mut().entry((did.clone(), last)).or_insert_with(Instant::now);
            }
            request.clone()
        };
        Box::new(make) as Requests
    });
    let watch = Watch::begin(&bench.subject);
    let time = bench.scale.time;
    let writing = load::paced(&bench.subject, writers.collect(), (PACE, time));
    let listening = futures_util::future::try_join_all(listeners);
    let all = async {
        let written = writing.await?.operations;
        let deadline = Instant::now() + PATIENCE;
        while *total.borrow() < written * count as u64 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        io::Result::Ok(written)
    };
    let written = tokio::select! {
        written = all => written?,
        ended = listening => return Err(ended.err().unwrap_or_else(|| io::Error::other("it ended"))),
    };
    let delays = delays(&arrivals.borrow(), &answered.borrow());
    let frames = *total.borrow();
    let measured = watch.end(frames, delays);
    // What the writes cost without anybody who listens is not theirs.
    let cost = (measured.usage.cpu_seconds - alone * written as f64).max(0.0);
    let figures = [
        ("frames per s", frames as f64 / measured.seconds),
        ("lost", (written * count as u64).saturating_sub(frames) as f64),
        ("p50 ms", measured.percentile_ms(0.5)),
        ("p99 ms", measured.percentile_ms(0.99)),
        ("CPU us per frame", cost * 1e6 / frames.max(1) as f64),
        ("kB per idle subscriber", idle as f64 / 1e3 / count as f64),
    ];
    bench.report.add(&format!("{count} subscribers, 100 events a second"), &figures);
    Ok(())
}

/// From an answer to the arrival of its frame; nothing, where the frame was first.
fn delays(
    arrivals: &HashMap<(String, u64), Vec<Instant>>,
    answered: &HashMap<(String, u64), Instant>,
) -> Vec<Duration> {
    let late = |(which, at): (&(String, u64), &Instant)| {
        let arrived = arrivals.get(which).into_iter().flatten();
        arrived.map(|arrival| arrival.saturating_duration_since(*at)).collect::<Vec<_>>()
    };
    answered.iter().flat_map(late).collect()
}

/// Whose event it is: the one DID that a commit's frame holds as a text.
fn did_of(frame: &[u8]) -> Option<String> {
    let begin = b"did:plc:";
    let at = frame.windows(begin.len()).position(|part| part == begin)?;
    let text = frame.get(at..at + 32)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

async fn past(bench: &mut Bench, people: &[Person]) -> io::Result<()> {
    let pace: Vec<Requests> = people
        .iter()
        .map(|person| {
            let request = person.create_record();
            Box::new(move |_| request.clone()) as Requests
        })
        .collect();
    // As many events as there is time for.
    let time = bench.scale.time * 2;
    let made = load::closed(&bench.subject, pace, time).await?.operations.min(PAST_EVENTS);
    let mut stream = Connection::open(bench.subject.address).await?.subscribe(Some(0)).await?;
    let watch = Watch::begin(&bench.subject);
    for _ in 0..made {
        stream.next().await?;
    }
    let measured = watch.end(made, Vec::new());
    bench.report.add_load("backfill from cursor 0, events", &measured, 1);
    Ok(())
}
