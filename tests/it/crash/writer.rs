//! Somebody who writes until the server is gone, and knows what must be there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};

use super::Trap;
use crate::harness::Client;

const COLLECTION: &str = "com.example.note";

/// A write that was answered.
#[derive(Debug)]
pub struct Acknowledged {
    /// The CID of its commit.
    pub commit: String,
    /// Paths, and the CIDs of the records that they got; `None` for deleted.
    pub ops: Vec<(String, Option<String>)>,
}

/// A write that was sent and not answered.
#[derive(Debug)]
struct Doubt {
    /// The keys that exist only after it.
    born: Vec<String>,
    /// The keys that have another record after it.
    changed: Vec<String>,
    /// The keys that exist only before it.
    gone: Vec<String>,
}

/// Somebody who writes.
pub struct Writer {
    client: Client,
    did: String,
    /// The records that must be there: CIDs by key.
    records: BTreeMap<String, String>,
    doubt: Option<Doubt>,
    /// Makes keys and texts new.
    turn: u64,
}

/// Calls a procedure; `None` where the server is gone before it has answered.
pub async fn call(client: &Client, nsid: &str, input: &Value) -> Option<Value> {
    let body = serde_json::to_vec(input).expect("a value is JSON");
    call_with(client, nsid, ("application/json", body)).await
}

async fn call_with(
    client: &Client,
    nsid: &str,
    (media_type, body): (&str, Vec<u8>),
) -> Option<Value> {
    let request = client.request(Method::POST, &format!("/xrpc/{nsid}"));
    let response = request.header("content-type", media_type).body(body).send().await.ok()?;
    let status = response.status();
    let answer = response.bytes().await.ok()?;
    assert!(status.is_success(), "{nsid}: {status} {}", String::from_utf8_lossy(&answer));
    Some(serde_json::from_slice(&answer).expect("an answer is JSON"))
}

fn path_of(rkey: &str) -> String {
    format!("{COLLECTION}/{rkey}")
}

impl Writer {
    pub fn new(visitor: &Client, session: &Value, number: u64) -> Self {
        let text = |key: &str| session[key].as_str().expect("is text").to_owned();
        let client = visitor.with_token(&text("accessJwt"));
        // Each begins elsewhere in the cycle of writes.
        Self { client, did: text("did"), records: BTreeMap::new(), doubt: None, turn: number }
    }

    /// Returns a client of the same server without the token.
    pub fn visitor(&self) -> Client {
        Client::new(self.client.address())
    }

    /// Follows the server to where it was started anew.
    pub fn move_to(&mut self, address: SocketAddr) {
        self.client = self.client.moved(address);
    }

    /// Writes until the server is gone; returns what was answered.
    pub async fn write(&mut self, trap: &Trap<'_>) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        loop {
            self.turn += 1;
            let done = match self.turn % 5 {
                0 | 1 => self.create(json!({})).await,
                2 => self.update().await,
                3 => self.delete_or_batch().await,
                _ => self.create_with_blob().await,
            };
            let Some(done) = done else { return acknowledged };
            self.doubt = None;
            for (path, cid) in &done.ops {
                let rkey = path.rsplit('/').next().unwrap_or_default().to_owned();
                match cid {
                    Some(cid) => drop(self.records.insert(rkey, cid.clone())),
                    None => drop(self.records.remove(&rkey)),
                }
            }
            acknowledged.push(done);
            trap.step();
        }
    }

    fn note(&self, more: Value) -> Value {
        let mut record = json!({ "$type": COLLECTION, "text": format!("turn {}", self.turn) });
        for (key, value) in more.as_object().into_iter().flatten() {
            record[key] = value.clone();
        }
        record
    }

    fn new_key(&self) -> String {
        format!("k{}", self.turn)
    }

    /// Returns some record that is there.
    fn some_key(&self) -> Option<String> {
        let at = usize::try_from(self.turn).unwrap_or(0) * 7 % self.records.len().max(1);
        self.records.keys().nth(at).cloned()
    }

    async fn create(&mut self, more: Value) -> Option<Acknowledged> {
        let rkey = self.new_key();
        let input = json!({
            "repo": self.did, "collection": COLLECTION, "rkey": rkey, "record": self.note(more),
        });
        self.doubt = Some(Doubt { born: vec![rkey.clone()], changed: vec![], gone: vec![] });
        let answer = call(&self.client, "com.atproto.repo.createRecord", &input).await?;
        Some(Acknowledged::of(&answer, vec![(path_of(&rkey), Some(text(&answer["cid"])))]))
    }

    async fn create_with_blob(&mut self) -> Option<Acknowledged> {
        let bytes = format!("{} in turn {}", self.did, self.turn).into_bytes();
        let upload = ("text/plain", bytes);
        let upload = call_with(&self.client, "com.atproto.repo.uploadBlob", upload).await?;
        self.create(json!({ "file": upload["blob"] })).await
    }

    async fn update(&mut self) -> Option<Acknowledged> {
        let Some(rkey) = self.some_key() else { return self.create(json!({})).await };
        let input = json!({
            "repo": self.did, "collection": COLLECTION, "rkey": rkey, "record": self.note(json!({})),
        });
        self.doubt = Some(Doubt { born: vec![], changed: vec![rkey.clone()], gone: vec![] });
        let answer = call(&self.client, "com.atproto.repo.putRecord", &input).await?;
        Some(Acknowledged::of(&answer, vec![(path_of(&rkey), Some(text(&answer["cid"])))]))
    }

    async fn delete_or_batch(&mut self) -> Option<Acknowledged> {
        let Some(rkey) = self.some_key() else { return self.create(json!({})).await };
        if self.turn.is_multiple_of(2) {
            return self.batch(rkey).await;
        }
        let input = json!({ "repo": self.did, "collection": COLLECTION, "rkey": rkey });
        self.doubt = Some(Doubt { born: vec![], changed: vec![], gone: vec![rkey.clone()] });
        let answer = call(&self.client, "com.atproto.repo.deleteRecord", &input).await?;
        Some(Acknowledged::of(&answer, vec![(path_of(&rkey), None)]))
    }

    /// Deletes a record and makes two, in one commit.
    async fn batch(&mut self, old: String) -> Option<Acknowledged> {
        let born = [self.new_key(), format!("{}x", self.new_key())];
        let create = |rkey: &str| {
            json!({
                "$type": "com.atproto.repo.applyWrites#create",
                "collection": COLLECTION, "rkey": rkey, "value": self.note(json!({ "key": rkey })),
            })
        };
        let delete = json!({
            "$type": "com.atproto.repo.applyWrites#delete",
            "collection": COLLECTION, "rkey": old,
        });
        let writes = json!([create(&born[0]), delete, create(&born[1])]);
        let input = json!({ "repo": self.did, "writes": writes });
        self.doubt = Some(Doubt { born: born.to_vec(), changed: vec![], gone: vec![old.clone()] });
        let answer = call(&self.client, "com.atproto.repo.applyWrites", &input).await?;
        let cid = |at: usize| Some(text(&answer["results"][at]["cid"]));
        let ops =
            vec![(path_of(&born[0]), cid(0)), (path_of(&old), None), (path_of(&born[1]), cid(2))];
        Some(Acknowledged::of(&answer, ops))
    }

    /// Compares the repository with what must be there. The write that was not
    /// answered is there as a whole or not at all.
    pub async fn look(&mut self) {
        let found = self.listed().await;
        if let Some(doubt) = self.doubt.take() {
            let happened: Vec<bool> = doubt
                .born
                .iter()
                .map(|rkey| found.contains_key(rkey))
                .chain(doubt.gone.iter().map(|rkey| !found.contains_key(rkey)))
                .chain(doubt.changed.iter().map(|rkey| found.get(rkey) != self.records.get(rkey)))
                .collect();
            let whole = happened.iter().all(|did| *did == happened[0]);
            assert!(whole, "half of {doubt:?} happened to {}", self.did);
            for rkey in doubt.born.iter().chain(&doubt.gone).chain(&doubt.changed) {
                match found.get(rkey) {
                    Some(cid) => drop(self.records.insert(rkey.clone(), cid.clone())),
                    None => drop(self.records.remove(rkey)),
                }
            }
        }
        assert_eq!(found, self.records, "{}", self.did);
    }

    async fn listed(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let mut params =
                vec![("repo", &*self.did), ("collection", COLLECTION), ("limit", "100")];
            if !cursor.is_empty() {
                params.push(("cursor", &cursor));
            }
            let page = self.client.query("com.atproto.repo.listRecords", &params).await.ok();
            let records = page["records"].as_array().expect("a list");
            if records.is_empty() {
                return found;
            }
            for record in records {
                let uri = text(&record["uri"]);
                let rkey = uri.rsplit('/').next().unwrap_or_default().to_owned();
                cursor.clone_from(&rkey);
                found.insert(rkey, text(&record["cid"]));
            }
        }
    }
}

impl Acknowledged {
    fn of(answer: &Value, ops: Vec<(String, Option<String>)>) -> Self {
        Self { commit: text(&answer["commit"]["cid"]), ops }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("is text").to_owned()
}
