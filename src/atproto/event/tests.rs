//! Frames against another codec, and back.

use serde_json::json;

use super::*;
use crate::atproto::data::{Value, cbor::Reader};

const SEQ: u64 = 1_767_323_045_678_901;
const DID: &str = "did:plc:asdf123";

fn did() -> Did {
    DID.parse().expect("a DID")
}

fn time() -> Moment {
    Moment::from_unix_ms(1_767_323_045_678)
}

fn op(path: &str, change: OpChange) -> RepoOp {
    RepoOp { path: path.parse().expect("a path"), change }
}

fn commit_event() -> CommitEvent {
    let [a, b, c] = [b"a", b"b", b"c"].map(|content| Cid::of_dag_cbor(content));
    CommitEvent {
        did: did(),
        commit: a,
        rev: "3jzfcijpj2z2b".parse().expect("a TID"),
        since: Some("3jzfcijpj2z2a".parse().expect("a TID")),
        prev_data: Some(b),
        ops: vec![
            op("com.example.thing/new", OpChange::Create { cid: a }),
            op("com.example.thing/old", OpChange::Update { cid: b, prev: c }),
            op("com.example.thing/gone", OpChange::Delete { prev: c }),
        ],
        blocks: vec![7; 300],
        time: time(),
    }
}

fn parts(frame: &[u8]) -> (serde_json::Value, serde_json::Value) {
    let mut reader = Reader::new(frame);
    let header = Value::read(&mut reader).expect("a header");
    let body = Value::read(&mut reader).expect("a body");
    assert!(reader.is_at_end());
    // Canonical through and through: another codec reads it too.
    let both = [header.encode(), body.encode()].concat();
    assert_eq!(both, frame);
    (header.to_json(), body.to_json())
}

#[test]
fn a_commit_has_the_fields_of_the_lexicon() {
    let event = commit_event();
    let frame = Frame::commit(&event).expect("within limits");
    let sealed = frame.seal(SEQ);
    let (header, body) = parts(&sealed);
    assert_eq!(header, json!({"op": 1, "t": "#commit"}));
    let [a, b, c] = [b"a", b"b", b"c"].map(|content| Cid::of_dag_cbor(content).to_string());
    let ops = json!([
        {"action": "create", "path": "com.example.thing/new", "cid": {"$link": a}},
        {"action": "update", "path": "com.example.thing/old", "cid": {"$link": b},
            "prev": {"$link": c}},
        {"action": "delete", "path": "com.example.thing/gone", "cid": null,
            "prev": {"$link": c}},
    ]);
    let blocks = Value::Bytes(vec![7; 300]).to_json();
    assert_eq!(
        body,
        json!({
            "seq": SEQ, "repo": DID, "rev": "3jzfcijpj2z2b", "since": "3jzfcijpj2z2a",
            "commit": {"$link": a}, "prevData": {"$link": b}, "blocks": blocks,
            "ops": ops, "blobs": [], "rebase": false, "tooBig": false,
            "time": "2026-01-02T03:04:05.678Z",
        })
    );
    let message = Message::decode(&sealed);
    assert_eq!(message, Ok(Message::Commit(SEQ, Box::new(event))));
}

#[test]
fn the_first_commit_says_null_and_leaves_out_prev_data() {
    let event = CommitEvent { since: None, prev_data: None, ops: Vec::new(), ..commit_event() };
    let frame = Frame::commit(&event).expect("within limits").seal(SEQ);
    let (_, body) = parts(&frame);
    assert_eq!(body["since"], json!(null));
    assert_eq!(body.get("prevData"), None);
    let message = Message::decode(&frame);
    assert_eq!(message, Ok(Message::Commit(SEQ, Box::new(event))));
}

#[test]
fn the_number_is_patched_in_its_place() {
    let frame = Frame::commit(&commit_event()).expect("within limits");
    let mut bytes = frame.unsealed().to_vec();
    bytes[frame.seq_at()..][..8].copy_from_slice(&SEQ.to_be_bytes());
    assert_eq!(frame.seal(SEQ), bytes);
    let at_edges = [SEQ_MIN, SEQ_MAX].map(|seq| Message::decode(&frame.seal(seq)));
    let seqs = at_edges.map(|message| message.ok().and_then(|message| message.seq()));
    assert_eq!(seqs, [Some(SEQ_MIN), Some(SEQ_MAX)]);
    assert_eq!(frame.kind(), EventKind::Commit);
    assert_eq!((frame.did(), frame.time()), (&did(), time()));
}

#[test]
fn the_other_kinds_come_back() {
    let sync = SyncEvent {
        did: did(),
        rev: "3jzfcijpj2z2b".parse().expect("a TID"),
        blocks: vec![1, 2, 3],
        time: time(),
    };
    let frame = Frame::sync(&sync).expect("within limits").seal(SEQ);
    assert_eq!(parts(&frame).0, json!({"op": 1, "t": "#sync"}));
    assert_eq!(Message::decode(&frame), Ok(Message::Sync(SEQ, sync)));

    for handle in [None, "alice.example.com".parse().ok()] {
        let event = IdentityEvent { did: did(), handle, time: time() };
        let frame = Frame::identity(&event).seal(SEQ);
        assert_eq!(parts(&frame).0, json!({"op": 1, "t": "#identity"}));
        assert_eq!(Message::decode(&frame), Ok(Message::Identity(SEQ, event)));
    }

    for status in [HostingStatus::Active].iter().chain(&HostingStatus::INACTIVE) {
        let event = AccountEvent { did: did(), status: *status, time: time() };
        let frame = Frame::account(&event).seal(SEQ);
        let (header, body) = parts(&frame);
        assert_eq!(header, json!({"op": 1, "t": "#account"}));
        assert_eq!(body["active"], json!(status.is_active()));
        assert_eq!(body.get("status").and_then(|s| s.as_str()), status.word());
        assert_eq!(Message::decode(&frame), Ok(Message::Account(SEQ, event)));
    }
}

#[test]
fn info_and_error_have_no_number() {
    let info = info_frame("OutdatedCursor", "Older events are gone.");
    assert_eq!(
        parts(&info),
        (
            json!({"op": 1, "t": "#info"}),
            json!({"name": "OutdatedCursor", "message": "Older events are gone."})
        )
    );
    let error = error_frame("FutureCursor", "Not yet.");
    assert_eq!(
        parts(&error),
        (json!({"op": -1}), json!({"error": "FutureCursor", "message": "Not yet."}))
    );
    let decoded = [info, error].map(|frame| Message::decode(&frame));
    assert!(matches!(&decoded[0], Ok(Message::Info { name, .. }) if name == "OutdatedCursor"));
    assert!(matches!(&decoded[1], Ok(Message::Error { name, .. }) if name == "FutureCursor"));
    assert!(
        decoded
            .iter()
            .all(|message| { message.as_ref().is_ok_and(|message| message.seq().is_none()) })
    );
}

#[test]
fn limits_are_refused_not_sent() {
    let path = |index| format!("com.example.thing/{index}");
    let cid = Cid::of_dag_cbor(b"a");
    let ops = |count: usize| {
        let ops = (0..count).map(|index| op(&path(index), OpChange::Create { cid }));
        ops.collect::<Vec<_>>()
    };
    let mut event = commit_event();
    event.ops = ops(OPS_MAX);
    assert!(Frame::commit(&event).is_ok());
    event.ops = ops(OPS_MAX + 1);
    assert_eq!(Frame::commit(&event), Err(EventError::TooManyOps(201)));

    event.ops = ops(OPS_MAX);
    event.blocks = vec![0; COMMIT_BLOCKS_BYTES_MAX];
    let frame = Frame::commit(&event).expect("as large as allowed");
    assert!(frame.unsealed().len() < FRAME_BYTES_MAX);
    event.blocks.push(0);
    let refused = Frame::commit(&event);
    assert!(matches!(refused, Err(EventError::BlocksTooLarge { .. })));

    let sync = SyncEvent {
        did: did(),
        rev: event.rev,
        blocks: vec![0; SYNC_BLOCKS_BYTES_MAX + 1],
        time: time(),
    };
    let refused = Frame::sync(&sync);
    assert!(matches!(refused, Err(EventError::BlocksTooLarge { .. })));
}

#[test]
fn frames_that_lack_something_are_refused() {
    let decode = |header: serde_json::Value, body: serde_json::Value| {
        let [header, body] = [header, body].map(|part| {
            let value = crate::atproto::data::from_json_value(&part);
            value.expect("valid data").encode()
        });
        Message::decode(&[header, body].concat())
    };
    let header = json!({"op": 1, "t": "#account"});
    let body = json!({"seq": SEQ, "did": DID, "time": "2026-01-02T03:04:05Z", "active": true,
        "later": "a field of the future"});
    assert!(decode(header.clone(), body.clone()).is_ok());
    for field in ["seq", "did", "time", "active"] {
        let mut body = body.clone();
        body.as_object_mut().and_then(|body| body.remove(field));
        let result = decode(header.clone(), body);
        assert_eq!(result, Err(EventError::Field(field)));
    }
    let unknown = decode(json!({"op": 1, "t": "#later"}), json!({}));
    assert_eq!(unknown, Ok(Message::Unknown("#later".to_owned())));
    assert!(Message::decode(&[]).is_err());
    assert!(Message::decode(&[0xa0, 0xa0]).is_err());
    let large = vec![0; FRAME_BYTES_MAX + 1];
    let refused = Message::decode(&large);
    assert_eq!(refused, Err(EventError::FrameTooLarge(large.len())));
}
