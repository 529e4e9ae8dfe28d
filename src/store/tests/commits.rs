//! Commits: all or nothing, alone in their group, in order, and still there
//! after a restart.

use futures_util::future::join_all;

use super::*;
use crate::{
    atproto::event::SEQ_MIN,
    store::{
        RunError,
        batch::Unmet,
        events::{self, Fed},
        heads, invites, nonces, preferences, records, sequence,
    },
};

on_both_engines! {
    /// The records, the head and the event of a commit appear together.
    async fn a_commit_is_whole(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let committed = alice.write(db, &[("a.b.c/1", b"one"), ("a.b.c/2", b"two")], &[]).await;
        let first = committed.expect("the first commit").events;
        assert_eq!(first[0].seq, START_US);
        assert_eq!(heads::find(db, alice.id).await.expect("read"), alice.head);
        alice.write(db, &[("a.b.c/2", b"zwei")], &["a.b.c/1"]).await.expect("the second");

        assert_eq!(records::find(db, alice.id, &path("a.b.c/1")).await.expect("read"), None);
        let record = records::find(db, alice.id, &path("a.b.c/2")).await.expect("read");
        let record = record.expect("is there");
        assert_eq!(&record.value[..], b"zwei");
        assert_eq!(Some(record.rev), alice.head.as_ref().map(|head| head.rev.clone()));
        let log = events::range(db, 0, 10).await.expect("read");
        assert_eq!(log.len(), 2);
        assert_eq!(log[0], *first[0]);
        assert_eq!(log[0].bytes, alice.frame().seal(log[0].seq));
    }

    /// A commit that was made on another head than the present one changes
    /// nothing, also beside others in its group.
    async fn a_stale_commit_changes_nothing(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let mut bob = scene.account(2).await;
        alice.write(db, &[], &[]).await.expect("the first");
        bob.write(db, &[], &[]).await.expect("the first");
        let mut left = alice.clone();
        let (mut again, fresh) = (alice.clone(), scene.account(3).await);
        left.write(db, &[("a.b.c/left", b"1")], &[]).await.expect("in time");

        let mut with_batch = again.commit(&[("a.b.c/batch", b"1")], &[]);
        nonces::consume(&mut with_batch.batch, "nonce", scene.now());
        let before = sequence::last(db).await.expect("read");
        let (late, late_batch, late_first, fine) = tokio::join!(
            again.write(db, &[("a.b.c/late", b"1")], &[]),
            db.commit(with_batch),
            db.commit(Commit { account: bob.id, ..fresh.commit(&[("a.b.c/late", b"1")], &[]) }),
            bob.write(db, &[("a.b.c/fine", b"1")], &[]),
        );
        assert!(matches!(late, Err(CommitError::Stale)), "{late:?}");
        assert!(matches!(late_batch, Err(CommitError::Stale)), "{late_batch:?}");
        assert!(matches!(late_first, Err(CommitError::Stale)), "{late_first:?}");
        assert_eq!(fine.expect("bob is not stale").events.len(), 1);
        assert_eq!(heads::find(db, alice.id).await.expect("read"), left.head);
        for at in ["a.b.c/late", "a.b.c/batch"] {
            assert_eq!(records::find(db, alice.id, &path(at)).await.expect("read"), None);
        }
        assert_eq!(events::range(db, before, 10).await.expect("read").len(), 1);
        let mut batch = Batch::new();
        nonces::consume(&mut batch, "nonce", scene.now());
        db.run(batch).await.expect("the nonce was not used up");
    }

    /// A commit that was made before its account was deactivated or taken down
    /// changes nothing after, alone and beside others.
    async fn a_commit_of_an_account_that_rests_changes_nothing(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let mut bob = scene.account(2).await;
        alice.write(db, &[], &[]).await.expect("active");
        bob.write(db, &[], &[]).await.expect("active");
        let mut batch = Batch::new();
        accounts::deactivate(&mut batch, alice.id, scene.now(), None);
        db.run(batch).await.expect("deactivated");
        let mut again = alice.clone();
        let (late, fine) = tokio::join!(
            again.write(db, &[("a.b.c/late", b"1")], &[]),
            bob.write(db, &[("a.b.c/fine", b"1")], &[]),
        );
        assert!(matches!(late, Err(CommitError::Stale)), "{late:?}");
        fine.expect("bob is active");
        let mut batch = Batch::new();
        accounts::activate(&mut batch, alice.id);
        accounts::take_down(&mut batch, alice.id, scene.now(), "why");
        db.run(batch).await.expect("taken down");
        let late = again.write(db, &[("a.b.c/late", b"1")], &[]).await;
        assert!(matches!(late, Err(CommitError::Stale)), "{late:?}");
        assert_eq!(heads::find(db, alice.id).await.expect("read"), alice.head);
        assert_eq!(records::count(db, alice.id).await.expect("read"), 0);
        let mut back = again.commit(&[("a.b.c/back", b"1")], &[]);
        accounts::reinstate(&mut back.batch, alice.id);
        db.commit(back).await.expect("active by its own statements");
    }

    /// Members of a group that are refused are rolled back alone.
    async fn a_refused_member_leaves_the_others_alone(scene) {
        let db = &scene.db;
        let people = join_all((0..40).map(|n| scene.account(n))).await;
        let code = invites::Invite {
            code: "code".to_owned(),
            uses_max: 1,
            uses_left: 1,
            for_account: "admin".to_owned(),
            created_by: "admin".to_owned(),
            created_at: scene.now(),
            disabled_at: None,
        };
        let mut batch = Batch::new();
        invites::insert(&mut batch, &code);
        db.run(batch).await.expect("a code");
        let writes = people.iter().map(async |person| {
            let mut commit = person.commit(&[("a.b.c/1", b"value")], &[]);
            invites::consume(&mut commit.batch, "code", &person.did, scene.now());
            db.commit(commit).await
        });
        let (mut done, mut refused) = (0, 0);
        for written in join_all(writes).await {
            match written {
                Ok(_) => done += 1,
                Err(CommitError::Unmet(Unmet::InviteUnavailable)) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((done, refused), (1, 39));
        let mut repos = 0;
        for person in &people {
            let head = heads::find(db, person.id).await.expect("read");
            let record = records::find(db, person.id, &path("a.b.c/1")).await.expect("read");
            assert_eq!(head.is_some(), record.is_some());
            repos += usize::from(head.is_some());
        }
        assert_eq!(repos, 1);
        assert_eq!(events::range(db, 0, 100).await.expect("read").len(), 1);
        assert_eq!(invites::list_uses(db, "code").await.expect("read").len(), 1);
    }

    /// A member that the database itself refuses fails alone, too.
    async fn a_faulty_member_fails_alone(scene) {
        let db = &scene.db;
        let people = join_all((0..10).map(|n| scene.account(n))).await;
        let ghost = Person { id: AccountId(999), ..people[0].clone() };
        let faulty = db.commit(ghost.commit(&[("a.b.c/1", b"value")], &[]));
        let writes = people.iter().map(|person| db.commit(person.commit(&[], &[])));
        let (faulty, written) = tokio::join!(faulty, join_all(writes));
        assert!(matches!(faulty, Err(CommitError::Store(_))), "{faulty:?}");
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!(events::range(db, 0, 100).await.expect("read").len(), 10);
    }

    /// Two commits of one account in one group: the second sees the first.
    async fn commits_of_one_account_may_queue_up(scene) {
        let db = &scene.db;
        let alice = scene.account(1).await;
        let first = alice.commit(&[("a.b.c/1", b"1")], &[]);
        let head = first.repo.as_ref().map(|change| change.head.clone());
        let second = Person { head, ..alice.clone() }.commit(&[("a.b.c/2", b"2")], &[]);
        let (first, second) = tokio::join!(biased; db.commit(first), db.commit(second));
        first.expect("on nothing");
        second.expect("on the first");
        assert_eq!(records::count(db, alice.id).await.expect("read"), 2);
    }

    /// Writers in parallel, a reader of the log and a listener: nobody misses
    /// an event, and no event comes out of order.
    async fn a_reader_with_a_cursor_never_skips_an_event(scene) {
        const WRITERS: usize = 16;
        const ROUNDS: usize = 25;
        let db = &scene.db;
        let mut people = join_all((0..WRITERS).map(|n| scene.account(n))).await;
        let mut feed = db.events();
        let writing = join_all(people.iter_mut().enumerate().map(async |(n, person)| {
            let mut seqs = Vec::new();
            for round in 0..ROUNDS {
                if n == 0 {
                    // The clock jumps about.
                    scene.set_clock(START_US + [0, 500, 90, 10_000][round % 4]);
                }
                let mut commit = person.commit(&[("a.b.c/1", b"value")], &[]);
                commit.frames.push(person.frame());
                person.head = commit.repo.as_ref().map(|change| change.head.clone());
                let done = db.commit(commit).await.expect("written");
                seqs.extend(done.events.iter().map(|event| event.seq));
            }
            seqs
        }));
        let reading = async {
            let mut seen: Vec<u64> = Vec::new();
            while seen.len() < 2 * WRITERS * ROUNDS {
                let after = seen.last().copied().unwrap_or(0);
                let more = events::range(db, after, 7).await.expect("read");
                seen.extend(more.iter().map(|event| event.seq));
            }
            seen
        };
        let (answered, read) = tokio::join!(writing, reading);
        let mut answered: Vec<u64> = answered.into_iter().flatten().collect();
        answered.sort_unstable();
        assert_eq!(read, answered);
        assert!(read.windows(2).all(|pair| pair[0] < pair[1]));
        for seq in &read {
            match feed.next().await {
                Some(Fed::Event(event)) => assert_eq!(event.seq, *seq),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sequence::last(db).await.expect("read"), *read.last().expect("some"));
    }

    /// The feed has an event before its writer has the answer.
    async fn the_feed_comes_before_the_answer(scene) {
        let db = &scene.db;
        let mut alice = scene.account(1).await;
        let mut feed = db.events();
        let events = alice.write(db, &[], &[]).await.expect("written").events;
        let mut next = std::pin::pin!(feed.next());
        let fed = futures_util::poll!(&mut next);
        assert!(
            matches!(&fed, std::task::Poll::Ready(Some(Fed::Event(event))) if *event == events[0]),
            "{fed:?}"
        );
    }

    /// After a restart everything is there, and `seq` goes on, also where the
    /// clock has gone back.
    async fn a_restart_changes_nothing(scene) {
        let mut alice = scene.account(1).await;
        alice.write(&scene.db, &[("a.b.c/1", b"value")], &[]).await.expect("written");
        let first = sequence::last(&scene.db).await.expect("read");
        scene.reopen().await;
        scene.set_clock(SEQ_MIN / 2);
        let record = records::find(&scene.db, alice.id, &path("a.b.c/1")).await.expect("read");
        assert!(record.is_some());
        let done = alice.write(&scene.db, &[], &[]).await.expect("on the head of before");
        assert_eq!(done.events[0].seq, first + 1);
        scene.reopen().await;
        let mut batch = Batch::new();
        sequence::raise(&mut batch, first + 1000);
        sequence::raise(&mut batch, first);
        scene.db.run(batch).await.expect("raised");
        let done = alice.write(&scene.db, &[], &[]).await.expect("written");
        assert_eq!(done.events[0].seq, first + 1001);
        // Also in the transaction of a commit.
        let mut commit = alice.commit(&[], &[]);
        sequence::raise(&mut commit.batch, first + 5000);
        scene.db.commit(commit).await.expect("written");
        let last = sequence::last(&scene.db).await.expect("read");
        assert!(last >= first + 5000, "{last}");
    }

    /// A closed store says so.
    async fn a_closed_store_takes_nothing(scene) {
        let mut alice = scene.account(1).await;
        scene.db.close().await;
        let written = alice.write(&scene.db, &[], &[]).await;
        assert!(matches!(written, Err(CommitError::Store(StoreError::Closed))), "{written:?}");
        let mut batch = Batch::new();
        preferences::replace(&mut batch, alice.id, &[]);
        let run = scene.db.run(batch).await;
        assert!(matches!(run, Err(RunError::Store(StoreError::Closed))), "{run:?}");
    }

    /// An import is one commit of very many records.
    async fn a_hundred_thousand_records_are_one_commit(scene) {
        const RECORDS: usize = 100_000;
        let db = &scene.db;
        let alice = scene.account(1).await;
        let paths: Vec<String> = (0..RECORDS).map(|n| format!("a.b.c/{n}")).collect();
        let value = [7u8; 300];
        let puts: Vec<(&str, &[u8])> = paths.iter().map(|path| (&path[..], &value[..])).collect();
        let mut commit = alice.commit(&puts, &[]);
        commit.frames.clear();
        let done = db.commit(commit).await.expect("written");
        assert_eq!(done.events, []);
        assert_eq!(records::count(db, alice.id).await.expect("read"), RECORDS as i64);
    }
}

#[tokio::test]
async fn a_second_owner_is_told_whose_the_database_is() {
    let scene = Scene::sqlite().await;
    let refused = open(&scene.location, &scene.clock).await.map(drop);
    let text = refused.expect_err("it has an owner").to_string();
    assert!(text.contains("belongs to another running Freehold (process "), "{text}");
    scene.db.close().await;
    open(&scene.location, &scene.clock).await.expect("it is free again").close().await;
}

#[tokio::test]
async fn a_reader_beside_the_owner_sees_what_it_wrote_and_writes_nothing() {
    let scene = Scene::sqlite().await;
    let alice = scene.account(1).await;
    let settings = DbSettings::new(scene.location.clone());
    let reader = Db::open_to_read(settings).await.expect("beside the owner");
    let found = accounts::find_by_did(&reader, &alice.did).await.expect("read");
    assert_eq!(found.map(|account| account.id), Some(alice.id));
    assert!(reader.commit(alice.commit(&[], &[])).await.is_err());
    assert!(accounts::allocate_id(&reader).await.is_err());
}
