//! Where blocks of somebody else's repository are looked up.

use std::{collections::HashMap, io};

use bytes::Bytes;

use super::car::{self, CarError, Reader};
use crate::atproto::Cid;

/// A place to look blocks up by name. Whoever implements it has checked that
/// a block's bytes hash to its name.
pub trait Blocks {
    /// Returns the block named `cid`, `None` if it is not here.
    ///
    /// # Errors
    /// Whatever reading the place where blocks are kept gives.
    fn block(&self, cid: &Cid) -> io::Result<Option<Bytes>>;
}

/// Blocks in memory: the content of one event or of a small archive.
#[derive(Clone, Debug, Default)]
pub struct BlockMap(HashMap<Cid, Bytes>);

impl BlockMap {
    /// Reads an archive that is in memory whole; returns its roots as well.
    ///
    /// # Errors
    /// Those of [`Reader`].
    pub fn read_car(archive: &[u8], limits: car::Limits) -> Result<(Vec<Cid>, Self), CarError> {
        let mut reader = Reader::new(limits);
        reader.push(archive)?;
        let mut blocks = HashMap::new();
        while let Some(block) = reader.next_block()? {
            blocks.insert(block.cid, block.bytes);
        }
        let roots = reader.finish()?;
        Ok((roots, Self(blocks)))
    }

    /// Counts the blocks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lists the names of the blocks in no particular order.
    pub fn cids(&self) -> impl Iterator<Item = &Cid> {
        self.0.keys()
    }

    /// Adds a structured block and returns its name.
    pub fn insert(&mut self, block: impl Into<Bytes>) -> Cid {
        let block = block.into();
        let cid = Cid::of_dag_cbor(&block);
        self.0.insert(cid, block);
        cid
    }

    /// Takes a block out.
    pub fn remove(&mut self, cid: &Cid) -> Option<Bytes> {
        self.0.remove(cid)
    }
}

impl Blocks for BlockMap {
    fn block(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        Ok(self.0.get(cid).cloned())
    }
}
