//! Settings from environment variables of our own.
//!
//! The mapping is regular: `FREEHOLD_SERVER_PORT` is `server.port` of the
//! file, `FREEHOLD_SECRETS_JWT_SECRET_FILE` is `secrets.jwt_secret_file`; a
//! list's items stand between commas. An empty variable counts as not set.

use super::reader::{Given, Origin, Reader, Setting};

/// The prefix of our own variables.
const PREFIX: &str = "FREEHOLD_";

/// Variables with our prefix that are no settings: the path of the file, and
/// what the tests use.
const NO_SETTINGS: [&str; 3] = ["FREEHOLD_CONFIG", "FREEHOLD_INTEROP_DIR", "FREEHOLD_TEST_ENGINES"];

/// The variables of a process, as a list that a test can write down.
pub type Variables = Vec<(String, String)>;

/// Gives the reader every setting of our own variables.
pub(super) fn read(variables: &Variables, reader: &mut Reader) {
    for (name, text) in variables {
        if text.is_empty() || NO_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        if let Some(key) = key_of(name) {
            let setting =
                Setting { given: Given::One(text.clone()), origin: Origin::Variable(name.clone()) };
            reader.give(key, setting);
        }
    }
}

fn key_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
    match rest.split_once('_') {
        Some((section, key)) => Some(format!("{section}.{key}")),
        None => Some(rest),
    }
}
