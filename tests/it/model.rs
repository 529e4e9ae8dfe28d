//! The model: random lives of a few accounts, beside a plain map.
//!
//! Each step writes, batches, tries what must be refused, exports, imports,
//! hangs a relay up or restarts the server. A map of paths to texts knows what
//! must be there. In the end the map, the API, an export of each repository and
//! what a relay has heard must be one. The seed is printed;
//! `FREEHOLD_TEST_SEED=…` replays other numbers.

use std::collections::BTreeMap;

use freehold::repo::{BlockMap, car, verify};
use freehold::world::Entropy;
use serde_json::{Value, json};

use crate::harness::{Body, Owner, Relay, Town};

/// Steps of a life; enough for trees of several layers and a few restarts.
const STEPS: u32 = 160;
/// Record keys in use: few, so that they meet again.
const KEYS: u32 = 60;
/// Collections whose order by path differs from the order by collection.
const COLLECTIONS: [&str; 3] =
    ["com.example.note", "com.example.note.page.line", "com.example.note.page"];

type Records = BTreeMap<String, String>;

struct Life {
    dice: Entropy,
    owners: Vec<Owner>,
    /// What each repository must hold: from path to text.
    models: Vec<Records>,
    /// An earlier export of each repository, with what it held.
    archives: Vec<Option<(Vec<u8>, Records)>>,
    relay: Relay,
}

on_both_engines! {
    /// Whatever people do, the map, the API, the archives and the relays agree.
    async fn random_lives_agree_with_a_plain_map(town) {
        let seed = town.world.entropy.bytes::<8>();
        eprintln!("the life of seed {}", u64::from_be_bytes(seed));
        let mut life = Life::begin(town, u64::from_be_bytes(seed)).await;
        for _ in 0..STEPS {
            life.step(town).await;
        }
        life.relay.catch_up(town).await;
        for who in 0..life.owners.len() {
            life.compare(town, who).await;
        }
    }
}

impl Life {
    async fn begin(town: &Town, seed: u64) -> Self {
        let relay = town.relay(Some(0)).await;
        let owners = vec![town.owner("alice").await, town.owner("bob").await];
        let models = vec![Records::new(); owners.len()];
        let archives = vec![None; owners.len()];
        Self { dice: Entropy::seeded(seed), owners, models, archives, relay }
    }

    async fn step(&mut self, town: &mut Town) {
        let who = self.dice.below(2) as usize;
        match self.dice.below(100) {
            0..30 => self.put(who).await,
            30..50 => self.delete(who).await,
            50..75 => self.batch(who).await,
            75..82 => self.break_a_rule(who).await,
            82..88 => self.export(who).await,
            88..91 => self.import(who).await,
            91..95 => {
                self.relay.catch_up(town).await;
                let relay = std::mem::replace(&mut self.relay, town.relay(None).await);
                self.relay = relay.reconnect(town).await;
            }
            95..97 => self.restart(town).await,
            _ => town.world.clock.advance(std::time::Duration::from_millis(1)),
        }
    }

    fn some_path(&mut self) -> (&'static str, String) {
        let collection = COLLECTIONS[self.dice.below(COLLECTIONS.len() as u32) as usize];
        (collection, format!("key{}", self.dice.below(KEYS)))
    }

    fn some_text(&mut self) -> String {
        let length = 1 + self.dice.below(200) as usize;
        self.dice.token_base32(length)
    }

    async fn put(&mut self, who: usize) {
        let (collection, rkey) = self.some_path();
        let text = self.some_text();
        let owner = &self.owners[who];
        let input = json!({
            "repo": owner.did, "collection": collection, "rkey": rkey,
            "record": record(collection, &text),
        });
        owner.client.procedure("com.atproto.repo.putRecord", &input).await.ok();
        self.models[who].insert(format!("{collection}/{rkey}"), text);
    }

    async fn delete(&mut self, who: usize) {
        let (collection, rkey) = self.some_path();
        let owner = &self.owners[who];
        let input = json!({ "repo": owner.did, "collection": collection, "rkey": rkey });
        // To delete what is not there is no mistake.
        owner.client.procedure("com.atproto.repo.deleteRecord", &input).await.ok();
        self.models[who].remove(&format!("{collection}/{rkey}"));
    }

    async fn batch(&mut self, who: usize) {
        let mut next = self.models[who].clone();
        let mut writes = BTreeMap::new();
        for _ in 0..1 + self.dice.below(20) {
            let (collection, rkey) = self.some_path();
            let text = self.some_text();
            let path = format!("{collection}/{rkey}");
            if writes.contains_key(&path) {
                continue;
            }
            let value = record(collection, &text);
            let write = match next.contains_key(&path) {
                true if text.len() < 60 => {
                    next.remove(&path);
                    json!({ "$type": kind("delete"), "collection": collection, "rkey": rkey })
                }
                true => {
                    next.insert(path.clone(), text);
                    json!({ "$type": kind("update"), "collection": collection, "rkey": rkey, "value": value })
                }
                false => {
                    next.insert(path.clone(), text);
                    json!({ "$type": kind("create"), "collection": collection, "rkey": rkey, "value": value })
                }
            };
            writes.insert(path, write);
        }
        let owner = &self.owners[who];
        let input =
            json!({ "repo": owner.did, "writes": writes.into_values().collect::<Vec<_>>() });
        owner.client.procedure("com.atproto.repo.applyWrites", &input).await.ok();
        self.models[who] = next;
    }

    /// A batch whose last write cannot be done changes nothing at all.
    async fn break_a_rule(&mut self, who: usize) {
        let text = self.some_text();
        let owner = &self.owners[who];
        let collection = COLLECTIONS[0];
        let good = json!({
            "$type": kind("create"), "collection": collection, "rkey": "never",
            "value": record(collection, &text),
        });
        let bad = json!({ "$type": kind("update"), "collection": collection, "rkey": "nowhere",
            "value": record(collection, &text) });
        let input = json!({ "repo": owner.did, "writes": [good, bad] });
        let answer = owner.client.procedure("com.atproto.repo.applyWrites", &input).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
    }

    async fn export(&mut self, who: usize) {
        let archive = self.archive(who).await;
        self.archives[who] = Some((archive, self.models[who].clone()));
    }

    /// Brings back an earlier state whole; that is no event for relays, so the
    /// relay begins anew with what it is told next.
    async fn import(&mut self, who: usize) {
        let Some((archive, held)) = self.archives[who].clone() else { return };
        let owner = &self.owners[who];
        let body = Body::Bytes("application/vnd.ipld.car", archive);
        owner.client.call("com.atproto.repo.importRepo", body).await.ok();
        self.models[who] = held;
        self.relay.forget(&self.owners[who].did);
    }

    async fn restart(&mut self, town: &mut Town) {
        self.relay.catch_up(town).await;
        town.restart().await;
        for owner in &mut self.owners {
            *owner = owner.on(town);
        }
        let relay = std::mem::replace(&mut self.relay, town.relay(None).await);
        self.relay = relay.reconnect(town).await;
    }

    async fn archive(&self, who: usize) -> Vec<u8> {
        let owner = &self.owners[who];
        let answer = owner.client.query("com.atproto.sync.getRepo", &[("did", &owner.did)]).await;
        answer.ok_bytes().to_vec()
    }

    async fn compare(&self, town: &Town, who: usize) {
        let archive = read_archive(&self.archive(who).await);
        let texts: Records =
            archive.iter().map(|(path, (_, text))| (path.clone(), text.clone())).collect();
        assert_eq!(texts, self.models[who], "the archive and the map");
        assert_eq!(self.listed(town, who).await, self.models[who], "the API and the map");
        let copy = self.relay.copy(&self.owners[who].did);
        if let Some(heard) = &copy.records {
            let cids = archive.iter().map(|(path, (cid, _))| (path.clone(), *cid)).collect();
            assert_eq!(heard, &cids, "the relay and the archive");
        }
    }

    async fn listed(&self, town: &Town, who: usize) -> Records {
        let mut all = Records::new();
        for collection in COLLECTIONS {
            let mut cursor = String::new();
            loop {
                let mut params = vec![
                    ("repo", self.owners[who].did.as_str()),
                    ("collection", collection),
                    ("limit", "7"),
                ];
                if !cursor.is_empty() {
                    params.push(("cursor", &cursor));
                }
                let page = town.visitor().query("com.atproto.repo.listRecords", &params).await.ok();
                for record in page["records"].as_array().into_iter().flatten() {
                    let uri = record["uri"].as_str().expect("a record has a URI");
                    let path = uri.splitn(4, '/').nth(3).expect("a URI has a path");
                    all.insert(path.to_owned(), text_of(&record["value"]));
                }
                match page["cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
        }
        all
    }
}

fn kind(action: &str) -> String {
    format!("com.atproto.repo.applyWrites#{action}")
}

fn record(collection: &str, text: &str) -> Value {
    json!({ "$type": collection, "text": text })
}

fn text_of(value: &Value) -> String {
    value["text"].as_str().expect("each record has a text").to_owned()
}

/// Reads an archive as a stranger does: from path to CID and text.
fn read_archive(archive: &[u8]) -> BTreeMap<String, (freehold::atproto::Cid, String)> {
    let limits =
        car::Limits { block_bytes_max: 1 << 20, total_bytes_max: 1 << 26, blocks_max: 100_000 };
    let (roots, blocks) = BlockMap::read_car(archive, limits).expect("an export is an archive");
    let repository = verify::repository(&blocks, &roots[0]).expect("an export is a repository");
    let records = repository.records(&blocks).map(|record| record.expect("each record is there"));
    records
        .map(|record| (record.path.to_string(), (record.cid, text_of(&record.value.to_json()))))
        .collect()
}
