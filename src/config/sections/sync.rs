//! `[sync]`: the event stream and the relays that read it.

use std::time::Duration;

use url::Url;

use crate::config::reader::Reader;

use super::server::ServerConfig;
use super::services::OwnDefaults;

/// A reader further behind the head than this is disconnected; the official
/// server's value is 500, too few for one batch of a busy second.
const SUBSCRIBER_LAG_EVENTS_MAX: u64 = 5_000;

/// How far back the stream replays: three days outlast most outages of a
/// relay; the log keeps no more.
const BACKFILL: Duration = Duration::from_secs(72 * 60 * 60);

/// Section `[sync]`.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// Relays that are told when there is something new.
    pub crawlers: Vec<Url>,
    /// Events that a live reader may fall behind.
    pub subscriber_lag_events_max: u64,
    /// How old events may be that a cursor still gets.
    pub backfill: Duration,
}

impl SyncConfig {
    pub(in crate::config) fn read(
        reader: &mut Reader,
        server: &ServerConfig,
        own_defaults: OwnDefaults,
    ) -> Self {
        let network = own_defaults == OwnDefaults::Hold && server.is_public();
        let relay = Url::parse("https://bsky.network").expect("a literal of the right form");
        let mut section = reader.section("sync");
        Self {
            crawlers: section.list("crawlers", if network { vec![relay] } else { Vec::new() }),
            subscriber_lag_events_max: section
                .or("subscriber_lag_events_max", SUBSCRIBER_LAG_EVENTS_MAX),
            backfill: section.millis("backfill_ms", BACKFILL),
        }
    }
}
