//! An archive on disk while it is checked: read once to find its blocks, then
//! block by block.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use crate::{
    atproto::Cid,
    repo::{
        Blocks,
        car::{Limits, Reader},
        write::RECORD_BYTES_MAX,
    },
};

use super::{ImportError, ImportSettings};

/// Bytes of one block. Nodes and records of today's limits are smaller; the
/// room above is for what older ones allowed.
const BLOCK_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Blocks of an archive. The largest repository of the network has under a
/// million; each block costs memory for its place.
const BLOCKS_MAX: u64 = 4_000_000;
/// Bytes read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A file without a name: when it is closed, it is gone, also after a crash.
pub(super) struct Spool {
    file: File,
}

/// The blocks of a spooled archive.
pub(super) struct SpooledBlocks {
    file: File,
    /// Where each block begins, and its size.
    places: HashMap<Cid, (u64, u32)>,
}

impl Spool {
    /// Writes `body` to a file in the spool folder.
    pub async fn receive(
        settings: &ImportSettings,
        name: &str,
        mut body: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Self, ImportError> {
        let folder = &settings.spool_folder;
        tokio::fs::create_dir_all(folder).await.map_err(ImportError::Spool)?;
        let path = folder.join(format!("import-{name}.car"));
        let mut options = tokio::fs::OpenOptions::new();
        let options = options.read(true).write(true).create_new(true);
        let mut file = options.open(&path).await.map_err(ImportError::Spool)?;
        tokio::fs::remove_file(&path).await.map_err(ImportError::Spool)?;
        let mut size_bytes = 0u64;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(ImportError::Body)?;
            size_bytes += piece.len() as u64;
            if size_bytes > settings.bytes_max {
                let too_large = io::ErrorKind::FileTooLarge;
                return Err(ImportError::Body(too_large.into()));
            }
            file.write_all(&piece).await.map_err(ImportError::Spool)?;
        }
        file.flush().await.map_err(ImportError::Spool)?;
        Ok(Self { file: file.into_std().await })
    }

    /// Reads the archive through: checks every hash, and notes where each block
    /// is. Returns the roots as well.
    pub fn index(mut self, bytes_max: u64) -> Result<(Vec<Cid>, SpooledBlocks), ImportError> {
        let limits = Limits {
            block_bytes_max: BLOCK_BYTES_MAX,
            total_bytes_max: bytes_max,
            blocks_max: BLOCKS_MAX,
        };
        let mut reader = Reader::new(limits);
        let mut places = HashMap::new();
        let mut piece = vec![0; PIECE_BYTES];
        self.file.seek(SeekFrom::Start(0)).map_err(ImportError::Spool)?;
        loop {
            let length = self.file.read(&mut piece).map_err(ImportError::Spool)?;
            if length == 0 {
                break;
            }
            reader.push(&piece[..length])?;
            while let Some(block) = reader.next_block()? {
                // A block is smaller than its limit, which fits.
                places.insert(block.cid, (block.offset, block.bytes.len() as u32));
            }
        }
        let roots = reader.finish()?;
        Ok((roots, SpooledBlocks { file: self.file, places }))
    }
}

impl Blocks for SpooledBlocks {
    fn block(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        let Some(&(offset, size_bytes)) = self.places.get(cid) else {
            return Ok(None);
        };
        let mut block = vec![0; size_bytes as usize];
        self.file.read_exact_at(&mut block, offset)?;
        Ok(Some(block.into()))
    }
}
