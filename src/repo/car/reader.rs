//! Archives, read as they arrive.
//!
//! A [`Reader`] is pushed pieces of any size and gives whole blocks back. A
//! length over the limit is refused when it is read, not when its bytes have
//! come; so a reader never holds more than one block and one piece.
//!
//! Duplicate and unrelated blocks are legal. A block named by a hash that the
//! protocol does not use is skipped: nothing in a repository can refer to it.

use bytes::{Buf, Bytes, BytesMut};
use ipld_core::cid::Cid as AnyCid;
use serde::{Deserialize, Serialize};

use super::{
    CarError, HEADER_BYTES_MAX,
    varint::{self, Varint},
};
use crate::atproto::{Cid, cid::CID_BYTES};

/// How much of an archive is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one block.
    pub block_bytes_max: usize,
    /// Bytes of the whole archive.
    pub total_bytes_max: u64,
    /// Blocks, those that are skipped included.
    pub blocks_max: u64,
}

/// A block whose hash was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its name.
    pub cid: Cid,
    /// Its bytes.
    pub bytes: Bytes,
    /// Where in the archive its bytes begin.
    pub offset: u64,
}

/// Takes an archive piece by piece.
pub struct Reader {
    limits: Limits,
    /// Bytes that came and were not yet used.
    buffer: BytesMut,
    /// Bytes used.
    used: u64,
    blocks: u64,
    roots: Option<Vec<Cid>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    roots: Vec<AnyCid>,
    version: u64,
}

impl Reader {
    /// Waits for the first piece.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), used: 0, blocks: 0, roots: None }
    }

    /// Takes the next piece; take the blocks out before the next one.
    ///
    /// # Errors
    /// [`CarError::TooLarge`] when the archive has become longer than allowed.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), CarError> {
        let total = self.used + (self.buffer.len() + piece.len()) as u64;
        if total > self.limits.total_bytes_max {
            return Err(CarError::TooLarge { max_bytes: self.limits.total_bytes_max });
        }
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// Returns the roots once the header has come.
    pub fn roots(&self) -> Option<&[Cid]> {
        self.roots.as_deref()
    }

    /// Returns the next whole block, `None` if more has to be pushed first.
    ///
    /// # Errors
    /// [`CarError`] for anything that is not an archive within the limits.
    pub fn next_block(&mut self) -> Result<Option<Block>, CarError> {
        if self.roots.is_none() && !self.read_header()? {
            return Ok(None);
        }
        loop {
            let Some((body, length_bytes)) = self.framed_length()? else {
                return Ok(None);
            };
            self.check_block_length(body)?;
            let body = body as usize;
            if self.buffer.len() < length_bytes + body {
                return Ok(None);
            }
            let at = self.used;
            self.advance(length_bytes);
            let framed = self.buffer.split_to(body).freeze();
            self.used += body as u64;
            self.count_block()?;
            if let Some(block) = check_block(framed, at, self.used)? {
                return Ok(Some(block));
            }
        }
    }

    /// Ends the archive and returns its roots.
    ///
    /// # Errors
    /// [`CarError::CutOff`] if something was begun and not finished.
    pub fn finish(self) -> Result<Vec<Cid>, CarError> {
        match self.roots {
            Some(roots) if self.buffer.is_empty() => Ok(roots),
            _ => Err(CarError::CutOff),
        }
    }

    fn read_header(&mut self) -> Result<bool, CarError> {
        let Some((length, length_bytes)) = self.framed_length()? else {
            return Ok(false);
        };
        if length > HEADER_BYTES_MAX as u64 {
            return Err(CarError::HeaderTooLarge);
        }
        let length = length as usize;
        if self.buffer.len() < length_bytes + length {
            return Ok(false);
        }
        self.advance(length_bytes);
        self.roots = Some(decode_header(&self.buffer[..length])?);
        self.advance(length);
        Ok(true)
    }

    fn framed_length(&self) -> Result<Option<(u64, usize)>, CarError> {
        match varint::read(&self.buffer) {
            Varint::Number(length, length_bytes) => Ok(Some((length, length_bytes))),
            Varint::CutOff => Ok(None),
            Varint::Invalid => Err(CarError::Varint { at: self.used }),
        }
    }

    fn check_block_length(&self, framed: u64) -> Result<(), CarError> {
        let max_bytes = self.limits.block_bytes_max;
        if framed > (max_bytes + CID_BYTES) as u64 {
            return Err(CarError::BlockTooLarge {
                size_bytes: framed - CID_BYTES as u64,
                max_bytes,
            });
        }
        Ok(())
    }

    fn count_block(&mut self) -> Result<(), CarError> {
        self.blocks += 1;
        match self.blocks > self.limits.blocks_max {
            true => Err(CarError::TooManyBlocks { max_blocks: self.limits.blocks_max }),
            false => Ok(()),
        }
    }

    fn advance(&mut self, length: usize) {
        self.buffer.advance(length);
        self.used += length as u64;
    }
}

fn decode_header(bytes: &[u8]) -> Result<Vec<Cid>, CarError> {
    let header: Header = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| CarError::Header)?;
    if header.version != 1 {
        return Err(CarError::Header);
    }
    let blessed = |root: &AnyCid| Cid::from_bytes(&root.to_bytes());
    let roots: Result<Vec<Cid>, _> = header.roots.iter().map(blessed).collect();
    roots.map_err(|_| CarError::Header)
}

/// Parts a framed block and checks its hash; `None` for a CID of another kind.
fn check_block(framed: Bytes, at: u64, end: u64) -> Result<Option<Block>, CarError> {
    let Some(cid) = framed.get(..CID_BYTES).map(Cid::from_bytes) else {
        return skip_foreign(&framed, at);
    };
    let Ok(cid) = cid else {
        return skip_foreign(&framed, at);
    };
    let bytes = framed.slice(CID_BYTES..);
    if !cid.matches(&bytes) {
        return Err(CarError::Hash { cid });
    }
    let offset = end - bytes.len() as u64;
    Ok(Some(Block { cid, bytes, offset }))
}

fn skip_foreign(framed: &[u8], at: u64) -> Result<Option<Block>, CarError> {
    match AnyCid::read_bytes(framed) {
        Ok(_) => Ok(None),
        Err(_) => Err(CarError::BlockCid { at }),
    }
}
