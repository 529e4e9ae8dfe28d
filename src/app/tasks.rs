//! Which tasks a server has, and how often each runs. What they do stands in
//! the services.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Database};
use crate::service::Services;
use crate::service::crawlers::Crawlers;
use crate::service::tasks::Tasks;
use crate::store::EventFeed;

/// Events leave the log an hour after they leave the window of cursors; more
/// often than this brings nothing.
const PRUNE_EVENTS_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long an event of another node of this server may take to reach the
/// subscribers of this one.
const CATCH_UP_EVERY: Duration = Duration::from_secs(1);
/// Documents that nobody asked for are small.
const DELETE_OLD_DOCUMENTS_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Starts every task of a server.
pub(super) fn start(config: &Config, services: &Arc<Services>, feed: EventFeed, tasks: &Tasks) {
    let sequencer = services.sequencer.clone();
    tasks.run("follow the log of events", async move {
        sequencer.follow(feed).await;
        Ok(())
    });
    let crawlers = Crawlers::new(
        config.server.hostname.clone(),
        config.sync.crawlers.iter().cloned(),
        services.world.http.clone(),
        services.world.clock.clone(),
    );
    let sequencer = services.sequencer.clone();
    tasks.run("tell relays of news", async move {
        crawlers.follow(sequencer).await;
        Ok(())
    });
    let all = services.clone();
    tasks.every("prune the log of events", PRUNE_EVENTS_EVERY, move || {
        let services = all.clone();
        async move {
            services.sequencer.prune(services.world.clock.now()).await?;
            Ok(())
        }
    });
    if let Database::Postgres { .. } = config.database {
        let sequencer = services.sequencer.clone();
        tasks.every("read what other nodes wrote", CATCH_UP_EVERY, move || {
            let sequencer = sequencer.clone();
            async move { Ok(sequencer.catch_up().await?) }
        });
    }
    let all = services.clone();
    tasks.every("forget old identities", DELETE_OLD_DOCUMENTS_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.identity.delete_old_documents().await?) }
    });
}
