//! Frames, read back.

use super::{
    AccountEvent, COMMIT_BLOCKS_BYTES_MAX, CommitEvent, EventError, EventKind, FRAME_BYTES_MAX,
    HostingStatus, IdentityEvent, OPS_MAX, OpChange, RepoOp, SYNC_BLOCKS_BYTES_MAX, SyncEvent,
    frame::{check_blocks, header_type},
};
use crate::atproto::{
    Cid, Moment,
    data::{Map, Value, cbor::Reader},
    syntax::Datetime,
};

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// `#commit` and its `seq`.
    Commit(u64, Box<CommitEvent>),
    /// `#sync` and its `seq`.
    Sync(u64, SyncEvent),
    /// `#identity` and its `seq`.
    Identity(u64, IdentityEvent),
    /// `#account` and its `seq`.
    Account(u64, AccountEvent),
    /// `#info`.
    Info {
        /// For programs, such as `OutdatedCursor`.
        name: String,
        /// For people.
        message: Option<String>,
    },
    /// An error; the stream ends here.
    Error {
        /// For programs, such as `FutureCursor`.
        name: String,
        /// For people.
        message: Option<String>,
    },
    /// A type of message that this code does not know; consumers skip it.
    Unknown(String),
}

impl Message {
    /// Reads one frame.
    ///
    /// Fields that this code does not know are skipped, as the protocol asks.
    ///
    /// # Errors
    /// [`EventError`] for a frame that is too large, is not canonical, or lacks
    /// a field.
    pub fn decode(frame: &[u8]) -> Result<Self, EventError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(EventError::FrameTooLarge(frame.len()));
        }
        let mut reader = Reader::new(frame);
        let header = Value::read(&mut reader)?;
        let body = Value::decode(&frame[reader.position()..])?;
        let body = Fields(body.as_map().ok_or(EventError::Field("(body)"))?);
        match header.get("op").and_then(Value::as_int) {
            Some(1) => {
                let name = header.get("t").and_then(Value::as_text);
                decode_body(name.ok_or(EventError::Field("t"))?, &body)
            }
            Some(-1) => Ok(Self::Error {
                name: body.text("error")?.to_owned(),
                message: body.optional_text("message")?.map(str::to_owned),
            }),
            Some(other) => Ok(Self::Unknown(format!("op {other}"))),
            None => Err(EventError::Field("op")),
        }
    }

    /// Returns the message's place in the stream, if it has one.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Commit(seq, _)
            | Self::Sync(seq, _)
            | Self::Identity(seq, _)
            | Self::Account(seq, _) => Some(*seq),
            _ => None,
        }
    }
}

fn decode_body(name: &str, body: &Fields<'_>) -> Result<Message, EventError> {
    let named = |kind: EventKind| header_type(kind) == name;
    if named(EventKind::Commit) {
        let event = Box::new(body.commit()?);
        return Ok(Message::Commit(body.seq()?, event));
    }
    if named(EventKind::Sync) {
        return Ok(Message::Sync(body.seq()?, body.sync()?));
    }
    if named(EventKind::Identity) {
        return Ok(Message::Identity(body.seq()?, body.identity()?));
    }
    if named(EventKind::Account) {
        return Ok(Message::Account(body.seq()?, body.account()?));
    }
    match name {
        "#info" => Ok(Message::Info {
            name: body.text("name")?.to_owned(),
            message: body.optional_text("message")?.map(str::to_owned),
        }),
        other => Ok(Message::Unknown(other.to_owned())),
    }
}

/// A body or an operation, whose fields are asked for one by one.
struct Fields<'a>(&'a Map);

impl<'a> Fields<'a> {
    fn commit(&self) -> Result<CommitEvent, EventError> {
        let ops = self.0.get("ops").and_then(Value::as_list);
        let ops = ops.ok_or(EventError::Field("ops"))?;
        if ops.len() > OPS_MAX {
            return Err(EventError::TooManyOps(ops.len()));
        }
        let since = match self.0.get("since") {
            Some(Value::Null) => None,
            _ => Some(self.parsed("since")?),
        };
        Ok(CommitEvent {
            did: self.parsed("repo")?,
            commit: self.cid("commit")?,
            rev: self.parsed("rev")?,
            since,
            prev_data: self.optional("prevData", Self::cid)?,
            ops: ops.iter().map(decode_op).collect::<Result<_, _>>()?,
            blocks: self.blocks(COMMIT_BLOCKS_BYTES_MAX)?,
            time: self.time()?,
        })
    }

    fn sync(&self) -> Result<SyncEvent, EventError> {
        Ok(SyncEvent {
            did: self.parsed("did")?,
            rev: self.parsed("rev")?,
            blocks: self.blocks(SYNC_BLOCKS_BYTES_MAX)?,
            time: self.time()?,
        })
    }

    fn identity(&self) -> Result<IdentityEvent, EventError> {
        Ok(IdentityEvent {
            did: self.parsed("did")?,
            handle: self.optional("handle", Self::parsed)?,
            time: self.time()?,
        })
    }

    fn account(&self) -> Result<AccountEvent, EventError> {
        let active = self.0.get("active").and_then(Value::as_bool);
        let status = match (active, self.optional_text("status")?) {
            (Some(true), _) => HostingStatus::Active,
            (Some(false), Some(word)) => {
                HostingStatus::from_word(word).ok_or(EventError::Field("status"))?
            }
            _ => return Err(EventError::Field("active")),
        };
        Ok(AccountEvent { did: self.parsed("did")?, status, time: self.time()? })
    }

    fn seq(&self) -> Result<u64, EventError> {
        let seq = self.0.get("seq").and_then(Value::as_int);
        seq.and_then(|seq| u64::try_from(seq).ok()).ok_or(EventError::Field("seq"))
    }

    fn text(&self, key: &'static str) -> Result<&'a str, EventError> {
        let text = self.0.get(key).and_then(Value::as_text);
        text.ok_or(EventError::Field(key))
    }

    fn optional_text(&self, key: &'static str) -> Result<Option<&'a str>, EventError> {
        self.optional(key, Self::text)
    }

    fn parsed<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, EventError> {
        let parsed = self.text(key)?.parse();
        parsed.map_err(|_| EventError::Field(key))
    }

    fn cid(&self, key: &'static str) -> Result<Cid, EventError> {
        let link = self.0.get(key).and_then(Value::as_link);
        link.and_then(|link| link.blessed()).ok_or(EventError::Field(key))
    }

    fn blocks(&self, max_bytes: usize) -> Result<Vec<u8>, EventError> {
        let blocks = self.0.get("blocks").and_then(Value::as_bytes);
        let blocks = blocks.ok_or(EventError::Field("blocks"))?;
        check_blocks(blocks, max_bytes)?;
        Ok(blocks.to_vec())
    }

    fn time(&self) -> Result<Moment, EventError> {
        self.parsed::<Datetime>("time").map(|time| time.moment())
    }

    /// Reads a field with `read` if it is there.
    fn optional<T>(
        &self,
        key: &'static str,
        read: impl Fn(&Self, &'static str) -> Result<T, EventError>,
    ) -> Result<Option<T>, EventError> {
        match self.0.get(key) {
            None => Ok(None),
            Some(_) => read(self, key).map(Some),
        }
    }
}

fn decode_op(op: &Value) -> Result<RepoOp, EventError> {
    let fields = Fields(op.as_map().ok_or(EventError::Field("ops"))?);
    let prev = fields.optional("prev", Fields::cid)?;
    let change = match (fields.text("action")?, prev) {
        ("create", None) => OpChange::Create { cid: fields.cid("cid")? },
        ("update", Some(prev)) => OpChange::Update { cid: fields.cid("cid")?, prev },
        ("delete", Some(prev)) if fields.0.get("cid") == Some(&Value::Null) => {
            OpChange::Delete { prev }
        }
        _ => return Err(EventError::Field("action")),
    };
    Ok(RepoOp { path: fields.parsed("path")?, change })
}
