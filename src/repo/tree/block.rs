//! The bytes of one tree node: written one way, read strictly.
//!
//! A node is `{e: [{k, p, t, v}], l}` in DAG-CBOR: `l` and `t` are always
//! present (null where there is no subtree), `p` counts the bytes that a key
//! shares with the key before it in the same node. One node has exactly one
//! encoding, so whoever decodes a block here knows that its bytes are the ones
//! that anybody else would have written.
//!
//! Spec: <https://atproto.com/specs/repository#mst-structure>

use super::layer::shared_prefix;
use crate::atproto::cid::{CID_BYTES, Cid, Codec};

/// Bytes of a key, at most.
// spec: repository#mst-structure
pub const KEY_BYTES_MAX: usize = 1024;
/// Entries of a node, at most. Keys fall into one node with a chance of 3/4
/// each, so an honest node never comes near; keys mined to grow one node
/// without bound do.
pub const NODE_ENTRIES_MAX: usize = 1000;

/// Bytes of an encoded link: tag 42, a byte string of 37, a zero, the CID.
const LINK_BYTES: usize = 5 + CID_BYTES;
const LINK_START: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];
const NULL: u8 = 0xf6;
const MAJOR_UINT: u8 = 0;
const MAJOR_BYTES: u8 = 2;
const MAJOR_ARRAY: u8 = 4;

/// A block is not a tree node in its one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The bytes are not the canonical CBOR of a node.
    #[error("not the canonical encoding of a tree node")]
    Malformed,
    /// A key is longer than it may be, empty, or not ASCII.
    #[error("a key of the tree is empty, longer than {KEY_BYTES_MAX} bytes or not ASCII")]
    BadKey,
    /// A prefix is shorter or longer than what the two keys share.
    #[error("a key's prefix is not compressed exactly")]
    PrefixNotExact,
    /// A key does not come after the key before it.
    #[error("the keys of a tree node are not in ascending order")]
    KeysNotAscending,
    /// More entries than [`NODE_ENTRIES_MAX`].
    #[error("a tree node has more than {NODE_ENTRIES_MAX} entries")]
    TooManyEntries,
}

/// What an entry is written from.
#[derive(Clone, Copy)]
pub(super) struct EntryIn<'a> {
    pub key: &'a [u8],
    pub value: Cid,
    pub right: Option<Cid>,
}

/// An entry as it stands in a block.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'a> {
    /// Bytes taken over from the key before it.
    pub prefix: usize,
    /// The rest of the key.
    pub suffix: &'a [u8],
    pub value: Cid,
    /// The subtree after this entry.
    pub right: Option<Cid>,
}

/// Writes the block of a node.
pub(super) fn encode<'a>(
    left: Option<Cid>,
    entries: impl ExactSizeIterator<Item = EntryIn<'a>>,
) -> Box<[u8]> {
    // An entry without its key takes at most 97 bytes; keys share most of theirs.
    let mut out = Vec::with_capacity(50 + entries.len() * 110);
    out.extend_from_slice(&[0xa2, 0x61, b'e']);
    write_head(&mut out, MAJOR_ARRAY, entries.len());
    let mut previous: &[u8] = &[];
    for entry in entries {
        let prefix = shared_prefix(previous, entry.key);
        let suffix = &entry.key[prefix..];
        out.extend_from_slice(&[0xa4, 0x61, b'k']);
        write_head(&mut out, MAJOR_BYTES, suffix.len());
        out.extend_from_slice(suffix);
        out.extend_from_slice(&[0x61, b'p']);
        write_head(&mut out, MAJOR_UINT, prefix);
        out.extend_from_slice(&[0x61, b't']);
        write_link(&mut out, entry.right);
        out.extend_from_slice(&[0x61, b'v']);
        write_link(&mut out, Some(entry.value));
        previous = entry.key;
    }
    out.extend_from_slice(&[0x61, b'l']);
    write_link(&mut out, left);
    out.into_boxed_slice()
}

/// Writes the first bytes of a CBOR item; lengths here stay under 65,536.
fn write_head(out: &mut Vec<u8>, major: u8, length: usize) {
    let major = major << 5;
    match length {
        0..24 => out.push(major | length as u8),
        24..256 => out.extend_from_slice(&[major | 24, length as u8]),
        256..65_536 => {
            out.push(major | 25);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(major | 26);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn write_link(out: &mut Vec<u8>, link: Option<Cid>) {
    match link {
        Some(cid) => {
            out.extend_from_slice(&LINK_START);
            out.extend_from_slice(cid.as_bytes());
        }
        None => out.push(NULL),
    }
}

/// Reads the entries of a block front to back, then the left subtree.
pub(super) struct BlockReader<'a> {
    rest: &'a [u8],
    remaining: usize,
}

impl<'a> BlockReader<'a> {
    /// Opens a block.
    pub fn new(block: &'a [u8]) -> Result<Self, NodeError> {
        let mut reader = Self { rest: block, remaining: 0 };
        reader.expect(&[0xa2, 0x61, b'e'])?;
        reader.remaining = reader.head(MAJOR_ARRAY)?;
        Ok(reader)
    }

    /// Goes on where [`Self::rest`] and [`Self::remaining`] were noted.
    pub fn resume(rest: &'a [u8], remaining: usize) -> Self {
        Self { rest, remaining }
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Entries not yet read.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// Reads the next entry, `None` after the last.
    pub fn entry(&mut self) -> Result<Option<RawEntry<'a>>, NodeError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        self.remaining -= 1;
        self.expect(&[0xa4, 0x61, b'k'])?;
        let length = self.head(MAJOR_BYTES)?;
        let suffix = self.take(length)?;
        self.expect(&[0x61, b'p'])?;
        let prefix = self.head(MAJOR_UINT)?;
        self.expect(&[0x61, b't'])?;
        let right = self.link()?;
        self.expect(&[0x61, b'v'])?;
        let value = self.link()?.ok_or(NodeError::Malformed)?;
        Ok(Some(RawEntry { prefix, suffix, value, right }))
    }

    /// Reads the left subtree and the end, after the last entry.
    pub fn left(mut self) -> Result<Option<Cid>, NodeError> {
        self.expect(&[0x61, b'l'])?;
        let left = self.link()?;
        match self.rest {
            [] => Ok(left),
            _ => Err(NodeError::Malformed),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], NodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NodeError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(NodeError::Malformed)?;
        Ok(())
    }

    /// Reads a head of `major` with its length in the shortest form.
    fn head(&mut self, major: u8) -> Result<usize, NodeError> {
        let first = self.take(1)?[0];
        if first >> 5 != major {
            return Err(NodeError::Malformed);
        }
        let (length, least) = match first & 0x1f {
            small @ 0..24 => (u32::from(small), 0),
            24 => (u32::from(self.take(1)?[0]), 24),
            25 => {
                let bytes = self.take(2)?;
                (u32::from(u16::from_be_bytes([bytes[0], bytes[1]])), 256)
            }
            // Nothing in a node is longer than 65,535.
            _ => return Err(NodeError::Malformed),
        };
        if length < least {
            return Err(NodeError::Malformed);
        }
        Ok(length as usize)
    }

    fn link(&mut self) -> Result<Option<Cid>, NodeError> {
        if self.rest.first() == Some(&NULL) {
            self.rest = &self.rest[1..];
            return Ok(None);
        }
        let bytes = self.take(LINK_BYTES)?;
        let cid = bytes
            .strip_prefix(&LINK_START)
            .and_then(|cid| Cid::from_bytes(cid).ok())
            .filter(|cid| cid.codec() == Codec::DagCbor)
            .ok_or(NodeError::Malformed)?;
        Ok(Some(cid))
    }
}

/// An entry with its whole key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Box<str>,
    pub value: Cid,
    pub right: Option<Cid>,
}

/// A node's content: the subtree before the first entry, and the entries.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub left: Option<Cid>,
    pub entries: Vec<Entry>,
}

/// Reads a block that somebody else wrote, with every rule that one node can
/// be held to alone.
// spec: repository#mst-structure
pub(super) fn decode_strict(block: &[u8]) -> Result<Content, NodeError> {
    let mut reader = BlockReader::new(block)?;
    if reader.remaining() > NODE_ENTRIES_MAX {
        return Err(NodeError::TooManyEntries);
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(reader.remaining());
    let mut key = Vec::new();
    while let Some(raw) = reader.entry()? {
        let previous = std::mem::take(&mut key);
        if raw.prefix > previous.len() {
            return Err(NodeError::PrefixNotExact);
        }
        key.extend_from_slice(&previous[..raw.prefix]);
        key.extend_from_slice(raw.suffix);
        if !is_key(&key) {
            return Err(NodeError::BadKey);
        }
        if key <= previous {
            return Err(NodeError::KeysNotAscending);
        }
        if shared_prefix(&previous, &key) != raw.prefix {
            return Err(NodeError::PrefixNotExact);
        }
        let text = std::str::from_utf8(&key).map_err(|_| NodeError::BadKey)?;
        entries.push(Entry { key: text.into(), value: raw.value, right: raw.right });
    }
    let left = reader.left()?;
    Ok(Content { left, entries })
}

/// Says whether bytes can be a key: paths of records are ASCII, so that a
/// prefix never ends inside a character.
pub(super) fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.is_ascii()
}
