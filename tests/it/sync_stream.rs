//! The event stream, as relays and other subscribers see it.

use freehold::atproto::event::{EventKind, HostingStatus, Message};
use reqwest::Method;
use serde_json::json;

const STREAM: &str = "com.atproto.sync.subscribeRepos";

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq().expect("a numbered message")).collect()
}

fn kind(message: &Message) -> Option<EventKind> {
    match message {
        Message::Commit(..) => Some(EventKind::Commit),
        Message::Sync(..) => Some(EventKind::Sync),
        Message::Identity(..) => Some(EventKind::Identity),
        Message::Account(..) => Some(EventKind::Account),
        _ => None,
    }
}

on_both_engines! {
    /// A new account is introduced before its repository.
    async fn a_new_account_is_told_in_order(town) {
        let mut relay = town.relay(None).await;
        let alice = town.owner("alice").await;
        let told = relay.read(town, 3).await;
        let kinds: Vec<_> = told.iter().map(kind).collect();
        let expected = [EventKind::Identity, EventKind::Account, EventKind::Commit];
        assert_eq!(kinds, expected.map(Some));
        let [Message::Identity(_, identity), Message::Account(_, account), Message::Commit(_, commit)] =
            &told[..] else { panic!("{told:?}") };
        assert_eq!(identity.did.as_str(), alice.did);
        assert_eq!(identity.handle.as_deref(), Some(&*alice.handle));
        assert_eq!(account.status, HostingStatus::Active);
        assert_eq!((&commit.since, commit.prev_data), (&None, None));
    }

    /// Every write is one commit that can be undone, and they hang together.
    async fn writes_are_commits_that_follow_each_other(town) {
        let alice = town.owner("alice").await;
        let mut relay = town.relay(Some(0)).await;
        let introduced = relay.read(town, 3).await;
        let mut last = introduced[2].clone();
        let mut posts = Vec::new();
        for index in 0..20 {
            posts.push(alice.post(&format!("post {index}")).await);
        }
        for post in &posts[5..10] {
            alice.delete(post).await;
        }
        for message in relay.read(town, 25).await {
            let (Message::Commit(before, old), Message::Commit(seq, new)) = (&last, &message) else {
                panic!("{message:?}")
            };
            assert!(seq > before);
            assert_eq!(new.since.as_ref(), Some(&old.rev));
            assert!(new.rev.as_str() > old.rev.as_str());
            assert_eq!(new.ops.len(), 1);
            last = message;
        }
    }

    /// A cursor gets exactly what follows it, after a restart as well.
    async fn a_cursor_is_continued_where_it_stood(town) {
        let alice = town.owner("alice").await;
        for index in 0..5 {
            alice.post(&format!("post {index}")).await;
        }
        let all = town.relay(Some(0)).await.read(town, 8).await;
        let numbers = seqs(&all);
        assert!(numbers.is_sorted());
        let rest = town.relay(Some(numbers[3])).await.read(town, 4).await;
        assert_eq!(rest, all[4..]);

        town.restart().await;
        assert_eq!(town.relay(Some(0)).await.read(town, 8).await, all);
        let mut live = town.relay(Some(numbers[7])).await;
        let alice = town.log_in(&alice).await;
        alice.post("after the restart").await;
        let next = live.next(town).await.expect("a message");
        assert!(next.seq() > Some(numbers[7]));
    }

    /// Somebody who knows more than we do is refused on the stream.
    async fn a_future_cursor_is_refused(town) {
        town.owner("alice").await;
        let mut relay = town.relay(Some(1 << 52)).await;
        let refusal = relay.next(town).await.expect("a message");
        assert!(matches!(&refusal, Message::Error { name, .. } if name == "FutureCursor"));
        assert_eq!(relay.end().await, Some(1008));
    }

    /// What is older than three days is not sent any more, and that is said.
    async fn an_outdated_cursor_gets_the_window_and_is_told(town) {
        let alice = town.owner("alice").await;
        let days = |days: u64| std::time::Duration::from_secs(days * 24 * 60 * 60);
        town.world.clock.advance(days(4));
        let alice = town.log_in(&alice).await;
        alice.post("young").await;
        let mut relay = town.relay(Some(0)).await;
        let info = relay.next(town).await.expect("a message");
        assert!(matches!(&info, Message::Info { name, .. } if name == "OutdatedCursor"));
        assert_eq!(kind(&relay.next(town).await.expect("a message")), Some(EventKind::Commit));
    }

    /// Everybody gets the same bytes in the same order.
    async fn many_subscribers_see_the_same(town) {
        let alice = town.owner("alice").await;
        let mut relays = Vec::new();
        for _ in 0..10 {
            relays.push(town.relay(Some(0)).await);
        }
        for index in 0..10 {
            alice.post(&format!("post {index}")).await;
        }
        let first = relays[0].read(town, 13).await;
        for relay in &mut relays[1..] {
            assert_eq!(relay.read(town, 13).await, first);
        }
    }

    /// A stop of the server is a farewell, not a break.
    async fn a_stop_says_good_bye(town) {
        let mut relay = town.relay(None).await;
        town.stop().await;
        assert_eq!(relay.end().await, Some(1001));
        town.start().await;
    }

    /// What is no WebSocket is told so before anything begins.
    async fn a_stream_is_not_to_be_had_by_plain_requests(town) {
        let visitor = town.visitor();
        visitor.query(STREAM, &[]).await.refused(426, "UpgradeRequired");
        visitor.query(STREAM, &[("cursor", "x")]).await.refused(400, "InvalidRequest");
        let path = format!("/xrpc/{STREAM}");
        let post = visitor.request(Method::POST, &path).json(&json!({}));
        visitor.send("a POST", post).await.refused(405, "InvalidRequest");
    }
}
