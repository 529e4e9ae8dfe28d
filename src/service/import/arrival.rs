//! A checked archive, and what it changes here.

use std::collections::HashMap;

use crate::{
    atproto::{
        Cid,
        syntax::{Did, RecordPath},
    },
    repo::{
        Commit, Tree,
        verify::{self, VerifyError},
    },
    store::RecordPut,
};

use super::{ImportError, spool::Spool};

/// A repository that came in, and its difference to the one that is here.
pub(super) struct Arrival {
    pub commit: Commit,
    pub tree: Tree,
    /// Records that are new or other than here.
    pub puts: Vec<RecordPut>,
    /// Records that are here and not in the archive.
    pub deletes: Vec<RecordPath>,
    /// Paths whose record here is replaced or deleted.
    pub replaced: Vec<RecordPath>,
    /// The blobs to which the new records refer, for each that does.
    pub references: HashMap<RecordPath, Vec<Cid>>,
}

/// Checks everything about a spooled archive but its signature.
pub(super) fn check(
    spool: Spool,
    bytes_max: u64,
    did: &Did,
    here: &Tree,
) -> Result<Arrival, ImportError> {
    let (roots, blocks) = spool.index(bytes_max)?;
    let [root] = roots[..] else {
        return Err(ImportError::Roots(roots.len()));
    };
    let verified = verify::repository(&blocks, &root)?;
    if verified.commit.did() != did {
        return Err(ImportError::OtherAccount(verified.commit.did().clone()));
    }
    let records = verified.records(&blocks);
    let mut arrival = Arrival {
        commit: verified.commit,
        tree: verified.tree,
        puts: Vec::new(),
        deletes: Vec::new(),
        replaced: Vec::new(),
        references: HashMap::new(),
    };
    for record in records {
        arrival.take(record?, here);
    }
    for (path, _) in here.records().filter(|(path, _)| arrival.tree.get(path).is_none()) {
        let path: RecordPath = path.parse().map_err(|_| VerifyError::Path { key: path })?;
        arrival.replaced.push(path.clone());
        arrival.deletes.push(path);
    }
    Ok(arrival)
}

impl Arrival {
    fn take(&mut self, record: verify::VerifiedRecord, here: &Tree) {
        let found = here.get(&record.path.to_string());
        if found == Some(record.cid) {
            return;
        }
        if found.is_some() {
            self.replaced.push(record.path.clone());
        }
        let mut blobs: Vec<Cid> = record.value.blobs().iter().map(|blob| blob.cid).collect();
        let legacy = record.value.legacy_blobs();
        blobs.extend(legacy.iter().filter_map(|blob| blob.cid.parse::<Cid>().ok()));
        blobs.sort();
        blobs.dedup();
        if !blobs.is_empty() {
            self.references.insert(record.path.clone(), blobs);
        }
        self.puts.push(RecordPut { path: record.path, cid: record.cid, value: record.bytes });
    }
}
