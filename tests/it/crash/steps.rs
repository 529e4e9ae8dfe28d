//! The program dies after each step of what takes several, and the next start
//! sets things right by itself.
//!
//! Steps are named in the source (`world::crash`); each of them is walked into.

use std::path::Path;

use freehold::dev::DirectoryServer;
use freehold::service::directory::Rates;
use freehold::world::World;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::borrowed;
use crate::harness::{Answer, Body, Client, Engine, Process, TestDatabase};

const CREATE: &str = "com.atproto.server.createAccount";
const LOG_IN: &str = "com.atproto.server.createSession";
const ACTIVATE: &str = "com.atproto.server.activateAccount";
const DEACTIVATE: &str = "com.atproto.server.deactivateAccount";
const DELETE: &str = "com.atproto.admin.deleteAccount";
const STATUS: &str = "com.atproto.sync.getRepoStatus";
const ADMIN_PASSWORD: &str = "00112233445566778899aabbccddeeff";

/// Every step, and what is being done when the program dies there.
const STEPS: [(&str, Deed); 12] = [
    ("create: the intent is written down", Deed::Create),
    ("create: the directory knows the DID", Deed::Create),
    ("create: the account is there", Deed::Create),
    ("undo: nothing may come of it any more", Deed::Undo),
    ("undo: the DID is ended", Deed::Undo),
    ("activate: the identity leads here", Deed::Activate),
    ("activate: the account is in use", Deed::Activate),
    ("deactivate: everything is prepared", Deed::Deactivate),
    ("deactivate: the account rests", Deed::Deactivate),
    ("delete: everything is prepared", Deed::Delete),
    ("delete: the account is gone", Deed::Delete),
    ("delete: the events are forgotten", Deed::Delete),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Create,
    /// At the start after a creation that was cut off.
    Undo,
    Activate,
    Deactivate,
    Delete,
}

/// The steps that the source names are those that are walked into; those of
/// `freehold migrate`, which takes another server, by `tests/official`.
#[test]
fn every_step_is_walked_into() {
    let mut named = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let text = std::fs::read_to_string(path).expect("text");
                    let points = text.split("crash::point(\"").skip(1);
                    named.extend(
                        points.filter_map(|rest| rest.split('"').next().map(str::to_owned)),
                    );
                }
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let moves = std::fs::read_to_string(root.join("tests/official/journeys/command.mjs"));
    let moves = moves.expect("the journeys");
    named.retain(|step| {
        let of_a_move = step.starts_with("migrate: ");
        assert!(!of_a_move || moves.contains(&format!("'{step}'")), "{step}");
        !of_a_move
    });
    named.sort_unstable();
    let mut walked: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
    walked.sort_unstable();
    assert_eq!(named, walked);
}

#[test]
fn a_start_sets_right_what_was_cut_off_on_sqlite() {
    run(Engine::Sqlite);
}

#[test]
fn a_start_sets_right_what_was_cut_off_on_postgres() {
    run(Engine::Postgres);
}

fn run(engine: Engine) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        for (number, (step, deed)) in STEPS.into_iter().enumerate() {
            // On Postgres another server may be at work on what is in the
            // journal, so it is undone ten minutes later.
            if deed == Deed::Undo && engine == Engine::Postgres {
                continue;
            }
            eprintln!("{step}");
            let scene = Scene::build(engine, number).await;
            scene.die_at(step, deed).await;
            scene.look(deed).await;
            scene.directory.stop().await;
        }
    });
}

struct Scene {
    engine: Engine,
    directory: DirectoryServer,
    variables: Vec<(&'static str, String)>,
    /// Somebody who lives here before it happens.
    alice: Value,
    _folder: TempDir,
    _database: Option<TestDatabase>,
}

impl Scene {
    async fn build(engine: Engine, number: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = engine.database();
        // Others each time, so that no DID is another scene's.
        let world = World::fake(number as u64);
        let listen = ([127, 0, 0, 1], 0).into();
        let place = folder.path().join("directory");
        let directory = DirectoryServer::start(listen, &place, &world, Rates::Free).await;
        let directory = directory.expect("the directory starts");
        let data = folder.path().join("data");
        let mut variables = super::variables(&data, &directory);
        variables.push(("FREEHOLD_SECRETS_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()));
        if let Some(database) = &database {
            variables.push(("FREEHOLD_DATABASE_URL", database.url()));
        }
        let mut scene = Self {
            engine,
            directory,
            variables,
            alice: Value::Null,
            _folder: folder,
            _database: database,
        };
        let (mut process, visitor) = scene.start(None);
        scene.alice = visitor.procedure(CREATE, &sign_up("alice")).await.ok();
        process.signal("KILL");
        process.exit_code();
        scene
    }

    fn start(&self, crash_at: Option<&'static str>) -> (Process, Client) {
        let mut variables = borrowed(&self.variables);
        variables.extend(crash_at.map(|step| ("FREEHOLD_CRASH_AT", step)));
        let mut process = Process::start(&["serve"], &variables);
        let visitor = process.visitor();
        process.let_log_go();
        (process, visitor)
    }

    /// Does something during which the program dies.
    async fn die_at(&self, step: &'static str, deed: Deed) {
        match deed {
            Deed::Undo => {
                self.die_while(Some("create: the directory knows the DID"), Deed::Create).await;
                // The next start undoes it, and may be dead before it serves.
                let variables = borrowed(&self.variables);
                let with = [variables, vec![("FREEHOLD_CRASH_AT", step)]].concat();
                assert_eq!(Process::start(&["serve"], &with).exit_code(), None);
            }
            Deed::Activate => {
                let (mut process, visitor) = self.start(None);
                self.session(&visitor).procedure(DEACTIVATE, &json!({})).await.ok_bytes();
                process.signal("KILL");
                process.exit_code();
                self.die_while(Some(step), deed).await;
            }
            _ => self.die_while(Some(step), deed).await,
        }
    }

    async fn die_while(&self, step: Option<&'static str>, deed: Deed) {
        let (mut process, visitor) = self.start(step);
        let alice = self.session(&visitor);
        let url = |nsid: &str| format!("/xrpc/{nsid}");
        let post = |client: &Client, nsid: &str| client.request(reqwest::Method::POST, &url(nsid));
        let request = match deed {
            Deed::Create | Deed::Undo => post(&visitor, CREATE).json(&sign_up("bob")),
            Deed::Activate => post(&alice, ACTIVATE),
            Deed::Deactivate => post(&alice, DEACTIVATE).json(&json!({})),
            Deed::Delete => {
                let input = json!({ "did": self.alice["did"] });
                post(&admin(&visitor), DELETE).json(&input)
            }
        };
        assert!(request.send().await.is_err(), "nobody answers");
        assert_eq!(process.exit_code(), None, "it was killed");
    }

    fn session(&self, visitor: &Client) -> Client {
        visitor.with_token(self.alice["accessJwt"].as_str().expect("a token"))
    }

    async fn status(&self, visitor: &Client) -> Answer {
        let did = self.alice["did"].as_str().expect("a DID");
        visitor.query(STATUS, &[("did", did)]).await
    }

    /// Starts the program as if nothing had happened, and sees that all is well.
    async fn look(&self, deed: Deed) {
        let (mut process, visitor) = self.start(None);
        match deed {
            Deed::Create | Deed::Undo => self.look_at_bob(&visitor).await,
            Deed::Activate => {
                self.session(&visitor).call(ACTIVATE, Body::None).await.ok_bytes();
                assert_eq!(self.status(&visitor).await.ok()["active"], true);
            }
            Deed::Deactivate => {
                self.session(&visitor).procedure(DEACTIVATE, &json!({})).await.ok_bytes();
                assert_eq!(self.status(&visitor).await.ok()["status"], "deactivated");
            }
            Deed::Delete => self.look_at_nobody(&visitor).await,
        }
        process.signal("TERM");
        process.exit_code();
        let variables = borrowed(&self.variables);
        let output = Process::run(&["check", "--json", "--deep"], &variables);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&said).expect("the report is JSON");
        assert_eq!(report["faults"], json!([]), "{report}");
    }

    /// Bob has an account that works, or none, and then nothing is in the way of
    /// one and nobody else has a use for the DID that was made.
    async fn look_at_bob(&self, visitor: &Client) {
        let login = json!({ "identifier": "bob.pds.test", "password": "a good password" });
        let here = visitor.procedure(LOG_IN, &login).await;
        if here.status.is_success() {
            let did = here.ok()["did"].as_str().expect("a DID").to_owned();
            visitor.query("com.atproto.sync.getRepo", &[("did", &did)]).await.ok_bytes();
            return;
        }
        let bob = visitor.procedure(CREATE, &sign_up("bob")).await.ok();
        let bob = bob["did"].as_str().expect("a DID");
        if self.engine == Engine::Postgres {
            return;
        }
        loop {
            let dids = self.dids_in_use().await;
            let alice = self.alice["did"].as_str().expect("a DID");
            if dids.len() == 2 {
                assert!(dids.iter().all(|did| did == bob || did == alice), "{dids:?}");
                return;
            }
            // The start has it done beside serving.
            tokio::task::yield_now().await;
        }
    }

    /// The DIDs of the directory that were not ended.
    async fn dids_in_use(&self) -> Vec<String> {
        let export = Client::new(self.directory.address()).get("/export").await;
        let text = String::from_utf8_lossy(export.ok_bytes()).into_owned();
        let mut dids: Vec<String> = Vec::new();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            let did = entry["did"].as_str().expect("a DID").to_owned();
            dids.retain(|other| *other != did);
            if entry["operation"]["type"] != "plc_tombstone" {
                dids.push(did);
            }
        }
        dids
    }

    /// Alice is gone, or can still be deleted; then her name is free.
    async fn look_at_nobody(&self, visitor: &Client) {
        if self.status(visitor).await.status.is_success() {
            let input = json!({ "did": self.alice["did"] });
            admin(visitor).procedure(DELETE, &input).await.ok_bytes();
        }
        self.status(visitor).await.refused(400, "RepoNotFound");
        visitor.procedure(CREATE, &sign_up("alice")).await.ok();
    }
}

fn admin(visitor: &Client) -> Client {
    let pair = data_encoding::BASE64.encode(format!("admin:{ADMIN_PASSWORD}").as_bytes());
    visitor.with_header("authorization", &format!("Basic {pair}"))
}

fn sign_up(name: &str) -> Value {
    json!({
        "handle": format!("{name}.pds.test"),
        "email": format!("{name}@mail.test"),
        "password": "a good password",
    })
}
