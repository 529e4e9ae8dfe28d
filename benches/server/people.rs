//! Accounts on the measured server, and what they write.

use std::io;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::subject::{DOMAIN, Subject};
use crate::wire::{Connection, get, post};

/// JSON as a body.
const JSON: &str = "application/json";
/// Records of one `applyWrites`.
pub const BATCH: usize = 200;
const POST: &str = "app.bsky.feed.post";
/// What a post says: of the usual length.
const TEXT: &str = "A post of the usual length, as people write them: two sentences about the \
                    weather, one about a cat, and a third that says nothing new. Nobody will \
                    read it, but it must be as long as this to be fair.";

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
    pub did: String,
    pub token: String,
}

/// The request that signs somebody up.
pub fn sign_up(name: &str) -> Bytes {
    let input = json!({
        "handle": format!("{name}{DOMAIN}"),
        "email": format!("{name}@mail.test"),
        "password": password(name),
    });
    procedure("com.atproto.server.createAccount", None, &input)
}

/// The request that logs somebody in.
pub fn log_in(name: &str) -> Bytes {
    let input = json!({ "identifier": format!("{name}{DOMAIN}"), "password": password(name) });
    procedure("com.atproto.server.createSession", None, &input)
}

fn password(name: &str) -> String {
    format!("the password of {name}")
}

/// A call of a procedure.
pub fn procedure(nsid: &str, token: Option<&str>, input: &Value) -> Bytes {
    post(&format!("/xrpc/{nsid}"), token, (JSON, input.to_string().as_bytes()))
}

/// A call of a query.
pub fn query(nsid: &str, token: Option<&str>, params: &[(&str, &str)]) -> Bytes {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(params).finish();
    get(&format!("/xrpc/{nsid}?{query}"), token)
}

impl Person {
    /// Signs somebody up.
    pub async fn new(subject: &Subject, name: &str) -> io::Result<Self> {
        let mut connection = Connection::open(subject.address).await?;
        let body = connection.succeed(&sign_up(name)).await?;
        let session: Value = serde_json::from_slice(&body)?;
        let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
        Ok(Self { did: text("did"), token: text("accessJwt") })
    }

    /// Signs several up.
    pub async fn several(subject: &Subject, prefix: &str, count: usize) -> io::Result<Vec<Self>> {
        let mut people = Vec::new();
        for number in 0..count {
            people.push(Self::new(subject, &format!("{prefix}{number}")).await?);
        }
        Ok(people)
    }

    /// A call of a procedure as them.
    pub fn procedure(&self, nsid: &str, input: &Value) -> Bytes {
        procedure(nsid, Some(&self.token), input)
    }

    /// The request that writes a post; the server names it.
    pub fn create_record(&self) -> Bytes {
        let input = json!({ "repo": self.did, "collection": POST, "record": record(0) });
        self.procedure("com.atproto.repo.createRecord", &input)
    }

    /// The request that deletes it.
    pub fn delete_at(&self, number: u64) -> Bytes {
        let input = json!({ "repo": self.did, "collection": POST, "rkey": rkey(number) });
        self.procedure("com.atproto.repo.deleteRecord", &input)
    }

    /// The request that reads it.
    pub fn get_at(&self, number: u64) -> Bytes {
        let key = rkey(number);
        let params = [("repo", &*self.did), ("collection", POST), ("rkey", &*key)];
        query("com.atproto.repo.getRecord", None, &params)
    }

    /// The request that reads it with its proof.
    pub fn prove_at(&self, number: u64) -> Bytes {
        let key = rkey(number);
        let params = [("did", &*self.did), ("collection", POST), ("rkey", &*key)];
        query("com.atproto.sync.getRecord", None, &params)
    }

    /// The request that lists a hundred.
    pub fn list(&self) -> Bytes {
        let params = [("repo", &*self.did), ("collection", POST), ("limit", "100")];
        query("com.atproto.repo.listRecords", None, &params)
    }

    /// The request that exports the repository.
    pub fn export(&self) -> Bytes {
        query("com.atproto.sync.getRepo", None, &[("did", &*self.did)])
    }

    /// The request that writes a batch of posts, from a number on.
    pub fn apply_writes(&self, from: u64) -> Bytes {
        let write = |number: u64| {
            json!({
                "$type": "com.atproto.repo.applyWrites#create",
                "collection": POST, "rkey": rkey(number), "value": record(number),
            })
        };
        let writes: Vec<Value> = (from..from + BATCH as u64).map(write).collect();
        let input = json!({ "repo": self.did, "writes": writes });
        self.procedure("com.atproto.repo.applyWrites", &input)
    }

    /// Fills the repository with so many posts, numbered from `from`.
    pub async fn fill(&self, subject: &Subject, (from, count): (u64, u64)) -> io::Result<()> {
        let mut connection = Connection::open(subject.address).await?;
        let mut number = from;
        while number < from + count {
            connection.succeed(&self.apply_writes(number)).await?;
            number += BATCH as u64;
        }
        Ok(())
    }
}

fn record(number: u64) -> Value {
    json!({
        "$type": POST,
        "text": format!("{TEXT} {number}"),
        "langs": ["en"],
        "createdAt": "2026-11-27T12:00:00.000Z",
    })
}

/// A key in the order of the numbers, as a TID.
pub fn rkey(number: u64) -> String {
    const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
    let value = (1_790_000_000_000_000 + number) << 10;
    let digit = |at: u32| DIGITS[(value >> (60 - 5 * at) & 31) as usize] as char;
    (0..13).map(digit).collect()
}
