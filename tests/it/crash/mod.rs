//! A server that is killed at any moment, again and again.
//!
//! Thirty-two people write without pause, one more signs up; at a moment that
//! the seed decides, the server gets `kill -9`, sometimes while it starts. When
//! it runs again, every write that was answered is in the repository and in the
//! log, every one that was not is there as a whole or not at all, and
//! `freehold check` finds nothing.
//!
//! `FREEHOLD_CRASH_ROUNDS` says how often (a few times in the usual run), and
//! `FREEHOLD_CRASH_SEED` replays the moments that a run printed.

mod steps;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use freehold::atproto::event::{Message, OpChange};
use freehold::dev::DirectoryServer;
use freehold::service::directory::Rates;
use freehold::store::{Db, DbSettings, Location, events};
use freehold::world::World;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Engine, Process, TestDatabase};
use writer::{Acknowledged, Writer};

/// Rounds of the usual run.
const ROUNDS: u64 = 3;
/// People who write at once.
const WRITERS: u64 = 32;
/// Answered writes after which the server is killed at the latest.
const WRITES_MAX: u64 = 200;
/// One in so many rounds kills the server once more while it starts.
const STARTS: u64 = 4;

/// Whole numbers that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % bound
    }
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number")))
}

#[test]
fn nothing_that_was_answered_is_lost_on_sqlite() {
    run(Engine::Sqlite);
}

#[test]
fn nothing_that_was_answered_is_lost_on_postgres() {
    run(Engine::Postgres);
}

fn run(engine: Engine) {
    let rounds = number_of("FREEHOLD_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number_of("FREEHOLD_CRASH_SEED");
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("{rounds} rounds with FREEHOLD_CRASH_SEED={seed}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let mut scene = Scene::build(engine).await;
        let mut dice = Dice(seed);
        for round in 1..=rounds {
            scene.round(&mut dice).await;
            eprintln!("round {round}: {} writes, {} accounts", scene.answered, scene.accounts);
        }
        scene.check(&["check", "--json", "--deep"]);
        scene.directory.stop().await;
    });
}

/// A server that is killed, and everybody around it.
struct Scene {
    process: Process,
    directory: DirectoryServer,
    variables: Vec<(&'static str, String)>,
    location: Location,
    writers: Vec<Writer>,
    /// The last event that was looked at.
    seq: u64,
    /// Writes that were answered so far.
    answered: usize,
    /// Accounts of which their owner was told.
    accounts: usize,
    _folder: TempDir,
    _database: Option<TestDatabase>,
}

/// Counts answers, and kills the server after one of them.
struct Trap<'a> {
    process: &'a Process,
    answers: AtomicU64,
    at: u64,
}

impl Trap<'_> {
    /// Counts an answer.
    fn step(&self) {
        if self.answers.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            self.process.signal("KILL");
        }
    }
}

impl Scene {
    async fn build(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = engine.database();
        let world = World::fake(1);
        let listen = ([127, 0, 0, 1], 0).into();
        let directory = folder.path().join("directory");
        let directory = DirectoryServer::start(listen, &directory, &world, Rates::Free).await;
        let directory = directory.expect("the directory starts");
        let data = folder.path().join("data");
        let mut variables = variables(&data, &directory);
        let mut location = Location::Sqlite(data.join("freehold.sqlite"));
        if let Some(database) = &database {
            variables.push(("FREEHOLD_DATABASE_URL", database.url()));
            location = Location::Postgres(database.url());
        }
        let mut process = Process::start(&["serve"], &borrowed(&variables));
        let visitor = process.visitor();
        process.let_log_go();
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let session = sign_up(&visitor, &format!("writer{number}")).await;
            writers.push(Writer::new(&visitor, &session.expect("nobody kills it yet"), number));
        }
        Self {
            process,
            directory,
            variables,
            location,
            writers,
            seq: 0,
            answered: 0,
            accounts: WRITERS as usize,
            _folder: folder,
            _database: database,
        }
    }

    /// Lets everybody write, kills the server, starts it, and looks.
    async fn round(&mut self, dice: &mut Dice) {
        let visitor = self.writers[0].visitor();
        let trap = Trap {
            process: &self.process,
            answers: AtomicU64::new(0),
            at: 1 + dice.below(WRITES_MAX),
        };
        let writing = join_all(self.writers.iter_mut().map(|writer| writer.write(&trap)));
        let first = self.accounts;
        let (acknowledged, new) = tokio::join!(writing, sign_up_many(&visitor, first, &trap));
        let acknowledged: Vec<Acknowledged> = acknowledged.into_iter().flatten().collect();
        self.process.exit_code();
        self.answered += acknowledged.len();
        self.accounts += new.len();

        if dice.below(STARTS) == 0 {
            let mut process = Process::start(&["serve"], &borrowed(&self.variables));
            process.signal("KILL");
            process.exit_code();
        }
        self.process = Process::start(&["serve"], &borrowed(&self.variables));
        let address = self.process.listening();
        self.process.let_log_go();
        for writer in &mut self.writers {
            writer.move_to(address);
            writer.look().await;
        }
        let visitor = Client::new(address);
        for did in &new {
            visitor.query("com.atproto.sync.getLatestCommit", &[("did", did)]).await.ok();
        }
        self.look_into_the_log(&acknowledged).await;
        self.check(&["check", "--json"]);
    }

    /// Finds every answered write in the log since the last look.
    async fn look_into_the_log(&mut self, acknowledged: &[Acknowledged]) {
        let db = Db::open_to_read(DbSettings::new(self.location.clone())).await;
        let db = db.expect("beside the server");
        let mut told: HashMap<String, Vec<(String, Option<String>)>> = HashMap::new();
        loop {
            let events = events::range(&db, self.seq, 500).await.expect("the log is read");
            let Some(last) = events.last() else { break };
            self.seq = last.seq;
            for event in &events {
                let message = Message::decode(&event.bytes).expect("a frame");
                let Message::Commit(_, commit) = message else { continue };
                let ops = commit.ops.iter().map(|op| {
                    let cid = match op.change {
                        OpChange::Create { cid } | OpChange::Update { cid, .. } => Some(cid),
                        OpChange::Delete { .. } => None,
                    };
                    (op.path.to_string(), cid.map(|cid| cid.to_string()))
                });
                told.insert(commit.commit.to_string(), ops.collect());
            }
        }
        db.close().await;
        for write in acknowledged {
            let ops = told.get(&write.commit);
            let ops = ops.unwrap_or_else(|| panic!("no event tells of {write:?}"));
            for op in &write.ops {
                assert!(ops.contains(op), "{op:?} of {write:?} is not in its event: {ops:?}");
            }
        }
    }

    /// Lets the program check what it keeps, beside the server.
    fn check(&self, arguments: &[&str]) {
        let output = Process::run(arguments, &borrowed(&self.variables));
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{failed}");
        let report: Value = serde_json::from_str(&said).expect("the report is JSON");
        assert_eq!(report["faults"], json!([]), "{report}");
        assert!(report["accounts"].as_u64() >= Some(self.accounts as u64), "{report}");
    }
}

/// The settings of a server that keeps what it has in `data`.
fn variables(data: &Path, directory: &DirectoryServer) -> Vec<(&'static str, String)> {
    vec![
        ("FREEHOLD_SERVER_HOSTNAME", "pds.test".to_owned()),
        ("FREEHOLD_SERVER_PORT", "0".to_owned()),
        ("FREEHOLD_SERVER_DATA_DIRECTORY", data.display().to_string()),
        ("FREEHOLD_IDENTITY_PLC_URL", format!("http://{}", directory.address())),
        ("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "false".to_owned()),
        ("FREEHOLD_LIMITS_ENABLED", "false".to_owned()),
        ("FREEHOLD_SYNC_CRAWLERS", ",".to_owned()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, text)| (*name, text.as_str())).collect()
}

/// Signs somebody up; `None` where the server is gone.
async fn sign_up(visitor: &Client, name: &str) -> Option<Value> {
    let input = json!({
        "handle": format!("{name}.pds.test"),
        "email": format!("{name}@mail.test"),
        "password": "a good password",
    });
    writer::call(visitor, "com.atproto.server.createAccount", &input).await
}

/// Signs people up until the server is gone; returns those who were told of
/// their account.
async fn sign_up_many(visitor: &Client, first: usize, trap: &Trap<'_>) -> Vec<String> {
    // Unlike any name before, also those of sign-ups that were not answered.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut dids = Vec::new();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("new{first}-{number}");
        let Some(session) = sign_up(visitor, &name).await else { return dids };
        trap.step();
        dids.push(session["did"].as_str().expect("a DID is text").to_owned());
    }
}
