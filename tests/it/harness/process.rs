//! The program itself, as an operator runs it.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

use super::Client;

/// A `freehold` that runs, and its log.
pub struct Process {
    child: Child,
    /// `None` where nobody reads on.
    log: Option<Lines<BufReader<ChildStderr>>>,
}

impl Process {
    /// Starts it with these arguments and no environment but this one, in an
    /// empty folder.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(arguments, variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("is piped")).lines();
        Self { child, log: Some(log) }
    }

    /// Runs it to its end.
    pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        command(arguments, variables).output().expect("the program starts")
    }

    /// Reads the log up to the first line whose message has this text.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> Value {
        let mut before = Vec::new();
        for line in self.log.as_mut().expect("the log was not let go") {
            let line = line.expect("the log is text");
            let entry: Value = serde_json::from_str(&line).unwrap_or(Value::from(line));
            if entry["message"].as_str().is_some_and(|message| message.contains(text)) {
                return entry;
            }
            before.push(entry.to_string());
        }
        panic!("the log ends without {text:?}:\n{}", before.join("\n"));
    }

    /// Reads the log up to where the server listens, and returns the address.
    #[track_caller]
    pub fn listening(&mut self) -> SocketAddr {
        let entry = self.until("Serving");
        let message = entry["message"].as_str().expect("a message is text");
        let address = message.trim_end_matches('.').rsplit(' ').next().expect("has words");
        let mut address: SocketAddr = address.parse().expect("the message ends with the address");
        address.set_ip([127, 0, 0, 1].into());
        address
    }

    /// Reads the log up to where the server listens, and returns a visitor.
    #[track_caller]
    pub fn visitor(&mut self) -> Client {
        Client::new(self.listening())
    }

    /// Lets the rest of the log go, so that a busy server does not wait for a
    /// reader of it.
    pub fn let_log_go(&mut self) {
        if let Some(log) = self.log.take() {
            std::thread::spawn(move || log.for_each(drop));
        }
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Waits for its end and returns the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("a child ends").code()
    }
}

/// A test that fails leaves no server behind.
impl Drop for Process {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}
