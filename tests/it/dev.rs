//! `freehold dev` as somebody runs it for the first time: the program itself,
//! what it prints, and the commands it tells one to try.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The last line before a network is only waiting.
const READY: &str = "Mail that the server sends will appear below.";

/// A local network that runs, and what it printed.
struct Running {
    child: Child,
    /// Kept open: a program whose output nobody reads any more is stopped.
    _output: BufReader<ChildStdout>,
    printed: String,
}

impl Running {
    fn start(data: Option<&Path>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
        command.arg("dev").args(["--port", &free_port(), "--plc-port", &free_port()]);
        if let Some(folder) = data {
            command.arg("--data").arg(folder);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut printed = String::new();
        while !printed.contains(READY) {
            let read = output.read_line(&mut printed).expect("text");
            assert_ne!(read, 0, "it ended early:\n{printed}");
        }
        Self { child, _output: output, printed }
    }

    /// Returns the commands to try, without the sentences before them.
    fn commands(&self) -> Vec<&str> {
        let paragraphs = self.printed.split("\n\n");
        let commands = paragraphs.filter_map(|paragraph| paragraph.strip_prefix("# "));
        commands.map(|text| text.split_once('\n').expect("a sentence and a command").1).collect()
    }

    fn folder(&self) -> PathBuf {
        let line = self.printed.lines().find_map(|line| line.trim().strip_prefix("data "));
        let path = line.expect("the folder is named").trim().split(" (").next();
        PathBuf::from(path.expect("a path"))
    }

    /// Returns the lines that name an account.
    fn accounts(&self) -> Vec<&str> {
        self.printed.lines().filter(|line| line.contains("did:plc:")).collect()
    }

    /// Stops it as a service manager would, and waits for its end.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success());
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Running {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port().to_string()
}

/// Runs a command as a person would, in a shell.
fn shell(command: &str) -> Value {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{command}\nprinted {text:?}"))
}

/// Runs a command until it prints a line with this in it.
fn shell_until(command: &str, wanted: &str) -> Value {
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let line = output.lines().map_while(Result::ok).find(|line| line.contains(wanted));
    let _ = child.kill();
    let _ = child.wait();
    serde_json::from_str(&line.expect("the line is printed")).expect("a line is JSON")
}

#[test]
fn the_printed_commands_work_as_printed() {
    let network = Running::start(None);
    assert_eq!(network.accounts().len(), 2, "{}", network.printed);
    let commands = network.commands();
    let [log_in, post, follow] = commands[..] else { panic!("{}", network.printed) };
    let session = shell(log_in);
    assert_eq!(session["handle"], "alice.test", "{session}");
    let written = shell(post);
    let uri = written["uri"].as_str().unwrap_or_default().to_owned();
    assert!(uri.contains("/app.bsky.feed.post/"), "{written}");
    let event = shell_until(follow, "Hello from curl.");
    assert_eq!(event["did"], session["did"]);
    assert_eq!(event["ops"][0]["record"]["text"], "Hello from curl.");
    let folder = network.folder();
    assert!(folder.is_dir(), "{}", folder.display());
    network.stop();
    assert!(!folder.exists(), "the temporary folder is gone");
}

#[test]
fn a_kept_network_is_found_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Running::start(Some(folder.path()));
    let accounts: Vec<String> = first.accounts().into_iter().map(str::to_owned).collect();
    assert_eq!(first.folder(), folder.path());
    first.stop();
    let second = Running::start(Some(folder.path()));
    assert_eq!(second.accounts(), accounts);
    let commands = second.commands();
    let session = shell(commands[0]);
    assert_eq!(session["handle"], "alice.test");
    second.stop();
    assert!(folder.path().is_dir());
}
