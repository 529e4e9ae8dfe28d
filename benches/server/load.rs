//! Load, and what it cost: how many, how long each took, what the server used.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::process::{self, Usage};
use crate::subject::Subject;
use crate::wire::Connection;

/// What came of a measurement.
pub struct Measured {
    pub operations: u64,
    pub seconds: f64,
    /// How long each answer took, in order of length.
    pub times: Vec<Duration>,
    pub usage: Usage,
    pub peak_bytes: u64,
}

impl Measured {
    /// How long the given part of all answers took at most, in milliseconds.
    pub fn percentile_ms(&self, part: f64) -> f64 {
        let Some(last) = self.times.len().checked_sub(1) else { return 0.0 };
        self.times[(part * last as f64) as usize].as_secs_f64() * 1e3
    }
}

/// Watches a server while something is done to it.
pub struct Watch<'s> {
    subject: &'s Subject,
    before: Usage,
    began: Instant,
}

impl<'s> Watch<'s> {
    /// Begins.
    pub fn begin(subject: &'s Subject) -> Self {
        process::forget_peak(subject.pid());
        Self { subject, before: Usage::of(subject.pid()), began: Instant::now() }
    }

    /// Ends, after so many operations that took so long.
    pub fn end(self, operations: u64, mut times: Vec<Duration>) -> Measured {
        let seconds = self.began.elapsed().as_secs_f64();
        times.sort_unstable();
        Measured {
            operations,
            seconds,
            times,
            usage: Usage::of(self.subject.pid()).since(self.before),
            peak_bytes: process::peak(self.subject.pid()),
        }
    }
}

/// Makes the requests of one connection, by their number.
pub type Requests = Box<dyn FnMut(u64) -> Bytes>;

/// Each connection sends its next request when the last is answered.
pub async fn closed(
    subject: &Subject,
    connections: Vec<Requests>,
    time: Duration,
) -> io::Result<Measured> {
    let mut workers = Vec::new();
    for requests in connections {
        workers.push((Connection::open(subject.address).await?, requests));
    }
    let watch = Watch::begin(subject);
    let until = watch.began + time;
    let work = workers.into_iter().map(|(mut connection, mut requests)| async move {
        let mut times = Vec::new();
        while Instant::now() < until {
            let request = requests(times.len() as u64);
            let began = Instant::now();
            connection.succeed(&request).await?;
            times.push(began.elapsed());
        }
        io::Result::Ok(times)
    });
    let times: Vec<Duration> = try_join_all(work).await?.into_iter().flatten().collect();
    Ok(watch.end(times.len() as u64, times))
}

/// As [`paced`], where answers may be refusals.
pub async fn paced_whatever(
    subject: &Subject,
    connections: Vec<Requests>,
    pace: (f64, Duration),
) -> io::Result<Measured> {
    paced_by(subject, connections, pace, Refusals::Count).await
}

/// Whether a refusal ends a measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusals {
    Fail,
    Count,
}

/// All connections together send so many requests a second, whatever the answers
/// take; an answer's time counts from the moment at which its request was due.
pub async fn paced(
    subject: &Subject,
    connections: Vec<Requests>,
    pace: (f64, Duration),
) -> io::Result<Measured> {
    paced_by(subject, connections, pace, Refusals::Fail).await
}

async fn paced_by(
    subject: &Subject,
    connections: Vec<Requests>,
    (per_second, time): (f64, Duration),
    refusals: Refusals,
) -> io::Result<Measured> {
    let mut workers = Vec::new();
    for requests in connections {
        workers.push((Connection::open(subject.address).await?, requests));
    }
    let count = workers.len() as f64;
    let watch = Watch::begin(subject);
    let (start, until) = (watch.began, watch.began + time);
    let work =
        workers.into_iter().enumerate().map(|(at, (mut connection, mut requests))| async move {
            let mut times = Vec::new();
            loop {
                let turn = (times.len() as f64 * count + at as f64) / per_second;
                let due = start + Duration::from_secs_f64(turn);
                if due >= until {
                    return io::Result::Ok(times);
                }
                tokio::time::sleep_until(due.into()).await;
                let request = requests(times.len() as u64);
                match refusals {
                    Refusals::Fail => drop(connection.succeed(&request).await?),
                    Refusals::Count => drop(connection.call(&request).await?),
                }
                times.push(due.elapsed());
            }
        });
    let times: Vec<Duration> = try_join_all(work).await?.into_iter().flatten().collect();
    Ok(watch.end(times.len() as u64, times))
}
