//! `freehold dev`: a local network, with two accounts and something to try.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::dev::{LocalNetwork, Person, Plan};
use crate::world::World;

use super::failure::Failure;
use super::serve::{StopSignals, runtime};
use super::{logs, print};

/// Run a whole local network, to try things out.
///
/// Starts a server on http://localhost:2583 and a did:plc directory on
/// http://localhost:2582, in this process and without any other network. Two
/// accounts are there, alice.test and bob.test, with a few records each; their
/// passwords and some commands to try are printed. Mail is shown in the
/// terminal.
///
/// Everything is kept in a temporary folder that is removed in the end; with
/// --data DIR it is kept there, and the next start finds it again. Settings of
/// the environment and of ./freehold.toml have no effect.
#[derive(Debug, clap::Args)]
pub(super) struct Dev {
    /// Keep everything in this folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the server.
    #[arg(long, default_value_t = 2583)]
    port: u16,
    /// Port of the directory.
    #[arg(long, default_value_t = 2582, value_name = "PORT")]
    plc_port: u16,
    /// What to log: error, warn, info, debug, trace or off.
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log: String,
}

impl Dev {
    pub(super) fn run(self) -> Result<(), Failure> {
        let world = Plan::world();
        let folder = match self.data {
            Some(path) => Folder::Kept(path),
            None => Folder::temporary(&world)?,
        };
        let plan = Plan {
            port: self.port,
            plc_port: self.plc_port,
            folder: folder.path().to_owned(),
            log_level: self.log,
        };
        let config = plan.config().map_err(|faulty| Failure::Mistaken(faulty.to_string()))?;
        logs::start(&config.log)?;
        runtime()?.block_on(run(&plan, &folder, world))
    }
}

async fn run(plan: &Plan, folder: &Folder, world: World) -> Result<(), Failure> {
    let mut stopping = StopSignals::new()?;
    let now = world.clock.now().to_string();
    let network = LocalNetwork::start(plan, world).await?;
    print(&welcome(plan, folder, &network, &now))?;
    stopping.next().await;
    print("\nStopping.\n")?;
    tokio::select! {
        () = network.stop() => {}
        () = stopping.next() => {}
    }
    Ok(())
}

/// Where the network is kept. A temporary folder goes when this is dropped,
/// which is after everything in it was closed.
enum Folder {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Folder {
    fn temporary(world: &World) -> Result<Self, Failure> {
        let name = format!("freehold-dev-{}", world.entropy.token_base32(8));
        let path = std::env::temp_dir().join(name);
        private_folder(&path).map_err(|error| {
            Failure::Mistaken(format!("cannot make the folder {}: {error}", path.display()))
        })?;
        Ok(Self::Temporary(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }

    fn fate(&self) -> &'static str {
        match self {
            Self::Kept(_) => "kept; the next start with --data finds it again",
            Self::Temporary(_) => "temporary: removed at the end; --data DIR keeps it",
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            eprintln!("freehold: could not remove {}: {error}", path.display());
        }
    }
}

/// Makes a folder that nobody else may look into.
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Says what runs and what to try.
fn welcome(plan: &Plan, folder: &Folder, network: &LocalNetwork, now: &str) -> String {
    let origin = network.public_url();
    let mut text = format!(
        "A local network is running; Ctrl-C stops it.\n\n  \
           server     {origin}\n  \
           directory  {}\n  \
           data       {} ({})\n\nAccounts:\n\n",
        plan.directory_url(),
        folder.path().display(),
        folder.fate(),
    );
    for Person { handle, password, did } in network.people() {
        let _ = writeln!(text, "  {handle:<10}  password {password:<16}  {did}");
    }
    text.push_str("\nTo try, in another terminal:\n");
    if let Some(person) = network.people().first() {
        for (what, command) in commands(origin, person, now) {
            let _ = write!(text, "\n# {what}\n{command}\n");
        }
    }
    text.push_str("\nMail that the server sends will appear below.\n");
    text
}

/// The commands to try, each of which works by itself.
fn commands(origin: &str, person: &Person, now: &str) -> [(&'static str, String); 3] {
    let Person { handle, password, .. } = person;
    let json = "-H 'Content-Type: application/json'";
    let log_in = format!(
        "curl -s {origin}/xrpc/com.atproto.server.createSession {json} \\\n  \
         -d '{{\"identifier\":\"{handle}\",\"password\":\"{password}\"}}'"
    );
    let token = format!("$({log_in} | sed 's/.*\"accessJwt\":\"\\([^\"]*\\)\".*/\\1/')");
    let post = format!(
        "curl -s {origin}/xrpc/com.atproto.repo.createRecord {json} \\\n  \
         -H \"Authorization: Bearer {token}\" \\\n  \
         -d '{{\"repo\":\"{handle}\",\"collection\":\"app.bsky.feed.post\",\"record\":\
         {{\"$type\":\"app.bsky.feed.post\",\"text\":\"Hello from curl.\",\
         \"createdAt\":\"{now}\"}}}}'"
    );
    let follow = format!("{} firehose {origin} --cursor 0", this_program());
    [
        ("Log in: the answer holds the tokens of a session.", log_in),
        ("Post as this account: log in, take the access token, create a record.", post),
        ("Follow the event stream from its beginning, as relays do; Ctrl-C ends it.", follow),
    ]
}

/// How to call this program again: shorter where it lies below the current
/// folder, as it does after `cargo run`.
fn this_program() -> String {
    let Ok(program) = std::env::current_exe() else { return "freehold".to_owned() };
    let here = std::env::current_dir().unwrap_or_default();
    let text = match program.strip_prefix(&here) {
        Ok(below) => format!("./{}", below.display()),
        Err(_) => program.display().to_string(),
    };
    match text.contains(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)) {
        true => format!("'{}'", text.replace('\'', r"'\''")),
        false => text,
    }
}
