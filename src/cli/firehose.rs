//! `freehold firehose`: follows a server's event stream and shows it.

use std::collections::HashMap;
use std::io::Write;

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::{Message as Packet, protocol::WebSocketConfig};
use url::Url;

use crate::atproto::{
    Cid, Moment,
    data::Value,
    event::{CommitEvent, FRAME_BYTES_MAX, Message, OpChange, RepoOp},
    syntax::Did,
};
use crate::repo::car;

use super::failure::Failure;
use super::serve::runtime;

const PATH: &str = "/xrpc/com.atproto.sync.subscribeRepos";

/// Follow the event stream of a server, as relays do.
///
/// Prints one JSON object a line: what happened to which account, and for
/// commits the records themselves. The stream is read and shown, not verified.
/// Without a cursor it begins with what happens next; with --cursor 0 with the
/// oldest event that the server still has. Ends when the server ends it; the
/// last seq that was shown, given as the next --cursor, goes on from there.
#[derive(Debug, clap::Args)]
pub(super) struct Firehose {
    /// The server, or a relay: http://localhost:2583, https://bsky.network.
    #[arg(default_value = "http://localhost:2583")]
    url: String,
    /// Begin after the event with this seq.
    #[arg(long, value_name = "SEQ")]
    cursor: Option<u64>,
    /// End after this many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

impl Firehose {
    pub(super) fn run(self) -> Result<(), Failure> {
        let url = stream_url(&self.url, self.cursor).ok_or_else(|| {
            Failure::Mistaken(format!("{} is not the address of a server", self.url))
        })?;
        runtime()?.block_on(follow(url, self.count.unwrap_or(u64::MAX)))
    }
}

async fn follow(url: Url, count: u64) -> Result<(), Failure> {
    let config = WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX));
    let connecting =
        tokio_tungstenite::connect_async_with_config(url.as_str(), Some(config), false);
    let (mut stream, _) =
        connecting.await.map_err(|error| format!("cannot follow {url}: {error}"))?;
    let mut shown = 0;
    while shown < count {
        let frame = match stream.next().await.transpose()? {
            Some(Packet::Binary(frame)) => frame,
            Some(Packet::Close(reason)) => {
                let reason = reason.map(|frame| frame.reason.to_string());
                return Err(format!("the server ended the stream: {}", or_nothing(reason)).into());
            }
            Some(_) => continue,
            None => return Err("the server closed the connection".into()),
        };
        if show(&describe(&frame))? == Reader::Gone {
            return Ok(());
        }
        shown += 1;
    }
    Ok(())
}

fn or_nothing(reason: Option<String>) -> String {
    reason.filter(|reason| !reason.is_empty()).unwrap_or("it gave no reason".to_owned())
}

/// Whether anybody reads what we print.
#[derive(PartialEq, Eq)]
enum Reader {
    There,
    /// It has seen enough, as in `freehold firehose | head`.
    Gone,
}

fn show(line: &Line) -> std::io::Result<Reader> {
    let text = serde_json::to_string(line)?;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

/// Returns where the stream of a server is; the address may be any that people
/// use for a server.
fn stream_url(text: &str, cursor: Option<u64>) -> Option<Url> {
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let mut url = Url::parse(&text).ok().filter(Url::has_host)?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return None,
    };
    url.set_scheme(scheme).ok()?;
    if url.path() == "/" {
        url.set_path(PATH);
    }
    if let Some(cursor) = cursor {
        url.query_pairs_mut().append_pair("cursor", &cursor.to_string());
    }
    Some(url)
}

/// One printed line: what is common to all events first, so that lines can be
/// compared by eye.
#[derive(Serialize)]
struct Line {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did: Option<Did>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Moment>,
    #[serde(flatten)]
    rest: Json,
}

impl Line {
    fn of_event(kind: &str, seq: u64, (did, time): (Did, Moment), rest: Json) -> Self {
        Self { kind: kind.to_owned(), seq: Some(seq), did: Some(did), time: Some(time), rest }
    }

    fn of_notice(kind: impl Into<String>, rest: Json) -> Self {
        Self { kind: kind.into(), seq: None, did: None, time: None, rest }
    }
}

/// Says in JSON what a frame says.
fn describe(frame: &[u8]) -> Line {
    match Message::decode(frame) {
        Ok(Message::Commit(seq, event)) => {
            let records = records(&event);
            let ops: Json = event.ops.iter().map(|op| operation(op, &records)).collect();
            let rest = json!({ "rev": event.rev.as_str(), "commit": event.commit, "ops": ops });
            Line::of_event("commit", seq, (event.did, event.time), rest)
        }
        Ok(Message::Sync(seq, event)) => {
            let rest = json!({ "rev": event.rev.as_str() });
            Line::of_event("sync", seq, (event.did, event.time), rest)
        }
        Ok(Message::Identity(seq, event)) => {
            let rest = json!({ "handle": event.handle.as_ref().map(|handle| handle.as_str()) });
            Line::of_event("identity", seq, (event.did, event.time), rest)
        }
        Ok(Message::Account(seq, event)) => {
            let status = event.status;
            let rest = json!({ "active": status.is_active(), "status": status.word() });
            Line::of_event("account", seq, (event.did, event.time), rest)
        }
        Ok(Message::Info { name, message }) => {
            Line::of_notice("info", json!({ "name": name, "message": message }))
        }
        Ok(Message::Error { name, message }) => {
            Line::of_notice("error", json!({ "name": name, "message": message }))
        }
        Ok(Message::Unknown(kind)) => Line::of_notice(kind, json!({})),
        Err(error) => Line::of_notice("unreadable", json!({ "message": error.to_string() })),
    }
}

fn operation(op: &RepoOp, records: &HashMap<Cid, Json>) -> Json {
    let path = op.path.to_string();
    match op.change {
        OpChange::Create { cid } => {
            json!({ "action": "create", "path": path, "cid": cid, "record": records.get(&cid) })
        }
        OpChange::Update { cid, prev } => json!({
            "action": "update", "path": path, "cid": cid, "prev": prev,
            "record": records.get(&cid),
        }),
        OpChange::Delete { prev } => json!({ "action": "delete", "path": path, "prev": prev }),
    }
}

/// Returns what the blocks of a commit hold, by name; blocks that cannot be
/// read are left out.
fn records(event: &CommitEvent) -> HashMap<Cid, Json> {
    let limits = car::Limits {
        block_bytes_max: FRAME_BYTES_MAX,
        total_bytes_max: FRAME_BYTES_MAX as u64,
        blocks_max: u64::MAX,
    };
    let mut reader = car::Reader::new(limits);
    let mut records = HashMap::new();
    if reader.push(&event.blocks).is_err() {
        return records;
    }
    while let Ok(Some(block)) = reader.next_block() {
        if let Ok(value) = Value::decode(&block.bytes) {
            records.insert(block.cid, value.to_json());
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atproto::event::{AccountEvent, Frame, HostingStatus};

    #[test]
    fn any_address_of_a_server_leads_to_its_stream() {
        let stream = |text: &str| stream_url(text, None).map(String::from);
        for (text, scheme_and_host) in [
            ("http://localhost:2583", "ws://localhost:2583"),
            ("ws://localhost:2583/", "ws://localhost:2583"),
            ("https://bsky.network", "wss://bsky.network"),
            ("bsky.network", "wss://bsky.network"),
        ] {
            assert_eq!(stream(text), Some(format!("{scheme_and_host}{PATH}")), "{text}");
        }
        for text in ["", "ftp://localhost", "http://", "at://did:plc:x"] {
            assert_eq!(stream(text), None, "{text}");
        }
        let with_cursor = stream_url("http://localhost", Some(7)).map(String::from);
        assert_eq!(with_cursor, Some(format!("ws://localhost{PATH}?cursor=7")));
    }

    #[test]
    fn frames_are_shown_as_json() {
        let did = Did::new("did:plc:44ybard66vv44zksje25o7dz".to_owned()).expect("a DID");
        let time = Moment::from_unix_ms(1_767_323_045_678);
        let event = AccountEvent { did, status: HostingStatus::Deactivated, time };
        let frame = Frame::account(&event).seal(1_767_323_045_678_000);
        let line = serde_json::to_string(&describe(&frame)).expect("a line is JSON");
        let expected = r#"{"kind":"account","seq":1767323045678000,"did":"did:plc:44ybard66vv44zksje25o7dz","time":"2026-01-02T03:04:05.678Z","active":false,"status":"deactivated"}"#;
        assert_eq!(line, expected);
        assert_eq!(describe(b"\xff").kind, "unreadable");
    }
}
