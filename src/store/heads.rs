//! Heads: the signed commit at which each repository stands.
//!
//! A head moves only with its records and its event, in the
//! [`super::committer`]; this module reads.

use bytes::Bytes;

use crate::atproto::{Cid, syntax::Tid};

use super::{
    AccountId, Db, StoreError,
    accounts::{self, Account},
    engine::{BadColumn, Row, Sql},
};

/// Where a repository stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The CID of the signed commit.
    pub commit_cid: Cid,
    /// The root of the tree that the commit signs.
    pub data: Cid,
    /// The revision that the commit names.
    pub rev: Tid,
    /// The signed commit, encoded.
    pub commit_bytes: Bytes,
}

static FIND: Sql =
    Sql::new("SELECT commit_cid, data_cid, rev, commit_bytes FROM heads WHERE account_id = $1");

fn head(row: &Row<'_>) -> Result<Head, BadColumn> {
    head_at(row, 0)
}

fn head_at(row: &Row<'_>, first: usize) -> Result<Head, BadColumn> {
    Ok(Head {
        commit_cid: row.at(first)?,
        data: row.at(first + 1)?,
        rev: row.at(first + 2)?,
        commit_bytes: row.at(first + 3)?,
    })
}

/// Finds the head of an account's repository.
pub async fn find(db: &Db, account: AccountId) -> Result<Option<Head>, StoreError> {
    db.row(FIND.bind(account), head).await
}

/// Finds the head as a snapshot sees it.
pub async fn find_in(
    snapshot: &super::Snapshot,
    account: AccountId,
) -> Result<Option<Head>, StoreError> {
    snapshot.row(FIND.bind(account), head).await
}

/// An account that has a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Hosted {
    /// The account.
    pub account: Account,
    /// Where its repository stands.
    pub head: Head,
}

static LIST: Sql = Sql::new(
    "SELECT id, did, handle, email, email_confirmed_at, password_hash, created_at,
        deactivated_at, delete_after, taken_down_at, takedown_ref, suspended_at,
        commit_cid, data_cid, rev, commit_bytes
     FROM accounts JOIN heads ON heads.account_id = accounts.id
     WHERE id > $1 ORDER BY id LIMIT $2",
);

/// Lists accounts that have a repository, in the order of their keys, after
/// `after`.
pub async fn list(db: &Db, after: AccountId, limit: u32) -> Result<Vec<Hosted>, StoreError> {
    let hosted =
        |row: &Row<'_>| Ok(Hosted { account: accounts::account(row)?, head: head_at(row, 12)? });
    db.rows(LIST.bind(after).bind(limit), hosted).await
}
