//! Every statement of the store is prepared on both engines.
//!
//! They are found in the sources, so that none can be forgotten.

use std::path::Path;

use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqlSafeStr, postgres::PgConnectOptions};

use super::*;
use crate::store::engine::Dialect;

/// Statements that stand in the sources today, to notice a finder that finds
/// nothing.
const STATEMENTS_MIN: usize = 90;

/// Returns the text of every statement under `folder`, and its file.
fn statements(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(statements(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let source = std::fs::read_to_string(&path).expect("a source");
            let name = path.display().to_string();
            found.extend(texts(&source).into_iter().map(|text| (name.clone(), text)));
        }
    }
    found
}

fn texts(source: &str) -> Vec<String> {
    // The word is put together here, so that it is not found in this file.
    let calls = source.split(concat!("Sql::", "new(")).skip(1);
    let text = |call: &str| {
        let text = call.trim_start().strip_prefix('"')?;
        text.split_once('"').map(|(text, _)| text.to_owned())
    };
    calls.filter_map(text).collect()
}

fn all() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let all = statements(&folder);
    assert!(all.len() >= STATEMENTS_MIN, "found only {}", all.len());
    all
}

#[tokio::test]
async fn every_statement_is_prepared_on_sqlite() {
    let scene = Scene::sqlite().await;
    let Location::Sqlite(path) = &scene.location else { unreachable!("it is SQLite") };
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    for (file, text) in all() {
        let prepared = connection.prepare(&Dialect::Sqlite.spell(&text));
        prepared.unwrap_or_else(|e| panic!("{file}: {e}\n{text}"));
    }
}

#[tokio::test]
async fn every_statement_is_prepared_on_postgres() {
    let scene = Scene::postgres().await;
    let Location::Postgres(url) = &scene.location else { unreachable!("it is Postgres") };
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut connection = options.connect().await.expect("a connection");
    for (file, text) in all() {
        let text = AssertSqlSafe(Dialect::Postgres.spell(&text)).into_sql_str();
        let prepared = connection.prepare(text.clone()).await;
        prepared.map(drop).unwrap_or_else(|e| panic!("{file}: {e}\n{}", text.as_str()));
    }
}
