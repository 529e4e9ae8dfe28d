//! Which database a test runs on.

use std::sync::Arc;

use freehold::store::{Db, DbSettings, Location};

use super::postgres::TestDatabase;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the test's temporary folder.
    Sqlite,
    /// A database of its own in a throwaway cluster of this run.
    Postgres,
}

impl Engine {
    /// Makes an empty database; nothing for SQLite, whose file the server makes.
    pub fn database(self) -> Option<TestDatabase> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(TestDatabase::new(migrate)),
        }
    }
}

/// Brings a database's tables up to date, as a server does when it starts.
fn migrate(url: &str) {
    let settings = DbSettings::new(Location::Postgres(url.to_owned()));
    // A thread of its own, since the test's own runtime waits for this.
    let migration = move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        runtime.block_on(async {
            let db = Db::open(settings, Arc::new(|| 1)).await.expect("tables are made");
            db.close().await;
        });
    };
    std::thread::spawn(migration).join().expect("tables are made");
}
