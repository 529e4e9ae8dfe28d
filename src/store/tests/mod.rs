//! The store's promises, on both engines.
//!
//! Each test is a story about a [`Scene`], told once for SQLite in a temporary
//! folder and once for Postgres in a throwaway cluster.

mod commits;
mod losses;
mod mail;
mod nouns;
mod order;
mod people;
#[path = "../../../tests/it/harness/postgres.rs"]
mod postgres;
mod snapshots;
mod statements;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tempfile::TempDir;

use postgres::TestDatabase;

use super::{
    AccountId, Batch, Commit, CommitError, Committed, Db, DbSettings, Location, Needs, RecordPut,
    RepoChange, StoreError,
    accounts::{self, NewAccount},
    heads::Head,
};
use crate::atproto::{
    Cid, Moment,
    event::{Frame, IdentityEvent},
    syntax::{Did, Handle, RecordPath},
    tid::{self, ClockId},
};

/// The moment at which every scene begins, in microseconds.
const START_US: u64 = 1_790_000_000_000_000;

/// A database of a test's own.
struct Scene {
    db: Db,
    location: Location,
    /// What the store is told about the time.
    clock: Arc<AtomicU64>,
    _home: Home,
}

/// What goes away with a scene.
#[allow(dead_code, reason = "they are held")]
enum Home {
    Folder(TempDir),
    Database(TestDatabase),
}

/// Tells a story on both engines.
macro_rules! on_both_engines {
    ($( $(#[doc = $doc:literal])* async fn $name:ident($scene:ident) $body:block )*) => { $(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn story($scene: &mut Scene) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story(&mut Scene::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story(&mut Scene::postgres().await).await;
            }
        }
    )* };
}
use on_both_engines;

impl Scene {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data").join("freehold.sqlite");
        Self::open(Location::Sqlite(path), Home::Folder(folder)).await
    }

    async fn postgres() -> Self {
        let database = TestDatabase::new(|_| ());
        Self::open(Location::Postgres(database.url()), Home::Database(database)).await
    }

    async fn open(location: Location, home: Home) -> Self {
        let clock = Arc::new(AtomicU64::new(START_US));
        let db = open(&location, &clock).await.expect("a new database opens");
        Self { db, location, clock, _home: home }
    }

    /// Closes the database and opens it again.
    async fn reopen(&mut self) {
        self.db.close().await;
        self.db = open(&self.location, &self.clock).await.expect("it opens again");
    }

    fn set_clock(&self, us: u64) {
        self.clock.store(us, Ordering::Relaxed);
    }

    fn now(&self) -> Moment {
        Moment::from_unix_ms((self.clock.load(Ordering::Relaxed) / 1000) as i64)
    }

    /// Adds an account without a repository.
    async fn account(&self, number: usize) -> Person {
        let id = accounts::allocate_id(&self.db).await.expect("an id");
        let person = Person { id, did: did(number), head: None };
        let mut batch = Batch::new();
        accounts::insert(&mut batch, &self.new_account(&person, number));
        self.db.run(batch).await.expect("a new account");
        person
    }

    fn new_account(&self, person: &Person, number: usize) -> NewAccount {
        NewAccount {
            id: person.id,
            did: person.did.clone(),
            handle: handle(&format!("a{number}.test")),
            email: format!("A{number}@example.com"),
            password_hash: "hash".to_owned(),
            created_at: self.now(),
            deactivated_at: None,
        }
    }
}

async fn open(location: &Location, clock: &Arc<AtomicU64>) -> Result<Db, StoreError> {
    let clock = Arc::clone(clock);
    let now_us = move || clock.load(Ordering::Relaxed);
    Db::open(DbSettings::new(location.clone()), Arc::new(now_us)).await
}

/// Somebody with a repository, and where it stands.
#[derive(Clone)]
struct Person {
    id: AccountId,
    did: Did,
    head: Option<Head>,
}

impl Person {
    /// Returns a commit that puts records, on top of the head.
    fn commit(&self, puts: &[(&str, &[u8])], deletes: &[&str]) -> Commit {
        let turn = self.head.as_ref().map_or(0, |head| tid::micros_of(&head.rev)) + 1;
        let rev = tid::tid_at(turn, ClockId::new(0));
        let commit_bytes = Bytes::from(format!("{} at {turn}", self.did.as_str()));
        let head = Head {
            commit_cid: Cid::of_dag_cbor(&commit_bytes),
            data: Cid::of_dag_cbor(&turn.to_be_bytes()),
            rev,
            commit_bytes,
        };
        let put = |(at, value): &(&str, &[u8])| RecordPut {
            path: path(at),
            cid: Cid::of_dag_cbor(value),
            value: Bytes::copy_from_slice(value),
        };
        let change = RepoChange {
            old: self.head.as_ref().map(|head| head.commit_cid),
            needs: Needs::Status(accounts::Status::Active),
            head,
            puts: puts.iter().map(put).collect(),
            deletes: deletes.iter().map(|at| path(at)).collect(),
        };
        Commit {
            account: self.id,
            batch: Batch::new(),
            repo: Some(change),
            frames: vec![self.frame()],
        }
    }

    fn frame(&self) -> Frame {
        let time = Moment::from_unix_ms(1_790_000_000_000);
        Frame::identity(&IdentityEvent { did: self.did.clone(), time, handle: None })
    }

    /// Makes a commit and follows it.
    async fn write(
        &mut self,
        db: &Db,
        puts: &[(&str, &[u8])],
        deletes: &[&str],
    ) -> Result<Committed, CommitError> {
        let commit = self.commit(puts, deletes);
        let head = commit.repo.as_ref().map(|change| change.head.clone());
        let committed = db.commit(commit).await?;
        self.head = head;
        Ok(committed)
    }
}

fn did(number: usize) -> Did {
    Did::new(format!("did:web:a{number}.test")).expect("a DID")
}

fn handle(text: &str) -> Handle {
    Handle::new(text.to_owned()).expect("a handle")
}

fn path(text: &str) -> RecordPath {
    text.parse().expect("a path")
}
