//! Archives, written piece by piece.

use super::varint;
use crate::atproto::{Cid, cid::CID_BYTES, data::cbor};

/// Returns the start of an archive. Slices that answer a request for blocks
/// have no root; every other archive has one, the commit.
pub fn header(root: Option<&Cid>) -> Vec<u8> {
    let mut body = cbor::Writer::with_capacity(64);
    body.map(2);
    body.text("roots");
    body.list(usize::from(root.is_some()));
    if let Some(root) = root {
        body.link(root.as_bytes());
    }
    body.text("version");
    body.int(1);
    let body = body.into_bytes();
    let mut out = Vec::with_capacity(body.len() + 1);
    varint::write(&mut out, body.len() as u64);
    out.extend_from_slice(&body);
    out
}

/// Appends what stands before the bytes of a block: its length and its CID.
pub fn block_head(out: &mut Vec<u8>, cid: &Cid, block_len: usize) {
    varint::write(out, (CID_BYTES + block_len) as u64);
    out.extend_from_slice(cid.as_bytes());
}

/// Appends a block.
pub fn push_block(out: &mut Vec<u8>, cid: &Cid, block: &[u8]) {
    block_head(out, cid, block.len());
    out.extend_from_slice(block);
}

/// Counts the bytes that a block of `block_len` takes in an archive.
pub fn block_bytes(block_len: usize) -> usize {
    let framed = CID_BYTES + block_len;
    varint::length(framed as u64) + framed
}
