//! Migrations: the schema's history, one text for both engines.
//!
//! Each migration runs once, in one transaction, and is remembered with a
//! digest of its text, so that a file that was changed after it ran is noticed
//! instead of leaving two databases of different shape. A database that knows a
//! migration which this program does not was written by a newer one and is left
//! alone.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Dialect;
use crate::store::StoreError;

/// The migrations in order. A file is never changed once it was released.
const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "start",
        text: include_str!("../../../migrations/0001_start.sql"),
    },
    Migration { number: 2, name: "mail", text: include_str!("../../../migrations/0002_mail.sql") },
    Migration {
        number: 3,
        name: "moderation",
        text: include_str!("../../../migrations/0003_moderation.sql"),
    },
    Migration {
        number: 4,
        name: "subjects",
        text: include_str!("../../../migrations/0004_subjects.sql"),
    },
    Migration {
        number: 5,
        name: "reserved handles",
        text: include_str!("../../../migrations/0005_reserved_handles.sql"),
    },
    Migration {
        number: 6,
        name: "oauth",
        text: include_str!("../../../migrations/0006_oauth.sql"),
    },
    Migration {
        number: 7,
        name: "factors",
        text: include_str!("../../../migrations/0007_factors.sql"),
    },
    Migration {
        number: 8,
        name: "passkeys",
        text: include_str!("../../../migrations/0008_passkeys.sql"),
    },
    Migration {
        number: 9,
        name: "app password scopes",
        text: include_str!("../../../migrations/0009_app_password_scopes.sql"),
    },
];

/// One step of the schema.
#[derive(Debug)]
pub(super) struct Migration {
    pub(super) number: i64,
    pub(super) name: &'static str,
    text: &'static str,
}

/// Creates the table in which migrations are remembered.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number {INT} NOT NULL PRIMARY KEY,
    name {TEXT} NOT NULL,
    digest {TEXT} NOT NULL
) {STRICT}";
/// Reads what has run.
const SELECT: &str = "SELECT number, digest FROM migrations ORDER BY number";
/// Remembers a migration.
const INSERT: &str = "INSERT INTO migrations (number, name, digest) VALUES ($1, $2, $3)";

/// The texts that the runner of an engine needs, as `dialect` spells them.
pub(super) struct Texts {
    pub(super) create_table: String,
    pub(super) select: String,
    pub(super) insert: String,
}

/// Returns the runner's own statements.
pub(super) fn texts(dialect: Dialect) -> Texts {
    Texts {
        create_table: dialect.spell(CREATE_TABLE),
        select: dialect.spell(SELECT),
        insert: dialect.spell(INSERT),
    }
}

impl Migration {
    /// Returns the statements for `dialect`, in order.
    pub(super) fn statements(&self, dialect: Dialect) -> Vec<String> {
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let statements = text.split(";\n").map(|text| text.trim().trim_end_matches(';'));
        let ours = statements.filter_map(|text| match (text.strip_prefix("{POSTGRES}"), dialect) {
            (None, _) => Some(text),
            (Some(text), Dialect::Postgres) => Some(text),
            (Some(_), Dialect::Sqlite) => None,
        });
        ours.filter(|text| !text.is_empty()).map(|text| dialect.spell(text)).collect()
    }

    /// Returns the digest that is remembered.
    pub(super) fn digest(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.text))
    }
}

/// Compares what has run, in order, with what this program knows, and returns
/// what is left to run.
///
/// # Errors
/// [`StoreError::Schema`] where they do not agree.
pub(super) fn pending(applied: &[(i64, String)]) -> Result<&'static [Migration], StoreError> {
    if applied.len() > MIGRATIONS.len() {
        let newest = applied.last().map_or(0, |(number, _)| *number);
        let text = format!("it has migration {newest}, which only a newer version knows");
        return Err(StoreError::Schema(text));
    }
    for ((number, digest), known) in applied.iter().zip(MIGRATIONS) {
        if *number != known.number || *digest != known.digest() {
            let text = format!("its migration {number} is not ours of that number");
            return Err(StoreError::Schema(text));
        }
    }
    Ok(&MIGRATIONS[applied.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_has_the_same_tables_in_both_spellings() {
        let count = |dialect| {
            let statements = MIGRATIONS.iter().flat_map(|m| m.statements(dialect));
            statements.filter(|text| text.starts_with("CREATE TABLE")).count()
        };
        assert_eq!(count(Dialect::Sqlite), count(Dialect::Postgres));
        assert!(count(Dialect::Sqlite) > 15);
    }

    #[test]
    fn a_changed_or_newer_history_is_refused() {
        let ran: Vec<_> = MIGRATIONS.iter().map(|m| (m.number, m.digest())).collect();
        assert!(pending(&ran).is_ok_and(<[_]>::is_empty));
        assert_eq!(pending(&[]).map(<[_]>::len).ok(), Some(MIGRATIONS.len()));
        assert!(pending(&[(1, "another".to_owned())]).is_err());
        let newer = [ran, vec![(99, String::new())]].concat();
        assert!(pending(&newer).is_err());
    }
}
