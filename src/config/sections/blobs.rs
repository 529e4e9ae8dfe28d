//! `[blobs]`: where blob bytes are kept, and how large they may be.

use std::path::{Path, PathBuf};

use crate::config::official::Mode;
use crate::config::reader::Reader;

/// What the official installer allows: videos of the Bluesky apps fit.
const UPLOAD_BYTES_MAX: u64 = 104_857_600;

/// Section `[blobs]`.
#[derive(Clone, Debug)]
pub struct BlobsConfig {
    /// Folder of the blobs.
    pub directory: PathBuf,
    /// Largest blob that is accepted.
    pub upload_bytes_max: u64,
}

impl BlobsConfig {
    pub(in crate::config) fn read(reader: &mut Reader, data_directory: &Path, mode: Mode) -> Self {
        let mut section = reader.section("blobs");
        let directory = section.optional::<PathBuf>("directory");
        if directory.is_none() && mode == Mode::Official {
            section.fault(
                "directory",
                None,
                "wanted; set PDS_BLOBSTORE_DISK_LOCATION, as for the official server",
            );
        }
        Self {
            directory: directory.unwrap_or_else(|| data_directory.join("blobs")),
            upload_bytes_max: section.or("upload_bytes_max", UPLOAD_BYTES_MAX),
        }
    }
}
