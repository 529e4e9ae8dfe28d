//! The newest events, in memory.
//!
//! Bounded in number and in bytes; the oldest go first. Everything after the
//! ring's floor is in it, so a reader whose cursor is not below the floor needs
//! no log.

use std::{collections::VecDeque, sync::Arc};

use crate::store::Event;

/// How much the ring keeps.
#[derive(Clone, Copy, Debug)]
pub struct RingLimits {
    /// Events.
    pub events_max: usize,
    /// Bytes of their frames.
    pub bytes_max: usize,
}

/// How much a reader takes at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    pub events_max: usize,
    pub bytes_max: usize,
}

/// The newest events in order.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    size_bytes: usize,
    /// Every event with a greater `seq`, up to the head, is here.
    floor: u64,
    /// The `seq` of the last event.
    head: u64,
    /// How many events were pushed in all.
    pushed: u64,
    limits: RingLimits,
}

/// What the ring has for a cursor.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// The next events, and the ordinal of the last of them.
    Events(Vec<Arc<Event>>, u64),
    /// Nothing is newer. The ordinal of the head.
    AtHead(u64),
    /// The next event may have left the ring.
    BelowFloor,
}

impl Ring {
    /// Returns an empty ring for events after `head`.
    pub(super) fn new(head: u64, limits: RingLimits) -> Self {
        Self { events: VecDeque::new(), size_bytes: 0, floor: head, head, pushed: 0, limits }
    }

    /// Returns the `seq` of the last event.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Returns how many events were pushed in all: the ordinal of the head.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Adds the next event; one that is here already is passed over.
    pub(super) fn push(&mut self, event: Arc<Event>) {
        if event.seq <= self.head {
            return;
        }
        self.head = event.seq;
        self.pushed += 1;
        self.size_bytes += event.bytes.len();
        self.events.push_back(event);
        while self.events.len() > self.limits.events_max || self.size_bytes > self.limits.bytes_max
        {
            let Some(oldest) = self.events.pop_front() else { return };
            self.size_bytes -= oldest.bytes.len();
            self.floor = oldest.seq;
        }
    }

    /// Finds what follows `cursor`.
    pub(super) fn after(&self, cursor: u64, take: Take) -> Found {
        if cursor >= self.head {
            return Found::AtHead(self.pushed);
        }
        if cursor < self.floor {
            return Found::BelowFloor;
        }
        let first = self.events.partition_point(|event| event.seq <= cursor);
        let mut size_bytes = 0;
        let fitting = self.events.range(first..).take(take.events_max).take_while(|event| {
            let first = size_bytes == 0;
            size_bytes += event.bytes.len();
            first || size_bytes <= take.bytes_max
        });
        let events: Vec<_> = fitting.cloned().collect();
        let left = self.events.len() - first - events.len();
        Found::Events(events, self.pushed - left as u64)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        atproto::{Moment, event::EventKind},
        store::AccountId,
    };

    const TAKE: Take = Take { events_max: 3, bytes_max: 100 };

    fn event(seq: u64, size_bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            seq,
            account: AccountId(1),
            did: "did:plc:asdf123".parse().expect("a DID"),
            kind: EventKind::Commit,
            at: Moment::from_unix_ms(0),
            bytes: Bytes::from(vec![0; size_bytes]),
        })
    }

    fn ring(events: &[(u64, usize)]) -> Ring {
        let mut ring = Ring::new(10, RingLimits { events_max: 4, bytes_max: 100 });
        for (seq, size_bytes) in events {
            ring.push(event(*seq, *size_bytes));
        }
        ring
    }

    fn seqs(found: &Found) -> Option<(Vec<u64>, u64)> {
        match found {
            Found::Events(events, ordinal) => {
                Some((events.iter().map(|event| event.seq).collect(), *ordinal))
            }
            _ => None,
        }
    }

    #[test]
    fn a_cursor_gets_what_follows_it() {
        let ring = ring(&[(11, 1), (15, 1), (16, 1), (20, 1)]);
        for (cursor, expected) in [
            (10, (vec![11, 15, 16], 3)),
            (11, (vec![15, 16, 20], 4)),
            (13, (vec![15, 16, 20], 4)),
            (19, (vec![20], 4)),
        ] {
            assert_eq!(seqs(&ring.after(cursor, TAKE)), Some(expected), "{cursor}");
        }
        assert_eq!(ring.after(20, TAKE), Found::AtHead(4));
        assert_eq!(ring.after(25, TAKE), Found::AtHead(4));
        assert_eq!(ring.after(9, TAKE), Found::BelowFloor);
    }

    #[test]
    fn the_oldest_leave_when_there_are_too_many() {
        let ring = ring(&[(11, 1), (12, 1), (13, 1), (14, 1), (15, 1)]);
        assert_eq!(ring.after(10, TAKE), Found::BelowFloor);
        assert_eq!(seqs(&ring.after(11, TAKE)), Some((vec![12, 13, 14], 4)));
    }

    #[test]
    fn the_oldest_leave_when_they_are_too_large() {
        let ring = ring(&[(11, 40), (12, 40), (13, 40)]);
        assert_eq!(ring.after(10, TAKE), Found::BelowFloor);
        assert_eq!(seqs(&ring.after(11, TAKE)), Some((vec![12, 13], 3)));
    }

    #[test]
    fn one_event_larger_than_the_ring_is_read_from_the_log() {
        let ring = ring(&[(11, 40), (12, 101)]);
        assert_eq!(ring.after(11, TAKE), Found::BelowFloor);
        assert_eq!(ring.after(12, TAKE), Found::AtHead(2));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_but_never_empty() {
        let ring = ring(&[(11, 90), (12, 5), (13, 5)]);
        let take = Take { events_max: 3, bytes_max: 95 };
        assert_eq!(seqs(&ring.after(10, take)), Some((vec![11, 12], 2)));
        let take = Take { events_max: 3, bytes_max: 10 };
        assert_eq!(seqs(&ring.after(10, take)), Some((vec![11], 1)));
    }

    #[test]
    fn an_event_that_comes_twice_counts_once() {
        let ring = ring(&[(11, 1), (12, 1), (11, 1), (12, 1), (13, 1)]);
        assert_eq!(seqs(&ring.after(10, TAKE)), Some((vec![11, 12, 13], 3)));
    }
}
