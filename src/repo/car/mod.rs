//! Archives: content-addressed blocks, one after another (CAR version 1).
//!
//! A header names the roots; each block follows with its length and its CID.
//! [`write`](self::writer) makes the bytes for whoever streams them, and
//! [`Reader`] takes them as they arrive, checks every hash and holds no more
//! than one block.
//!
//! Spec: <https://atproto.com/specs/repository#car-file-serialization>

mod reader;
mod varint;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{Block, Limits, Reader};
pub use writer::{block_bytes, block_head, header, push_block};

/// The media type of an archive.
pub const MEDIA_TYPE: &str = "application/vnd.ipld.car";
/// Bytes of an archive's header: a hundred roots would fit, one is usual.
pub const HEADER_BYTES_MAX: usize = 4_096;

/// Bytes are not an archive, or more of one than is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarError {
    /// A length is not an unsigned LEB128 in its shortest form.
    #[error("a length at byte {at} of the CAR is not a varint in its shortest form")]
    Varint {
        /// Where it begins.
        at: u64,
    },
    /// The header is not `{roots: [CID], version: 1}` in DAG-CBOR.
    #[error("the header is not that of a CAR, version 1")]
    Header,
    /// A block's CID is cut off or of no known form.
    #[error("a block at byte {at} of the CAR has no CID")]
    BlockCid {
        /// Where the block begins.
        at: u64,
    },
    /// A block's bytes hash to something else than its CID.
    #[error("a block of the CAR does not have the hash of its CID {cid}")]
    Hash {
        /// The name that the block claims.
        cid: crate::atproto::Cid,
    },
    /// The header is longer than [`HEADER_BYTES_MAX`].
    #[error("the header of the CAR is longer than {HEADER_BYTES_MAX} bytes")]
    HeaderTooLarge,
    /// A block is larger than the reader was told to take.
    #[error("a block of {size_bytes} bytes in the CAR; at most {max_bytes} are allowed")]
    BlockTooLarge {
        /// What the archive claims.
        size_bytes: u64,
        /// What the reader was told.
        max_bytes: usize,
    },
    /// The whole archive is larger than the reader was told to take.
    #[error("the CAR is larger than {max_bytes} bytes")]
    TooLarge {
        /// What the reader was told.
        max_bytes: u64,
    },
    /// More blocks than the reader was told to take.
    #[error("the CAR has more than {max_blocks} blocks")]
    TooManyBlocks {
        /// What the reader was told.
        max_blocks: u64,
    },
    /// The archive ends inside its header or a block.
    #[error("the CAR ends in the middle of a block")]
    CutOff,
}
