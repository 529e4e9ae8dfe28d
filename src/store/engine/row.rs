//! Rows as the engines hand them out, read column by column.
//!
//! A column is read into the type that it must hold; what does not parse is a
//! [`BadColumn`], which becomes [`crate::store::StoreError::Corrupt`].

use bytes::Bytes;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    atproto::{
        Cid, Moment,
        syntax::{Did, Handle, Nsid, RecordKey, RecordPath, Tid},
    },
    store::AccountId,
};

/// A row of either engine, borrowed while it is read.
#[derive(Clone, Copy)]
pub(in crate::store) enum Row<'a> {
    /// A row of SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// A row of Postgres.
    Postgres(&'a PgRow),
}

/// A column does not hold what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {index} does not hold what it must")]
pub(in crate::store) struct BadColumn {
    pub(in crate::store) index: usize,
}

impl<'a> Row<'a> {
    /// Reads a column.
    pub(in crate::store) fn at<T: FromColumn>(&self, index: usize) -> Result<T, BadColumn> {
        T::read(self, index)
    }

    /// Complains about a column that was read and makes no sense.
    pub(in crate::store) fn bad(&self, index: usize) -> BadColumn {
        BadColumn { index }
    }

    fn int(&self, index: usize) -> Result<Option<i64>, BadColumn> {
        let int = match self {
            Self::Sqlite(row) => row.get_ref(index).ok().and_then(|v| v.as_i64_or_null().ok()),
            Self::Postgres(row) => row.try_get(index).ok(),
        };
        int.ok_or(BadColumn { index })
    }

    /// Reads a text where it lies; nothing for NULL.
    pub(in crate::store) fn text(&self, index: usize) -> Result<Option<&'a str>, BadColumn> {
        let text = match self {
            Self::Sqlite(row) => row.get_ref(index).ok().and_then(|v| v.as_str_or_null().ok()),
            Self::Postgres(row) => row.try_get(index).ok(),
        };
        text.ok_or(BadColumn { index })
    }

    /// Reads bytes where they lie; nothing for NULL.
    pub(in crate::store) fn bytes(&self, index: usize) -> Result<Option<&'a [u8]>, BadColumn> {
        let bytes = match self {
            Self::Sqlite(row) => row.get_ref(index).ok().and_then(|v| v.as_blob_or_null().ok()),
            Self::Postgres(row) => row.try_get(index).ok(),
        };
        bytes.ok_or(BadColumn { index })
    }

    /// Returns what the row weighs while it waits for its reader.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Sqlite(row) => {
                let columns = row.as_ref().column_count();
                let size = |index| match row.get_ref(index) {
                    Ok(
                        rusqlite::types::ValueRef::Text(bytes)
                        | rusqlite::types::ValueRef::Blob(bytes),
                    ) => bytes.len(),
                    _ => 8,
                };
                (0..columns).map(size).sum()
            }
            Self::Postgres(row) => {
                let size = |index| {
                    let value = row.try_get_raw(index).ok()?;
                    value.as_bytes().ok().map(<[u8]>::len)
                };
                (0..row.len()).map(|index| size(index).unwrap_or(8)).sum()
            }
        }
    }
}

/// A type that a column can hold.
pub(in crate::store) trait FromColumn: Sized {
    /// Reads it from the column at `index`.
    fn read(row: &Row<'_>, index: usize) -> Result<Self, BadColumn>;
}

/// A type that a column holds where it is not NULL.
pub(in crate::store) trait FromPresent: Sized {
    /// Reads it from the column at `index`; `None` for NULL.
    fn read_present(row: &Row<'_>, index: usize) -> Result<Option<Self>, BadColumn>;
}

impl<T: FromPresent> FromColumn for Option<T> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self, BadColumn> {
        T::read_present(row, index)
    }
}

macro_rules! from_columns {
    ($($rust:ty => $kind:ident, $held:ident, $turn:expr;)*) => {$(
        impl FromPresent for $rust {
            fn read_present(row: &Row<'_>, index: usize) -> Result<Option<Self>, BadColumn> {
                let Some($held) = row.$kind(index)? else { return Ok(None) };
                let turned: Option<Self> = $turn;
                turned.map(Some).ok_or(BadColumn { index })
            }
        }
        impl FromColumn for $rust {
            fn read(row: &Row<'_>, index: usize) -> Result<Self, BadColumn> {
                Self::read_present(row, index)?.ok_or(BadColumn { index })
            }
        }
    )*};
}

from_columns! {
    i64 => int, held, Some(held);
    u64 => int, held, u64::try_from(held).ok();
    AccountId => int, held, Some(AccountId(held));
    String => text, held, Some(held.to_owned());
    Moment => text, held, held.parse().ok();
    Did => text, held, Did::new(held.to_owned()).ok();
    Handle => text, held, Handle::new(held.to_owned()).ok();
    Nsid => text, held, Nsid::new(held.to_owned()).ok();
    RecordKey => text, held, RecordKey::new(held.to_owned()).ok();
    Tid => text, held, Tid::new(held.to_owned()).ok();
    RecordPath => text, held, held.parse().ok();
    Cid => bytes, held, Cid::from_bytes(held).ok();
    Bytes => bytes, held, Some(Bytes::copy_from_slice(held));
    Vec<u8> => bytes, held, Some(held.to_vec());
}
