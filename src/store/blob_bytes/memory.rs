//! Bytes of blobs in memory: the twin of the disk, for tests.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use super::{OpenBlob, cut};
use crate::atproto::{Cid, syntax::Did};

/// All blobs, by account and name.
#[derive(Debug, Default)]
pub(super) struct Memory {
    blobs: Mutex<BTreeMap<(String, Cid), Bytes>>,
}

fn key(did: &Did, cid: Cid) -> (String, Cid) {
    (did.as_str().to_owned(), cid)
}

impl Memory {
    pub(super) fn keep(&self, did: &Did, cid: Cid, bytes: Bytes) {
        self.blobs.lock().insert(key(did, cid), bytes);
    }

    pub(super) fn open_blob(
        &self,
        did: &Did,
        cid: Cid,
        range: Option<Range<u64>>,
    ) -> Option<OpenBlob> {
        let bytes = self.blobs.lock().get(&key(did, cid))?.clone();
        let size_bytes = bytes.len() as u64;
        let range = cut(range, size_bytes);
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        let part = bytes.slice(start..end);
        let bytes = stream::iter((!part.is_empty()).then_some(Ok(part))).boxed();
        Some(OpenBlob { size_bytes, bytes })
    }

    pub(super) fn delete(&self, did: &Did, cid: Cid) {
        self.blobs.lock().remove(&key(did, cid));
    }

    pub(super) fn list(&self, did: &Did) -> Vec<Cid> {
        let blobs = self.blobs.lock();
        let ours = blobs.keys().filter(|(owner, _)| owner == did.as_str());
        ours.map(|(_, cid)| *cid).collect()
    }
}
