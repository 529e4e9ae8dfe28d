//! Statements: one SQL text for both engines, and the values bound to it.
//!
//! The text is written in the common subset: parameters are `$1…$n`, and what
//! the engines spell differently stands in `{WORDS}` (see [`Dialect`]). SQLite
//! numbers a named `$1` by first appearance, so its text says `?1` instead.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::{
    atproto::{
        Cid, Moment,
        syntax::{Did, Handle, Nsid, RecordPath, Tid},
    },
    store::{AccountId, StoreError},
};

use super::BadColumn;

/// The two ways in which SQL is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    /// SQLite, STRICT tables.
    Sqlite,
    /// Postgres 13 or newer.
    Postgres,
}

/// Words of the schema and the statements that differ, and both spellings.
const WORDS: &[(&str, &str, &str)] = &[
    // Text that sorts by its bytes, on Postgres not by the server's language.
    ("{TEXT}", "TEXT", "TEXT COLLATE \"C\""),
    ("{INT}", "INTEGER", "BIGINT"),
    ("{BYTES}", "BLOB", "BYTEA"),
    ("{STRICT}", "STRICT", ""),
    // Rows lie in the order of their key.
    ("{CLUSTERED}", "STRICT, WITHOUT ROWID", ""),
];

impl Dialect {
    /// Spells a text of the common subset.
    pub(in crate::store) fn spell(self, text: &str) -> String {
        let mut spelled = text.to_owned();
        for (word, sqlite, postgres) in WORDS {
            let spelling = match self {
                Self::Sqlite => sqlite,
                Self::Postgres => postgres,
            };
            spelled = spelled.replace(word, spelling);
        }
        match self {
            Self::Sqlite => spelled.replace('$', "?"),
            Self::Postgres => spelled,
        }
    }
}

/// A statement's text. Always a `static`, so that it is spelled once.
#[derive(Debug)]
pub(in crate::store) struct Sql {
    text: &'static str,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Sql {
    /// Takes a text of the common subset.
    pub(in crate::store) const fn new(text: &'static str) -> Self {
        Self { text, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// Returns the text as `dialect` spells it.
    pub(in crate::store) fn spelled(&'static self, dialect: Dialect) -> &'static str {
        let slot = match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        };
        slot.get_or_init(|| dialect.spell(self.text))
    }

    /// Makes a statement without values.
    pub(in crate::store) fn statement(&'static self) -> Statement {
        let values = Vec::new();
        Statement { sql: self, values }
    }

    /// Makes a statement and binds `$1`.
    pub(in crate::store) fn bind(&'static self, value: impl Into<Value>) -> Statement {
        self.statement().bind(value)
    }

    /// Returns the first table that the text names, for messages.
    pub(in crate::store) fn table(&self) -> &'static str {
        let mut words = self.text.split_whitespace();
        while let Some(word) = words.next() {
            if matches!(word, "FROM" | "INTO" | "UPDATE") {
                return words.next().unwrap_or("?");
            }
        }
        "?"
    }
}

/// A text and the values of its parameters.
#[derive(Debug)]
pub(in crate::store) struct Statement {
    pub(in crate::store) sql: &'static Sql,
    pub(in crate::store) values: Vec<Value>,
}

impl Statement {
    /// Binds the next parameter.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Says which row could not be read.
    pub(in crate::store) fn corrupt(&self, bad: BadColumn) -> StoreError {
        let key = match self.values.first() {
            Some(Value::Int(Some(int))) => int.to_string(),
            Some(Value::Text(Some(text))) => text.clone(),
            _ => "?".to_owned(),
        };
        let table = self.sql.table().to_owned();
        StoreError::Corrupt { table, key, what: bad.to_string() }
    }

    /// Returns what the values weigh in a queue.
    pub(in crate::store) fn size_bytes(&self) -> usize {
        let size = |value: &Value| match value {
            Value::Text(Some(text)) => text.len(),
            Value::Bytes(Some(bytes)) => bytes.len(),
            _ => 8,
        };
        self.values.iter().map(size).sum()
    }
}

/// A value of one of the three types; `None` is NULL of that type.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Value {
    /// A whole number.
    Int(Option<i64>),
    /// Text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Bytes>),
}

/// How a Rust type becomes a [`Value`], also where it is absent.
pub(in crate::store) trait Column {
    /// The value, or NULL of its type.
    fn value(this: Option<Self>) -> Value
    where
        Self: Sized;
}

macro_rules! columns {
    ($($rust:ty => $kind:ident, $this:ident, $turn:expr;)*) => {$(
        impl Column for $rust {
            fn value(this: Option<Self>) -> Value {
                Value::$kind(this.map(|$this| $turn))
            }
        }
        impl From<$rust> for Value {
            fn from(this: $rust) -> Self {
                Column::value(Some(this))
            }
        }
        impl From<Option<$rust>> for Value {
            fn from(this: Option<$rust>) -> Self {
                Column::value(this)
            }
        }
    )*};
}

columns! {
    i64 => Int, this, this;
    u32 => Int, this, i64::from(this);
    // Only `seq` is a u64, and it stays below 2^53.
    u64 => Int, this, i64::try_from(this).unwrap_or(i64::MAX);
    AccountId => Int, this, this.0;
    &str => Text, this, this.to_owned();
    String => Text, this, this;
    &String => Text, this, this.clone();
    Moment => Text, this, this.to_string();
    &Did => Text, this, this.as_str().to_owned();
    &Handle => Text, this, this.as_str().to_owned();
    &Nsid => Text, this, this.as_str().to_owned();
    &Tid => Text, this, this.as_str().to_owned();
    &RecordPath => Text, this, this.to_string();
    Cid => Bytes, this, Bytes::copy_from_slice(this.as_bytes());
    Bytes => Bytes, this, this;
    Vec<u8> => Bytes, this, Bytes::from(this);
    &[u8] => Bytes, this, Bytes::copy_from_slice(this);
}
