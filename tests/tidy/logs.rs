//! Logs: no line carries what must not leave the process.

use super::judge;
use super::source::{Source, house};

/// Macros that write a log line.
const MACROS: &[&str] = &["trace!(", "debug!(", "info!(", "warn!(", "error!("];

/// Words of names that hold secrets or say who somebody is.
const SECRETS: &[&str] = &[
    "password",
    "passwords",
    "secret",
    "secrets",
    "token",
    "tokens",
    "jwt",
    "bearer",
    "authorization",
    "cookie",
    "email",
    "ip",
    "signing_key",
    "private_key",
    "master_key",
    "record",
    "preferences",
];

#[test]
fn log_lines_carry_no_secrets() {
    let mut breaches = Vec::new();
    for source in house() {
        for (index, line) in source.production() {
            if MACROS.iter().any(|name| line.code.contains(name)) {
                let said = said_by(source, index);
                breaches.extend(said.map(|name| {
                    source.breach(index, format_args!("a log line may not carry `{name}`"))
                }));
            }
        }
    }
    judge(breaches);
}

/// Returns the first name in the macro call at `index` that gives something
/// away: an argument, or a capture in the text.
fn said_by(source: &Source, index: usize) -> Option<String> {
    let end = (index..source.lines.len()).find(|&at| source.lines[at].code.contains(';'))?;
    let lines = &source.lines[index..=end];
    let arguments = lines.iter().flat_map(|line| names(&line.code));
    let captures = lines.iter().flat_map(|line| &line.texts).flat_map(|text| {
        text.split('{').skip(1).flat_map(|rest| names(rest.split(['}', ':']).next().unwrap_or("")))
    });
    arguments.chain(captures).find(|name| gives_away(name)).map(str::to_owned)
}

fn names(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn gives_away(name: &str) -> bool {
    SECRETS.contains(&name) || name.split('_').any(|word| SECRETS[..11].contains(&word))
}
