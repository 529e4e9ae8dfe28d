//! The committer alone: commits per second, and how long each took.
//!
//! `cargo bench --bench commits` measures SQLite (`synchronous=FULL`) in a
//! folder under `target`, and Postgres where `FREEHOLD_BENCH_POSTGRES_URL` names
//! an empty database. A commit is one record of the usual size, the head, and an
//! event of 4 kB, on one of a thousand accounts; callers wait for their answer
//! before they write again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use freehold::atproto::event::{CommitEvent, Frame, OpChange, RepoOp};
use freehold::atproto::syntax::{Did, Handle, RecordPath};
use freehold::atproto::tid::{self, ClockId};
use freehold::atproto::{Cid, Moment};
use freehold::store::accounts::{self, NewAccount};
use freehold::store::heads::Head;
use freehold::store::{
    AccountId, Batch, Commit, Db, DbSettings, Location, Needs, RecordPut, RepoChange,
    accounts::Status,
};
use tokio::task::JoinSet;

/// Accounts among which the callers are spread.
const ACCOUNTS: usize = 1000;
/// How many wait at once, in turn.
const CALLERS: [usize; 4] = [1, 8, 64, 512];
/// How long each measurement runs.
const TIME: Duration = Duration::from_secs(4);
/// Bytes of the blocks in an event.
const BLOCKS_BYTES: usize = 3800;
/// Microseconds since 1970 at which the bench begins to count.
const START_US: u64 = 1_790_000_000_000_000;

/// Somebody with a repository.
struct Person {
    id: AccountId,
    did: Did,
    head: Option<Head>,
    turn: u64,
}

impl Person {
    /// Makes the next commit, as the repository would hand it over.
    fn commit(&mut self) -> Commit {
        self.turn += 1;
        let mut noise = Noise(self.turn ^ ((self.id.0 as u64) << 32));
        let rev = tid::tid_at(START_US + self.turn, ClockId::new(0));
        let value_bytes = [220, 250, 260, 700, 900][(noise.next() % 5) as usize];
        let value = noise.bytes(value_bytes);
        let cid = Cid::of_dag_cbor(&value);
        let path = format!("app.bsky.feed.post/{}", rev.as_str());
        let path: RecordPath = path.parse().expect("a path");
        let commit_bytes = noise.bytes(210);
        let head = Head {
            commit_cid: Cid::of_dag_cbor(&commit_bytes),
            data: cid,
            rev: rev.clone(),
            commit_bytes,
        };
        let event = CommitEvent {
            did: self.did.clone(),
            commit: head.commit_cid,
            rev,
            since: self.head.as_ref().map(|head| head.rev.clone()),
            prev_data: self.head.as_ref().map(|head| head.data),
            ops: vec![RepoOp { path: path.clone(), change: OpChange::Create { cid } }],
            blocks: noise.bytes(BLOCKS_BYTES).to_vec(),
            time: Moment::from_unix_ms((START_US / 1000) as i64),
        };
        let frame = Frame::commit(&event).expect("a small event");
        let old = self.head.as_ref().map(|head| head.commit_cid);
        self.head = Some(head.clone());
        let puts = vec![RecordPut { path, cid, value }];
        let repo = Some(RepoChange {
            old,
            needs: Needs::Status(Status::Active),
            head,
            puts,
            deletes: Vec::new(),
        });
        Commit { account: self.id, batch: Batch::new(), repo, frames: vec![frame] }
    }
}

/// Bytes that nothing can compress.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number ^ (number >> 29)
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        let words = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(length).collect()
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let path = folder.path().join("bench.sqlite");
        measure("SQLite", Location::Sqlite(path)).await;
        if let Ok(url) = std::env::var("FREEHOLD_BENCH_POSTGRES_URL") {
            measure("Postgres", Location::Postgres(url)).await;
        }
    });
}

async fn measure(name: &str, location: Location) {
    let began = Instant::now();
    let now_us = move || START_US + began.elapsed().as_micros() as u64;
    let db = Db::open(DbSettings::new(location), Arc::new(now_us)).await.expect("it opens");
    let mut people = people(&db).await;
    for callers in CALLERS {
        let mut shares: Vec<Vec<Person>> = (0..callers).map(|_| Vec::new()).collect();
        for (number, person) in people.drain(..).enumerate() {
            shares[number % callers].push(person);
        }
        let began = Instant::now();
        let mut writers = JoinSet::new();
        for share in shares {
            writers.spawn(write(db.clone(), share, began + TIME));
        }
        let done = writers.join_all().await;
        let seconds = began.elapsed().as_secs_f64();
        let mut times: Vec<Duration> = Vec::new();
        for (share, taken) in done {
            people.extend(share);
            times.extend(taken);
        }
        times.sort_unstable();
        let rate = times.len() as f64 / seconds;
        let at = |part: f64| times[(part * (times.len() - 1) as f64) as usize].as_secs_f64() * 1e3;
        eprintln!(
            "{name:9} {callers:4} callers {rate:8.0} commits/s   p50 {:6.2} ms   p99 {:6.2} ms",
            at(0.5),
            at(0.99),
        );
    }
    db.close().await;
}

/// Writes on a share of the accounts until the time is over.
async fn write(db: Db, mut share: Vec<Person>, until: Instant) -> (Vec<Person>, Vec<Duration>) {
    let mut times = Vec::new();
    let count = share.len();
    let mut turn = 0;
    while Instant::now() < until {
        let commit = share[turn % count].commit();
        let began = Instant::now();
        db.commit(commit).await.expect("it is made");
        times.push(began.elapsed());
        turn += 1;
    }
    (share, times)
}

async fn people(db: &Db) -> Vec<Person> {
    let mut people = Vec::new();
    let mut batch = Batch::new();
    for number in 0..ACCOUNTS {
        let id = accounts::allocate_id(db).await.expect("an id");
        let did = Did::new(format!("did:web:a{number}.test")).expect("a DID");
        let new = NewAccount {
            id,
            did: did.clone(),
            handle: Handle::new(format!("a{number}.test")).expect("a handle"),
            email: format!("a{number}@mail.test"),
            password_hash: String::new(),
            created_at: Moment::from_unix_ms(0),
            deactivated_at: None,
        };
        accounts::insert(&mut batch, &new);
        people.push(Person { id, did, head: None, turn: 0 });
    }
    db.run(batch).await.expect("new accounts");
    people
}
