//! Which tasks a server has, and how often each runs. What they do stands in
//! the services.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Database};
use crate::service::Services;
use crate::service::accounts::DEAD_AFTER;
use crate::service::crawlers::Crawlers;
use crate::service::tasks::Tasks;
use crate::store::EventFeed;

/// Events leave the log an hour after they leave the window of cursors; more
/// often than this brings nothing.
const PRUNE_EVENTS_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long an event of another node of this server may take to reach the
/// subscribers of this one.
const CATCH_UP_EVERY: Duration = Duration::from_secs(1);
/// Creations that were cut off are rare, and nobody waits for their end.
const UNDO_CREATIONS_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long an account waits that a directory left in doubt, and how soon a key
/// is used that its owner has put into the DID document.
const RESUME_ROTATIONS_EVERY: Duration = Duration::from_secs(60);
/// An owner who set a date for the end of the account waits no longer than this.
const DELETE_DUE_EVERY: Duration = Duration::from_secs(5 * 60);
/// Sessions and nonces that have ended take little room.
const DELETE_ENDED_EVERY: Duration = Duration::from_secs(60 * 60);
/// Bytes of blobs outlive their last reference by this much at most.
const SWEEP_BLOBS_EVERY: Duration = Duration::from_secs(60);
/// Codes and letters that are over take little room.
const DELETE_OLD_MAIL_EVERY: Duration = Duration::from_secs(60 * 60);
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
    tasks.every("sweep blobs that nothing needs", SWEEP_BLOBS_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.blobs.sweep().await?) }
    });
    let identity = services.identity.clone();
    tasks.run("refresh identities in use", async move {
        identity.keep_fresh().await;
        Ok(())
    });
    let all = services.clone();
    tasks.every("forget old identities", DELETE_OLD_DOCUMENTS_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.identity.delete_old_documents().await?) }
    });
    start_for_accounts(config, services, tasks);
    start_for_apps(services, tasks);
    start_for_mail(services, tasks);
}

fn start_for_apps(services: &Arc<Services>, tasks: &Tasks) {
    let all = services.clone();
    tasks.every("forget what apps asked for and had", DELETE_ENDED_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.oauth.delete_expired().await?) }
    });
    let all = services.clone();
    tasks.every("forget browsers that are not used", DELETE_ENDED_EVERY, move || {
        let services = all.clone();
        async move {
            services.factors.delete_expired().await?;
            Ok(services.devices.delete_unused().await?)
        }
    });
}

fn start_for_mail(services: &Arc<Services>, tasks: &Tasks) {
    let outbox = services.outbox.clone();
    tasks.run("send letters", async move {
        outbox.deliver().await;
        Ok(())
    });
    let all = services.clone();
    tasks.every("forget codes and letters", DELETE_OLD_MAIL_EVERY, move || {
        let services = all.clone();
        async move {
            services.email_tokens.delete_expired().await?;
            Ok(services.outbox.delete_old().await?)
        }
    });
}

fn start_for_accounts(config: &Config, services: &Arc<Services>, tasks: &Tasks) {
    let clock = services.world.clock.clone();
    let now = clock.now();
    // On SQLite nobody else can be at work on what stands in the journal.
    let dead = match config.database {
        Database::Sqlite { .. } => now,
        Database::Postgres { .. } => now.minus(DEAD_AFTER),
    };
    let all = services.clone();
    tasks.run("undo creations that a crash cut off", async move {
        Ok(all.accounts.undo_begun_before(dead).await?)
    });
    let all = services.clone();
    tasks.every("undo creations that were cut off", UNDO_CREATIONS_EVERY, move || {
        let services = all.clone();
        let dead = clock.now().minus(DEAD_AFTER);
        async move { Ok(services.accounts.undo_begun_before(dead).await?) }
    });
    let all = services.clone();
    tasks.run("go on with changes of keys that were cut off", async move {
        Ok(all.accounts.resume_rotations().await?)
    });
    let all = services.clone();
    tasks.every("go on with changes of keys", RESUME_ROTATIONS_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.accounts.resume_rotations().await?) }
    });
    let all = services.clone();
    tasks.run("finish deletions that a crash cut off", async move {
        Ok(all.accounts.finish_deletions().await?)
    });
    let all = services.clone();
    tasks.every("delete accounts whose time has come", DELETE_DUE_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.accounts.delete_due().await?) }
    });
    let all = services.clone();
    tasks.every("forget ended sessions", DELETE_ENDED_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.sessions.delete_ended().await?) }
    });
    let all = services.clone();
    tasks.every("forget keys that nobody came for", DELETE_ENDED_EVERY, move || {
        let services = all.clone();
        async move { Ok(services.keys.delete_unused().await?) }
    });
}
