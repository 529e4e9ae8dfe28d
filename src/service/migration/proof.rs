//! The proof of a move: what each side holds, counted and hashed.
//!
//! A side's repository is read whole, each hash of it checked; two sides with
//! the same digest hold the same records under the same CIDs. A blob's CID is
//! the hash of its bytes, and the server that takes one computes it anew, so
//! the lists of CIDs are compared.

use std::fmt;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::repo::write::RECORD_BYTES_MAX;
use crate::repo::{BlockMap, car, verify};
use crate::service::import::IMPORT_BYTES_MAX;

use super::MoveError;
use super::side::Side;

/// CIDs on a page.
const PAGE: &str = "500";
/// Hexadecimal digits of a digest that people compare.
const SHOWN: usize = 16;

/// What one side holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Each record's path and CID.
    pub records: Tally,
    /// The CIDs of the blobs.
    pub blobs: Tally,
    /// The preferences.
    pub preferences: Tally,
}

/// So many things, and the hash of all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: usize,
    /// Of all of them, in hexadecimal digits.
    digest: String,
}

impl Holdings {
    /// Reads everything of the account that `side` holds.
    pub async fn of(side: &Side, did: &str) -> Result<Self, MoveError> {
        let archive = side.bytes("com.atproto.sync.getRepo", &[("did", did)]).await?;
        let records = tokio::task::spawn_blocking(move || records(&archive.body)).await??;
        Ok(Self {
            records: Tally::of(records),
            blobs: Tally::of(blobs(side, did).await?),
            preferences: Tally::of(preferences(side).await?),
        })
    }
}

impl Tally {
    fn of(mut lines: Vec<String>) -> Self {
        lines.sort();
        let mut hash = Sha256::new();
        for line in &lines {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        Self { count: lines.len(), digest: HEXLOWER.encode(&hash.finalize()) }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7} {}", self.count, &self.digest[..SHOWN])
    }
}

/// Each record's path and CID.
fn records(archive: &[u8]) -> Result<Vec<String>, MoveError> {
    let limits = car::Limits {
        block_bytes_max: RECORD_BYTES_MAX,
        total_bytes_max: IMPORT_BYTES_MAX,
        blocks_max: u64::MAX,
    };
    let (roots, blocks) = BlockMap::read_car(archive, limits)?;
    let [root] = roots[..] else {
        return Err(MoveError::Roots);
    };
    let verified = verify::repository(&blocks, &root)?;
    // Each is read and checked, not only named.
    let lines = verified.records(&blocks).map(|record| {
        let record = record?;
        Ok(format!("{} {}", record.path, record.cid))
    });
    lines.collect()
}

async fn blobs(side: &Side, did: &str) -> Result<Vec<String>, MoveError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut params = vec![("did", did), ("limit", PAGE)];
        params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = side.query("com.atproto.sync.listBlobs", &params).await?;
        let cids = page["cids"].as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(cids.iter().filter_map(Value::as_str).map(str::to_owned));
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cids.is_empty() || cursor.is_none() {
            return Ok(found);
        }
    }
}

async fn preferences(side: &Side) -> Result<Vec<String>, MoveError> {
    let answer = side.query("app.bsky.actor.getPreferences", &[]).await?;
    let list = answer["preferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A JSON object here has its keys in order, so equal ones have equal text.
    Ok(list.iter().map(Value::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn order_does_not_matter_and_every_line_does() {
        let of = |lines: &[&str]| Tally::of(lines.iter().map(|&line| line.to_owned()).collect());
        assert!(of(&["a", "b"]) == of(&["b", "a"]));
        assert!(of(&["a", "b"]) != of(&["ab"]));
        assert!(of(&["a"]) != of(&["a", "a"]));
    }
}
