//! A relay: follows the event stream and takes nothing on trust.
//!
//! It knows each repository from the events alone, and demands of each event
//! what the strictest relay of the network demands: numbers that grow, the shape
//! of the lexicon, a signature by the key in the directory, a `rev` that grows
//! and follows the last, operations that lead back from the new tree to the old
//! one with the blocks of the event and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use freehold::atproto::Cid;
use freehold::atproto::data::{Value, cbor::Reader};
use freehold::atproto::event::{
    CommitEvent, FRAME_BYTES_MAX, HostingStatus, Message, OpChange, RepoOp, SyncEvent,
};
use freehold::atproto::lexicon::Catalog;
use freehold::atproto::syntax::{Did, Nsid, Tid};
use freehold::repo::{BlockMap, Blocks, Commit, Tree, car, proof};
use freehold::store::events;
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::Town;

/// The stream's method.
const METHOD: &str = "com.atproto.sync.subscribeRepos";
/// A test that waits longer for an event has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A reader of the event stream with a copy of every repository it read about.
pub struct Relay {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The number of the last event.
    pub seq: u64,
    /// What is known of each account.
    pub copies: HashMap<String, RepoCopy>,
}

/// A repository as events tell it.
#[derive(Clone, Debug, Default)]
pub struct RepoCopy {
    /// The revision of the last commit.
    pub rev: Option<Tid>,
    /// The tree's root of the last commit; nothing before the first.
    pub data: Option<Cid>,
    /// From path to record; nothing where the events do not tell all of it.
    pub records: Option<BTreeMap<String, Cid>>,
    /// How the account stands.
    pub status: Option<HostingStatus>,
    /// The last handle that was told.
    pub handle: Option<String>,
}

impl Town {
    /// Returns a relay that has read nothing and begins after `cursor`, or with
    /// what happens next.
    pub async fn relay(&self, cursor: Option<u64>) -> Relay {
        Relay::connect(self, cursor, HashMap::new()).await
    }
}

impl Relay {
    async fn connect(town: &Town, cursor: Option<u64>, copies: HashMap<String, RepoCopy>) -> Self {
        let query = cursor.map_or(String::new(), |cursor| format!("?cursor={cursor}"));
        let url = format!("ws://{}/xrpc/{METHOD}{query}", town.address());
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let connected = tokio_tungstenite::connect_async_with_config(url, Some(config), false);
        let (socket, _) = connected.await.expect("the stream begins");
        Self { socket, seq: cursor.unwrap_or(0), copies }
    }

    /// Hangs up and comes back with the cursor, as after a cut line.
    pub async fn reconnect(self, town: &Town) -> Self {
        let Self { socket, seq, copies } = self;
        drop(socket);
        Self::connect(town, Some(seq), copies).await
    }

    /// Reads the next message and holds it to all rules; `None` at the end of
    /// the stream.
    pub async fn next(&mut self, town: &Town) -> Option<Message> {
        loop {
            let packet = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match packet.expect("an event comes in time")? {
                Ok(Packet::Binary(frame)) => return Some(self.take(town, &frame).await),
                Ok(Packet::Close(_)) => return None,
                Ok(_) => {}
                Err(error) => {
                    eprintln!("the stream broke: {error}");
                    return None;
                }
            }
        }
    }

    /// Reads the next `count` messages.
    pub async fn read(&mut self, town: &Town, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next(town).await.expect("the stream goes on"));
        }
        messages
    }

    /// Reads the end of the stream: the code of the close frame, nothing if the
    /// line was cut.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            let packet = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match packet.expect("the stream ends in time") {
                Some(Ok(Packet::Close(reason))) => return reason.map(|reason| reason.code.into()),
                Some(Ok(Packet::Ping(_) | Packet::Pong(_))) => {}
                Some(Ok(other)) => panic!("the stream goes on: {other:?}"),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Reads everything that has happened up to now.
    pub async fn catch_up(&mut self, town: &Town) -> Vec<Message> {
        let db = &town.server().services().store.db;
        let head = events::last_seq(db).await.expect("the log is readable");
        let mut messages = Vec::new();
        while self.seq < head {
            messages.push(self.next(town).await.expect("the stream goes on"));
        }
        messages
    }

    /// Forgets an account's repository, which has changed without an event.
    pub fn forget(&mut self, did: &str) {
        self.copies.remove(did);
    }

    /// Returns what is known of an account.
    #[track_caller]
    pub fn copy(&self, did: &str) -> &RepoCopy {
        self.copies.get(did).unwrap_or_else(|| panic!("nothing was told of {did}"))
    }

    async fn take(&mut self, town: &Town, frame: &[u8]) -> Message {
        hold_to_lexicon(frame);
        let message = Message::decode(frame).expect("a frame is readable");
        if let Some(seq) = message.seq() {
            assert!(seq > self.seq, "event {seq} came after {}", self.seq);
            self.seq = seq;
        }
        match &message {
            Message::Commit(_, event) => self.take_commit(town, event).await,
            Message::Sync(_, event) => self.take_sync(town, event).await,
            Message::Identity(_, event) => {
                let handle = event.handle.as_ref().map(|handle| handle.as_str().to_owned());
                self.known(&event.did).handle = handle;
            }
            Message::Account(_, event) => self.known(&event.did).status = Some(event.status),
            Message::Info { .. } | Message::Error { .. } => {}
            Message::Unknown(kind) => panic!("an unknown kind of message: {kind}"),
        }
        message
    }

    async fn take_commit(&mut self, town: &Town, event: &CommitEvent) {
        let (commit, blocks) = read_blocks(town, &event.did, &event.blocks).await;
        assert_eq!(commit.cid(), event.commit);
        assert_eq!(commit.rev(), &event.rev);
        let before = proof::invert(&blocks, &commit.data(), &event.ops);
        let before = before.expect("the operations can be undone with the event's blocks");
        let empty = Tree::empty().root();
        assert_eq!(before, event.prev_data.unwrap_or(empty), "undone, they lead to the old tree");
        let copy = self.known(&event.did);
        if event.since.is_none() {
            copy.records = Some(BTreeMap::new());
        }
        if let Some(rev) = &copy.rev {
            assert!(rev.as_str() < event.rev.as_str(), "a revision grows");
            assert_eq!(event.since.as_ref(), Some(rev), "a commit follows the last that was told");
            assert_eq!(event.prev_data, copy.data);
        }
        for op in &event.ops {
            copy.take_op(op, &blocks);
        }
        copy.rev = Some(event.rev.clone());
        copy.data = Some(commit.data());
    }

    async fn take_sync(&mut self, town: &Town, event: &SyncEvent) {
        let (commit, blocks) = read_blocks(town, &event.did, &event.blocks).await;
        assert_eq!(blocks.len(), 1, "a sync event holds the commit and nothing else");
        assert_eq!(commit.rev(), &event.rev);
        let copy = self.known(&event.did);
        // Another tree than the one that is known: what was known is no more.
        if copy.data.is_some_and(|data| data != commit.data()) {
            copy.records = None;
        }
        copy.rev = Some(event.rev.clone());
        copy.data = Some(commit.data());
    }

    fn known(&mut self, did: &Did) -> &mut RepoCopy {
        self.copies.entry(did.as_str().to_owned()).or_default()
    }
}

impl RepoCopy {
    fn take_op(&mut self, op: &RepoOp, blocks: &BlockMap) {
        let path = op.path.to_string();
        let (prev, next) = match op.change {
            OpChange::Create { cid } => (None, Some(cid)),
            OpChange::Update { cid, prev } => (Some(prev), Some(cid)),
            OpChange::Delete { prev } => (Some(prev), None),
        };
        if let Some(cid) = next {
            let block = blocks.block(&cid).expect("memory is readable");
            assert!(block.is_some(), "the record at {path} is in the event");
        }
        let Some(records) = &mut self.records else { return };
        let known = match next {
            Some(cid) => records.insert(path.clone(), cid),
            None => records.remove(&path),
        };
        assert_eq!(known, prev, "the operation on {path} is about the record that was there");
    }
}

/// Reads an event's archive and checks its one commit with the directory's key.
async fn read_blocks(town: &Town, did: &Did, archive: &[u8]) -> (Commit, BlockMap) {
    let limits = car::Limits {
        block_bytes_max: 1 << 20,
        total_bytes_max: FRAME_BYTES_MAX as u64,
        blocks_max: 10_000,
    };
    let (roots, blocks) = BlockMap::read_car(archive, limits).expect("an event's archive is whole");
    let root = blocks.block(&roots[0]).expect("memory is readable").expect("the commit is in it");
    let commit = Commit::decode(&root).expect("the root is a commit");
    assert_eq!(commit.did(), did);
    let document = town.directory().directory().document(did.as_str()).await;
    let document = document.expect("the directory knows the account");
    let key = document.signing_key().expect("an account has a signing key");
    commit.verify(key).expect("the signature is the account's");
    (commit, blocks)
}

fn hold_to_lexicon(frame: &[u8]) {
    let mut reader = Reader::new(frame);
    let header = Value::read(&mut reader).expect("a frame has a header");
    let body = Value::decode(&frame[reader.position()..]).expect("a frame has a body");
    if header.get("op").and_then(Value::as_int) != Some(1) {
        return;
    }
    let kind = header.get("t").and_then(Value::as_text).expect("a message has a type");
    let method = Nsid::new(METHOD.to_owned()).expect("a literal");
    let verdict = Catalog::bundled().validate_message(&method, kind, &body);
    assert!(verdict.is_ok(), "{kind} breaks its lexicon: {verdict:?}");
}
