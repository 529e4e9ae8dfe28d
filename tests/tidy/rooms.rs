//! Rooms: what may be said only in one of them.

use super::judge;
use super::source::{Source, house, sources};

/// Crates that one room keeps to itself, with the places that may name them.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["src/http/"]),
    ("rusqlite", &["src/store/"]),
    ("sqlx", &["src/store/"]),
    ("reqwest", &["src/world/"]),
    ("hickory_resolver", &["src/world/"]),
    ("getrandom", &["src/world/"]),
    ("clap", &["src/cli/"]),
];

/// Calls that ask for the time or roll dice. Waiting with a limit and measuring
/// how long something took are not asking for the time; those are the second
/// group, and the floors that decide things have no use for them.
const CLOCK_AND_DICE: &[&str] = &[
    "SystemTime::now",
    "Utc::now",
    "Local::now",
    "OsRng",
    "ThreadRng",
    "thread_rng",
    "rand::random",
    "Uuid::new_v4",
];
const WAITING: &[&str] = &["Instant::now", "time::sleep", "thread::sleep", "time::interval"];
const WAITING_ROOMS: &[&str] =
    &["src/world/", "src/store/engine/deadline.rs", "src/http/", "src/cli/", "src/app/"];

/// Where tasks begin, each with the stop token.
const SPAWNING: &[&str] = &["tokio::spawn", "task::spawn(", "thread::spawn"];
const SPAWNING_ROOMS: &[&str] = &["src/app/", "src/service/tasks.rs", "src/store/engine/"];

/// How a statement begins.
const SQL: &[&str] = &[
    "SELECT ",
    "INSERT INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "PRAGMA ",
    "WITH ",
    "BEGIN ",
];

fn stands_in(source: &Source, places: &[&str]) -> bool {
    places.iter().any(|place| source.path.starts_with(place))
}

/// Finds `word` where it is not part of a longer one.
fn names(code: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let is_open = word.ends_with(|last: char| !last.is_alphanumeric());
        !is_part(before) && (is_open || !is_part(after))
    })
}

#[test]
fn a_crate_stays_in_its_room() {
    let mut breaches = Vec::new();
    for (name, places) in CRATES {
        let paths = [format!("{name}::"), format!("use {name};")];
        for source in house().filter(|source| !stands_in(source, places)) {
            for (index, line) in source.production() {
                if paths.iter().any(|path| names(&line.code, path)) {
                    let rule = format!("{name} is used only in {}", places.join(", "));
                    breaches.push(source.breach(index, rule));
                }
            }
        }
    }
    judge(breaches);
}

#[test]
fn sql_stands_only_in_the_store() {
    let mut breaches = Vec::new();
    for source in house().filter(|source| !stands_in(source, &["src/store/"])) {
        for (index, line) in source.production() {
            let is_sql =
                |text: &&String| SQL.iter().any(|word| text.trim_start().starts_with(word));
            if line.texts.iter().any(|text| is_sql(&text)) {
                breaches.push(source.breach(index, "SQL stands only in src/store/"));
            }
        }
    }
    judge(breaches);
}

#[test]
fn time_and_randomness_come_from_the_world() {
    let asks = |source: &Source, words: &[&str], index: usize| {
        let code = &source.lines[index].code;
        words.iter().find(|word| names(code, word)).map(|word| {
            source.breach(index, format_args!("{word}: time and randomness come from src/world/"))
        })
    };
    let mut breaches = Vec::new();
    for source in house() {
        for (index, _) in source.production() {
            if !stands_in(source, &["src/world/"]) {
                breaches.extend(asks(source, CLOCK_AND_DICE, index));
            }
            if !stands_in(source, WAITING_ROOMS) {
                breaches.extend(asks(source, WAITING, index));
            }
        }
    }
    judge(breaches);
}

#[test]
fn tasks_begin_where_they_can_be_stopped() {
    let mut breaches = Vec::new();
    for source in house().filter(|source| !stands_in(source, SPAWNING_ROOMS)) {
        for (index, line) in source.production() {
            if SPAWNING.iter().any(|word| names(&line.code, word)) {
                let rule = format!("tasks are started only in {}", SPAWNING_ROOMS.join(", "));
                breaches.push(source.breach(index, rule));
            }
        }
    }
    judge(breaches);
}

#[test]
fn transactions_are_put_together_in_the_store_and_run_by_services() {
    let mut breaches = Vec::new();
    for source in house() {
        let is_store = stands_in(source, &["src/store/"]);
        let is_noun = is_store
            && !stands_in(
                source,
                &["src/store/engine/", "src/store/committer", "src/store/mod.rs"],
            );
        let is_http = stands_in(source, &["src/http/"]);
        for (index, line) in source.production() {
            if !is_store && names(&line.code, "Statement::") {
                breaches.push(source.breach(index, "statements are written in src/store/"));
            }
            if is_http && names(&line.code, "Batch") {
                breaches.push(source.breach(index, "src/http/ runs no transaction"));
            }
            if is_noun && (line.code.contains("db.run(") || line.code.contains("db.commit(")) {
                breaches.push(source.breach(index, "src/service/ runs batches, nouns write them"));
            }
        }
    }
    judge(breaches);
}

#[test]
fn services_know_no_answer_of_http() {
    let words = ["XrpcError", "StatusCode::BAD_REQUEST", "StatusCode::INTERNAL", "IntoResponse"];
    let mut breaches = Vec::new();
    for source in house().filter(|source| !stands_in(source, &["src/http/"])) {
        for (index, line) in source.production() {
            if let Some(word) = words.iter().find(|word| names(&line.code, word)) {
                let rule = format!("{word}: answers take their shape in src/http/error");
                breaches.push(source.breach(index, rule));
            }
        }
    }
    judge(breaches);
}

#[test]
fn tests_do_not_sleep() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (index, line) in source.lines.iter().enumerate() {
            let sleeps = names(&line.code, "thread::sleep") || names(&line.code, "time::sleep(");
            if source.in_tests(index) && sleeps {
                breaches.push(source.breach(index, "a test waits for what happens, not for time"));
            }
        }
    }
    judge(breaches);
}
