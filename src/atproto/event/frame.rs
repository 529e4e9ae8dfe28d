//! Messages, encoded once.

use bytes::Bytes;

use super::{
    AccountEvent, COMMIT_BLOCKS_BYTES_MAX, CommitEvent, EventError, EventKind, IdentityEvent,
    OPS_MAX, OpChange, RepoOp, SEQ_MAX, SEQ_MIN, SYNC_BLOCKS_BYTES_MAX, SyncEvent,
};
use crate::atproto::{Cid, Moment, data::cbor::Writer, syntax::Did};

/// A numbered message that is complete but for its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    kind: EventKind,
    did: Did,
    time: Moment,
    bytes: Vec<u8>,
    seq_at: usize,
}

/// Bytes of a frame apart from its blocks and operations, roughly.
const FRAME_BYTES: usize = 512;
/// Bytes of one operation, roughly.
const OP_BYTES: usize = 192;

impl Frame {
    /// Encodes a `#commit`.
    ///
    /// # Errors
    /// [`EventError::TooManyOps`] and [`EventError::BlocksTooLarge`].
    // spec: sync#commit-events
    pub fn commit(event: &CommitEvent) -> Result<Self, EventError> {
        if event.ops.len() > OPS_MAX {
            return Err(EventError::TooManyOps(event.ops.len()));
        }
        check_blocks(&event.blocks, COMMIT_BLOCKS_BYTES_MAX)?;
        let room = FRAME_BYTES + event.ops.len() * OP_BYTES + event.blocks.len();
        let mut draft = Draft::begin(EventKind::Commit, room, 11 + has(&event.prev_data));
        let w = &mut draft.writer;
        w.text("ops");
        w.list(event.ops.len());
        event.ops.iter().for_each(|op| write_op(w, op));
        text_field(w, "rev", event.rev.as_str());
        draft.seq();
        let w = &mut draft.writer;
        text_field(w, "repo", event.did.as_str());
        text_field(w, "time", &event.time.to_string());
        w.text("blobs");
        w.list(0);
        w.text("since");
        match &event.since {
            Some(since) => w.text(since.as_str()),
            None => w.null(),
        }
        bytes_field(w, "blocks", &event.blocks);
        link_field(w, "commit", &event.commit);
        bool_field(w, "rebase", Flag::Off);
        bool_field(w, "tooBig", Flag::Off);
        if let Some(prev_data) = &event.prev_data {
            link_field(w, "prevData", prev_data);
        }
        Ok(draft.finish(&event.did, event.time))
    }

    /// Encodes a `#sync`.
    ///
    /// # Errors
    /// [`EventError::BlocksTooLarge`].
    pub fn sync(event: &SyncEvent) -> Result<Self, EventError> {
        check_blocks(&event.blocks, SYNC_BLOCKS_BYTES_MAX)?;
        let mut draft = Draft::begin(EventKind::Sync, FRAME_BYTES + event.blocks.len(), 5);
        text_field(&mut draft.writer, "did", event.did.as_str());
        text_field(&mut draft.writer, "rev", event.rev.as_str());
        draft.seq();
        text_field(&mut draft.writer, "time", &event.time.to_string());
        bytes_field(&mut draft.writer, "blocks", &event.blocks);
        Ok(draft.finish(&event.did, event.time))
    }

    /// Encodes an `#identity`.
    pub fn identity(event: &IdentityEvent) -> Self {
        let mut draft = Draft::begin(EventKind::Identity, FRAME_BYTES, 3 + has(&event.handle));
        text_field(&mut draft.writer, "did", event.did.as_str());
        draft.seq();
        text_field(&mut draft.writer, "time", &event.time.to_string());
        if let Some(handle) = &event.handle {
            text_field(&mut draft.writer, "handle", handle.as_str());
        }
        draft.finish(&event.did, event.time)
    }

    /// Encodes an `#account`.
    pub fn account(event: &AccountEvent) -> Self {
        let word = event.status.word();
        let mut draft = Draft::begin(EventKind::Account, FRAME_BYTES, 4 + has(&word));
        text_field(&mut draft.writer, "did", event.did.as_str());
        draft.seq();
        let w = &mut draft.writer;
        text_field(w, "time", &event.time.to_string());
        match word {
            None => bool_field(w, "active", Flag::On),
            Some(word) => {
                bool_field(w, "active", Flag::Off);
                text_field(w, "status", word);
            }
        }
        draft.finish(&event.did, event.time)
    }

    /// Returns the message's kind.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Returns the account that the message is about.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// Returns the moment that the message names.
    pub fn time(&self) -> Moment {
        self.time
    }

    /// Returns the bytes with zero in place of `seq`.
    pub fn unsealed(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns where in the bytes the eight big-endian bytes of `seq` stand.
    pub fn seq_at(&self) -> usize {
        self.seq_at
    }

    /// Returns the finished bytes for the place `seq` in the stream, which lies
    /// between [`SEQ_MIN`] and [`SEQ_MAX`].
    pub fn seal(&self, seq: u64) -> Bytes {
        debug_assert!((SEQ_MIN..=SEQ_MAX).contains(&seq), "seq {seq} is not time");
        let mut bytes = self.bytes.clone();
        bytes[self.seq_at..self.seq_at + 8].copy_from_slice(&seq.to_be_bytes());
        Bytes::from(bytes)
    }
}

/// Encodes an `#info`, which has no number and is sent to one subscriber.
pub fn info_frame(name: &str, message: &str) -> Bytes {
    let mut writer = Writer::with_capacity(FRAME_BYTES);
    write_header(&mut writer, "#info");
    writer.map(2);
    text_field(&mut writer, "name", name);
    text_field(&mut writer, "message", message);
    Bytes::from(writer.into_bytes())
}

/// Encodes an error, the last frame that a subscriber gets.
pub fn error_frame(name: &str, message: &str) -> Bytes {
    let mut writer = Writer::with_capacity(FRAME_BYTES);
    writer.map(1);
    writer.text("op");
    writer.int(-1);
    writer.map(2);
    text_field(&mut writer, "error", name);
    text_field(&mut writer, "message", message);
    Bytes::from(writer.into_bytes())
}

/// A frame while it is written.
struct Draft {
    kind: EventKind,
    writer: Writer,
    seq_at: usize,
}

impl Draft {
    fn begin(kind: EventKind, room: usize, fields: usize) -> Self {
        let mut writer = Writer::with_capacity(room);
        write_header(&mut writer, header_type(kind));
        writer.map(fields);
        Self { kind, writer, seq_at: 0 }
    }

    /// Writes `seq` with the head of a nine-byte integer and zeros after it.
    fn seq(&mut self) {
        self.writer.text("seq");
        self.seq_at = self.writer.len() + 1;
        self.writer.raw(&[0x1b, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    fn finish(self, did: &Did, time: Moment) -> Frame {
        Frame {
            kind: self.kind,
            did: did.clone(),
            time,
            bytes: self.writer.into_bytes(),
            seq_at: self.seq_at,
        }
    }
}

/// A field that is true or false.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    On,
    Off,
}

pub(super) fn header_type(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Commit => "#commit",
        EventKind::Sync => "#sync",
        EventKind::Identity => "#identity",
        EventKind::Account => "#account",
    }
}

fn has<T>(field: &Option<T>) -> usize {
    usize::from(field.is_some())
}

pub(super) fn check_blocks(blocks: &[u8], max_bytes: usize) -> Result<(), EventError> {
    match blocks.len() {
        size_bytes if size_bytes > max_bytes => {
            Err(EventError::BlocksTooLarge { size_bytes, max_bytes })
        }
        _ => Ok(()),
    }
}

fn write_header(writer: &mut Writer, name: &str) {
    writer.map(2);
    text_field(writer, "t", name);
    writer.text("op");
    writer.int(1);
}

fn write_op(writer: &mut Writer, op: &RepoOp) {
    let (action, cid, prev) = match &op.change {
        OpChange::Create { cid } => ("create", Some(cid), None),
        OpChange::Update { cid, prev } => ("update", Some(cid), Some(prev)),
        OpChange::Delete { prev } => ("delete", None, Some(prev)),
    };
    writer.map(3 + has(&prev));
    writer.text("cid");
    match cid {
        Some(cid) => writer.link(cid.as_bytes()),
        None => writer.null(),
    }
    text_field(writer, "path", &op.path.to_string());
    if let Some(prev) = prev {
        link_field(writer, "prev", prev);
    }
    text_field(writer, "action", action);
}

fn text_field(writer: &mut Writer, key: &str, text: &str) {
    writer.text(key);
    writer.text(text);
}

fn bytes_field(writer: &mut Writer, key: &str, bytes: &[u8]) {
    writer.text(key);
    writer.bytes(bytes);
}

fn link_field(writer: &mut Writer, key: &str, cid: &Cid) {
    writer.text(key);
    writer.link(cid.as_bytes());
}

fn bool_field(writer: &mut Writer, key: &str, flag: Flag) {
    writer.text(key);
    writer.bool(flag == Flag::On);
}
