//! Accounts by the hundred thousand, put into the database directly: a password
//! hash for each would take longer than everything that is measured.

use std::time::Duration;

use crate::people::Person;
use crate::subject::{DOMAIN, JWT_SECRET, Subject};
use freehold::app::Server;
use freehold::atproto::data::from_json;
use freehold::atproto::syntax::{Did, Handle, Nsid};
use freehold::config::{Config, Sources};
use freehold::service::Services;
use freehold::service::grants::Grant;
use freehold::service::repos::{BatchWrite, Draft, Owner, Validate};
use freehold::service::sessions::tokens::{AccessToken, Tokens};
use freehold::store::accounts::{self, NewAccount};
use freehold::store::{Batch, Commit};
use freehold::world::World;

/// Accounts that are made at once.
const AT_ONCE: u64 = 64;
/// How long a token of a loaded account is good.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes accounts, from one number to another, with records, while the server is
/// down.
pub async fn load(subject: &Subject, (from, to): (u64, u64), records: usize) -> Vec<Person> {
    let sources = Sources { file: None, variables: subject.settings() };
    let config = Config::load(&sources).expect("the benchmark's settings are right").config;
    let world = World::real(&freehold::world::WorldSettings::default());
    let server = Server::start(&config, world).await.expect("the loader's server starts");
    let services = server.services().clone();
    let tokens = Tokens::new(JWT_SECRET.as_bytes(), services.host.service_did.clone());
    let mut people = Vec::new();
    let mut number = from;
    while number < to {
        let end = to.min(number + AT_ONCE);
        let made = (number..end).map(|number| account(&services, &tokens, (number, records)));
        people.extend(futures_util::future::join_all(made).await);
        number = end;
    }
    drop(services);
    server.stop().await;
    people
}

async fn account(services: &Services, tokens: &Tokens, (number, records): (u64, usize)) -> Person {
    let did = Did::new(format!("did:plc:{}", base32(number))).expect("a DID");
    let handle = Handle::new(format!("l{number}{DOMAIN}")).expect("a handle");
    let db = &services.store.db;
    let now = services.world.clock.now();
    let id = accounts::allocate_id(db).await.expect("an id");
    let key = services.keys.generate();
    let mut batch = Batch::new();
    let new = NewAccount {
        id,
        did: did.clone(),
        handle,
        email: format!("l{number}@mail.test"),
        password_hash: "!".to_owned(),
        created_at: now,
        deactivated_at: None,
    };
    accounts::insert(&mut batch, &new);
    services.keys.put(&mut batch, id, &did, &key);
    let genesis = services.repos.genesis(&did, &key).expect("an empty repository");
    let (repo, frames) = (Some(genesis.repo), vec![genesis.frame]);
    db.commit(Commit { account: id, batch, repo, frames }).await.expect("an account");
    let token = AccessToken { did: did.clone(), grant: Grant::Full };
    let token = tokens.access(&token, (now, now.plus(TOKEN_LIFE))).expect("a token");
    let owner = Owner { account: id, did: did.clone() };
    let writes = (0..records).map(|_| BatchWrite::Create(draft())).collect();
    services.repos.apply_writes(&owner, writes, None).await.expect("records");
    Person { did: did.as_str().to_owned(), token }
}

fn draft() -> Draft {
    let record = r#"{"$type":"com.example.note","text":"something that somebody wrote once"}"#;
    Draft {
        collection: Nsid::new("com.example.note".to_owned()).expect("an NSID"),
        rkey: None,
        value: from_json(record).expect("a record"),
        validate: Validate::Skip,
    }
}

/// A number as the 24 characters of a did:plc.
fn base32(number: u64) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (u128::from(mixed) << 56) | u128::from(number);
    (0..24).map(|at| DIGITS[(value >> (115 - 5 * at) & 31) as usize] as char).collect()
}
