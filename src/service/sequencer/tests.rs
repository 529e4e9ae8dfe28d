//! The stream over a real SQLite store, on a clock that stands still.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::{
    atproto::event::{Frame, IdentityEvent, Message},
    service::tasks::Tasks,
    store::{AccountId, Batch, Commit, DbSettings, Location},
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const SETTINGS: SequencerSettings = SequencerSettings {
    backfill: Duration::from_secs(72 * 60 * 60),
    lag_events_max: 50,
    subscribers_max: 3,
    ring_bytes_max: 1 << 20,
};

/// A store with a sequencer over it.
struct Stream {
    db: Db,
    clock: Clock,
    sequencer: Sequencer,
    tasks: Tasks,
    _folder: TempDir,
}

impl Stream {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::fake();
        let now = clock.clone();
        let location = Location::Sqlite(folder.path().join("test.sqlite"));
        let now_us = Arc::new(move || now.now_us());
        let db = Db::open(DbSettings::new(location), now_us).await.expect("opens");
        let tasks = Tasks::new(clock.clone());
        let sequencer = Self::follow(&db, &clock, &tasks).await;
        Self { db, clock, sequencer, tasks, _folder: folder }
    }

    async fn follow(db: &Db, clock: &Clock, tasks: &Tasks) -> Sequencer {
        let opened = Sequencer::open(db.clone(), clock.clone(), SETTINGS, tasks.stop_token()).await;
        let (sequencer, feed) = opened.expect("opens");
        let following = sequencer.clone();
        tasks.run("follow", async move {
            following.follow(feed).await;
            Ok(())
        });
        sequencer
    }

    /// Starts anew, as after a restart: the ring is empty.
    async fn restart(&mut self) {
        self.sequencer = Self::follow(&self.db, &self.clock, &self.tasks).await;
    }

    /// Says `count` things in one commit and returns their numbers.
    async fn say(&self, count: usize) -> Vec<u64> {
        let event = IdentityEvent {
            did: "did:plc:asdf123".parse().expect("a DID"),
            handle: None,
            time: self.clock.now(),
        };
        let commit = Commit {
            account: AccountId(1),
            batch: Batch::new(),
            repo: None,
            frames: vec![Frame::identity(&event); count],
        };
        let events = self.db.commit(commit).await.expect("commits").events;
        events.iter().map(|event| event.seq).collect()
    }

    /// Says something and waits until the ring has it.
    async fn say_heard(&self, count: usize) -> Vec<u64> {
        let seqs = self.say(count).await;
        let last = seqs.last().copied().unwrap_or(0);
        self.sequencer.wait_after(last - 1).await;
        seqs
    }

    async fn subscribe(&self, cursor: u64) -> Subscription {
        self.sequencer.subscribe(Some(cursor)).await.expect("subscribes")
    }
}

fn seqs(frames: &[Bytes]) -> Vec<u64> {
    let seq = |frame: &Bytes| Message::decode(frame).ok()?.seq();
    frames.iter().map(|frame| seq(frame).expect("a numbered message")).collect()
}

/// Reads until `count` events have come.
async fn read(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut read = Vec::new();
    while read.len() < count {
        read.extend(seqs(&subscription.next().await.expect("goes on")));
    }
    read
}

/// Says whether nothing is there to be read now.
async fn is_at_head(subscription: &mut Subscription) -> bool {
    tokio::select! {
        biased;
        _ = subscription.next() => false,
        () = tokio::task::yield_now() => true,
    }
}

#[tokio::test]
async fn a_live_subscriber_gets_only_what_is_new() {
    let stream = Stream::open().await;
    stream.say_heard(3).await;
    let mut live = stream.sequencer.subscribe(None).await.expect("subscribes");
    assert!(is_at_head(&mut live).await);
    let said = stream.say(2).await;
    assert_eq!(read(&mut live, 2).await, said);
    assert!(is_at_head(&mut live).await);
}

#[tokio::test]
async fn a_cursor_gets_what_follows_from_the_ring_and_from_the_log() {
    let mut stream = Stream::open().await;
    let said = stream.say_heard(300).await;
    for cursor in [0, 10, 150] {
        let mut from_ring = stream.subscribe(said[cursor]).await;
        assert_eq!(read(&mut from_ring, 299 - cursor).await, said[cursor + 1..]);
        assert_eq!(from_ring.history(), History::Whole);
    }
    stream.restart().await;
    let more = stream.say(5).await;
    let all = [said, more].concat();
    let mut from_log = stream.subscribe(0).await;
    assert_eq!(read(&mut from_log, 305).await, all);
    assert!(is_at_head(&mut from_log).await);
    assert_eq!(from_log.history(), History::Whole);
}

#[tokio::test]
async fn a_cursor_at_the_head_waits_and_one_ahead_is_refused() {
    let stream = Stream::open().await;
    let head = stream.say_heard(1).await[0];
    let mut at_head = stream.subscribe(head).await;
    assert!(is_at_head(&mut at_head).await);
    let ahead = stream.sequencer.subscribe(Some(head + 1)).await;
    assert!(matches!(ahead, Err(SubscribeError::FutureCursor { .. })));
    let said = stream.say(1).await;
    assert_eq!(read(&mut at_head, 1).await, said);
}

#[tokio::test]
async fn events_that_the_feed_did_not_tell_are_read_from_the_log() {
    let stream = Stream::open().await;
    let stop = CancellationToken::new();
    let opened = Sequencer::open(stream.db.clone(), stream.clock.clone(), SETTINGS, stop).await;
    // Nobody follows this one's feed: all its events are another node's.
    let (other, _feed) = opened.expect("opens");
    let mut live = other.subscribe(None).await.expect("subscribes");
    let said = stream.say(40).await;
    assert!(is_at_head(&mut live).await);
    let cursor = other.subscribe(Some(said[39])).await;
    assert!(cursor.is_ok(), "a cursor that another node told is not in the future");
    other.catch_up().await.expect("reads the log");
    assert_eq!(read(&mut live, 40).await, said);
}

#[tokio::test]
async fn what_is_older_than_the_window_is_not_sent_and_that_is_said() {
    let stream = Stream::open().await;
    let old = stream.say_heard(3).await;
    stream.clock.advance(HOUR * 71);
    let young = stream.say_heard(3).await;
    let mut whole = stream.subscribe(0).await;
    assert_eq!(whole.history(), History::Whole);
    assert_eq!(read(&mut whole, 6).await, [old.clone(), young.clone()].concat());

    stream.clock.advance(HOUR * 2);
    for cursor in [0, old[0], old[1]] {
        let mut outdated = stream.subscribe(cursor).await;
        assert_eq!(outdated.history(), History::Outdated);
        assert_eq!(read(&mut outdated, 3).await, young);
    }
    let mut last_old = stream.subscribe(old[2]).await;
    assert_eq!(last_old.history(), History::Whole);
    assert_eq!(read(&mut last_old, 3).await, young);
}

#[tokio::test]
async fn pruning_keeps_the_window_and_a_trace_of_what_was() {
    let mut stream = Stream::open().await;
    let old = stream.say_heard(3).await;
    assert_eq!(stream.sequencer.prune(stream.clock.now()).await.ok(), Some(0));
    stream.clock.advance(HOUR * 72);
    let young = stream.say_heard(2).await;
    let pruned = stream.sequencer.prune(stream.clock.now()).await;
    assert_eq!(pruned.ok(), Some(0), "an event has an hour more than the window");
    stream.clock.advance(HOUR * 2);
    let further = stream.say_heard(1).await;
    stream.clock.advance(HOUR * 72);
    let kept = stream.say_heard(1).await;
    let pruned = stream.sequencer.prune(stream.clock.now()).await;
    assert_eq!(pruned.ok(), Some(3), "the old ones, and the young tell that there were some");
    stream.restart().await;
    let mut outdated = stream.subscribe(0).await;
    assert_eq!(outdated.history(), History::Outdated);
    assert_eq!(read(&mut outdated, 2).await, [further, kept].concat());
    assert!(young[0] > old[2]);
}

#[tokio::test]
async fn a_live_subscriber_who_falls_behind_is_dismissed() {
    let stream = Stream::open().await;
    let mut slow = stream.sequencer.subscribe(None).await.expect("subscribes");
    assert!(is_at_head(&mut slow).await);
    let said = stream.say_heard(50).await;
    assert_eq!(read(&mut slow, 50).await, said, "as far behind as is allowed");
    assert!(is_at_head(&mut slow).await);
    stream.say_heard(51).await;
    assert!(matches!(slow.next().await, Err(Ended::TooSlow)));
}

#[tokio::test]
async fn reading_history_may_take_its_time() {
    let mut stream = Stream::open().await;
    let said = stream.say_heard(200).await;
    stream.restart().await;
    let mut reader = stream.subscribe(said[0]).await;
    assert_eq!(seqs(&reader.next().await.expect("a page")), said[1..101]);
    stream.say_heard(200).await;
    assert_eq!(read(&mut reader, 299).await.len(), 299);
}

#[tokio::test]
async fn there_are_only_so_many_places_and_they_are_given_back() {
    let stream = Stream::open().await;
    let mut places = Vec::new();
    for _ in 0..SETTINGS.subscribers_max {
        places.push(stream.sequencer.subscribe(None).await.expect("a place"));
    }
    let refused = stream.sequencer.subscribe(None).await;
    assert!(matches!(refused, Err(SubscribeError::Full)));
    places.pop();
    assert!(stream.sequencer.subscribe(None).await.is_ok());
}

#[tokio::test]
async fn subscriptions_end_when_the_server_stops() {
    let stream = Stream::open().await;
    let mut live = stream.sequencer.subscribe(None).await.expect("subscribes");
    assert!(is_at_head(&mut live).await);
    stream.tasks.stop();
    assert!(matches!(live.next().await, Err(Ended::Stopped)));
}
