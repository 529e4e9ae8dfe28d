//! A Postgres cluster for one test run, in a temporary folder.
//!
//! It listens on a socket in that folder only, and does without fsync. A small
//! shell script stands beside it and holds one end of a pipe: when this process
//! ends, however that happens, the pipe closes, the cluster is stopped and the
//! folder goes. Postgres refuses to run as root, so root hands it to the user
//! `postgres`, or to `nobody`. Its texts sort by a language, so that a statement
//! that forgets to compare by bytes fails here and not at somebody's home.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Starts the cluster, says so, waits for the pipe to close, cleans up.
const KEEPER: &str = r#"
set -e
cd "$FOLDER"
"$BIN/initdb" --pgdata=data --username=postgres --auth=trust --no-sync --encoding=UTF8 \
    --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US > initdb.log 2>&1 \
    || { cat initdb.log; exit 1; }
"$BIN/pg_ctl" --pgdata=data --wait --log=server.log --options="-k $FOLDER -c listen_addresses= \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=400 \
    -c shared_buffers=64MB" start > start.log 2>&1 || { cat start.log server.log; exit 1; }
echo ready
cat > start.log
"$BIN/pg_ctl" --pgdata=data --mode=immediate stop > start.log 2>&1
cd /
rm -rf "$FOLDER"
"#;

/// The database that all others are copies of.
const TEMPLATE: &str = "town";

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    /// Holds the other end of the keeper's pipe.
    _keeper: Child,
    /// Databases are made one after the other: each copies the same files.
    turn: Mutex<()>,
    made: AtomicU32,
}

/// A database of one test; dropped with it.
pub struct TestDatabase {
    cluster: &'static Cluster,
    name: String,
}

impl TestDatabase {
    /// Makes a database. The run's first one starts the cluster, and `prepare`
    /// gives the template its tables.
    pub fn new(prepare: impl FnOnce(&str) + Send) -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(|| {
            let cluster = Cluster::start();
            cluster.run("createdb", &[TEMPLATE]);
            prepare(&cluster.url(TEMPLATE));
            cluster
        });
        let number = cluster.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPLATE}_{number}");
        let _turn = cluster.turn.lock().expect("no test fails while it holds this");
        cluster.run("createdb", &["--template", TEMPLATE, &name]);
        Self { cluster, name }
    }

    /// Returns where it is reached.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.cluster.run("dropdb", &["--force", &self.name]);
    }
}

impl Cluster {
    #[expect(clippy::zombie_processes, reason = "the keeper outlives this process on purpose")]
    fn start() -> Self {
        let bin = programs();
        let folder = tempfile::Builder::new().prefix("freehold-pg").tempdir();
        // From here on the keeper removes it.
        let folder = folder.expect("a temporary folder").keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).env("BIN", &bin).env("FOLDER", &folder);
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((user, group)) = stand_in_for_root(&folder) {
            keeper.uid(user).gid(group);
            chown(&folder, Some(user), Some(group)).expect("root may give a folder away");
        }
        let mut keeper = keeper.spawn().expect("a shell starts");
        let output = keeper.stdout.take().expect("is piped");
        let mut said = String::new();
        for line in BufReader::new(output).lines() {
            said.push_str(&line.expect("the keeper speaks in lines"));
            if said.ends_with("ready") {
                let (turn, made) = (Mutex::new(()), AtomicU32::new(0));
                return Self { folder, bin, _keeper: keeper, turn, made };
            }
            said.push('\n');
        }
        panic!("Postgres does not start: {said}");
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(self.bin.join(program))
            .args(["--username=postgres", "--host"])
            .arg(&self.folder)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?} failed: {said}");
    }
}

/// Finds the programs of Postgres: Debian keeps them off the path.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let complete = |bin: &PathBuf| bin.join("initdb").exists() && bin.join("createdb").exists();
    let mut found: Vec<PathBuf> =
        debian.chain(std::env::split_paths(&path)).filter(complete).collect();
    found.sort();
    found.pop().expect("the programs of Postgres are needed: apt-get install postgresql")
}

/// Returns a user and group for Postgres, if this process is root's.
fn stand_in_for_root(folder: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(folder).expect("the folder is there").uid();
    if owner != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
    let user = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(user("postgres").or_else(|| user("nobody")).expect("there is a user for Postgres"))
}
