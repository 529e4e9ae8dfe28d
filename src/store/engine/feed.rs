//! The feed: where durable events go first, in order, before their writers are
//! answered.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::store::{Event, EventFeed, events::Fed};

/// Events that a feed keeps for a slow listener, before it must read the log.
const FEED_EVENTS_MAX: usize = 1024;

/// The end at which events come in.
#[derive(Clone, Debug)]
pub(super) struct Feeding {
    sender: broadcast::Sender<Fed>,
}

impl Feeding {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::Sender::new(FEED_EVENTS_MAX) }
    }

    /// Starts to listen.
    pub(super) fn listen(&self) -> EventFeed {
        EventFeed::new(self.sender.subscribe())
    }

    /// Tells events, the next in order.
    pub(super) fn tell(&self, events: &[Arc<Event>]) {
        for event in events {
            // Nobody may be listening.
            let _ = self.sender.send(Fed::Event(Arc::clone(event)));
        }
    }

    /// Tells that another node has written events.
    pub(super) fn tell_missed(&self) {
        let _ = self.sender.send(Fed::Missed);
    }
}
