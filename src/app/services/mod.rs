//! Builds every service from the configuration: the one place that knows which
//! setting goes where.

mod settings;

use std::sync::Arc;

use crate::app::memory::Memory;
use crate::config::{Config, keyring::Keyring};
use crate::service::accounts::{AccountParts, Accounts};
use crate::service::app_passwords::AppPasswords;
use crate::service::blobs::Blobs;
use crate::service::callers::{CallerParts, Callers};
use crate::service::devices::Devices;
use crate::service::email_tokens::EmailTokens;
use crate::service::export::Exports;
use crate::service::factors::{FactorParts, Factors};
use crate::service::identity::Identity;
use crate::service::import::Imports;
use crate::service::invites::Invites;
use crate::service::keys::AccountKeys;
use crate::service::lexicons::Lexicons;
use crate::service::lockouts::Lockouts;
use crate::service::migration::Moves;
use crate::service::oauth::permission_sets::PermissionSets;
use crate::service::oauth::{OAuth, OAuthParts};
use crate::service::outbox::Outbox;
use crate::service::packages::Packages;
use crate::service::passkeys::{PasskeyParts, Passkeys};
use crate::service::passwords::Passwords;
use crate::service::preferences::Preferences;
use crate::service::proxy::Proxy;
use crate::service::rates::Rates;
use crate::service::repos::{RepoLimits, Repos};
use crate::service::sequencer::Sequencer;
use crate::service::service_auth::ServiceAuth;
use crate::service::sessions::tokens::Tokens;
use crate::service::sessions::{SessionParts, SessionSettings, Sessions};
use crate::service::tasks::Tasks;
use crate::service::{Host, Services};
use crate::store::{EventFeed, Store, StoreError, vault::Vault};
use crate::world::World;
use settings::{
    about, account_settings, client_rules, counting, earning, host, identity_settings,
    import_settings, look, proxy_settings, sequencer_settings, upload_limits,
};

/// What services are built from.
pub(super) struct Wiring<'a> {
    pub(super) config: &'a Config,
    pub(super) keyring: Keyring,
    pub(super) world: World,
    pub(super) store: Store,
    pub(super) tasks: &'a Tasks,
}

impl Wiring<'_> {
    /// Builds all services, and the feed that the sequencer is to follow.
    pub(super) async fn build(self) -> Result<(Services, EventFeed), StoreError> {
        let Self { config, keyring, world, store, tasks } = self;
        let vault = Vault::new(&keyring.master_key);
        let ground = Ground::lay(config, &keyring, &vault, (world, store));
        let lexicons = Lexicons::new(ground.world.clone(), ground.identity.clone());
        let sets =
            PermissionSets::new(ground.store.clone(), ground.world.clone(), lexicons.clone());
        let sets = Arc::new(sets);
        let oauth = ground.oauth(config, (&keyring, &vault), &sets);
        let People { accounts, sessions, callers, factors } =
            ground.people(config, (&keyring, &vault), &oauth);
        let Ground { store, world, host, identity, keys, repos, email_tokens, outbox } = ground;
        let (db, own_did) = (store.db.clone(), host.service_did.clone());
        let service_auth = ServiceAuth::new(db, keys.clone(), world.clone(), own_did);
        let settings = sequencer_settings(config);
        let stop = tasks.stop_token();
        let (sequencer, feed) =
            Sequencer::open(store.db.clone(), world.clock.clone(), settings, stop).await?;
        let clock = world.clock.clone();
        let exports = Exports::new(repos.clone(), store.db.clone(), clock.clone(), tasks.clone());
        let exports = Arc::new(exports);
        let spool_folder = config.server.data_directory.join("exports");
        let services = Services {
            packages: Packages::new(store.clone(), world.clone(), exports.clone(), spool_folder),
            proxy: Proxy::new(
                store.db.clone(),
                world.clone(),
                identity.clone(),
                service_auth.clone(),
                proxy_settings(config),
            ),
            exports,
            app_passwords: AppPasswords::new(store.clone(), world.clone(), sets),
            invites: Invites::new(store.clone(), world.clone(), host.clone(), earning(config)),
            preferences: Preferences::new(store.clone(), world.clone()),
            accounts,
            sessions,
            callers,
            devices: Devices::new(store.clone(), world.clone(), vault.clone()),
            passkeys: passkeys(config, (&store, &world, &vault), &host, &factors),
            factors,
            oauth,
            moves: Moves::new(world.clone(), config.identity.plc_url.clone(), tasks.clone()),
            lexicons,
            email_tokens,
            outbox,
            about: about(config),
            look: look(config).await,
            uploads: upload_limits(config),
            rates: Rates::new(clock, counting(config)),
            clients: client_rules(config),
            blobs: blobs(config, (&store, &world), &repos),
            imports: Imports::new(
                store.clone(),
                world.clone(),
                repos.clone(),
                identity.clone(),
                import_settings(config),
            ),
            host,
            identity,
            keys,
            repos,
            service_auth,
            sequencer,
            store,
            world,
        };
        Ok((services, feed))
    }
}

/// What the services about people stand on.
struct Ground {
    store: Store,
    world: World,
    host: Host,
    identity: Arc<Identity>,
    keys: AccountKeys,
    repos: Arc<Repos>,
    email_tokens: Arc<EmailTokens>,
    outbox: Arc<Outbox>,
}

/// The services about people: who they are, and who calls.
struct People {
    accounts: Accounts,
    sessions: Arc<Sessions>,
    callers: Callers,
    factors: Arc<Factors>,
}

impl Ground {
    fn lay(
        config: &Config,
        keyring: &Keyring,
        vault: &Vault,
        (world, store): (World, Store),
    ) -> Self {
        let host = host(config);
        let settings = identity_settings(config, keyring);
        let identity = Identity::new(store.clone(), world.clone(), host.clone(), settings);
        let keys = AccountKeys::new(store.db.clone(), vault.clone(), world.clone());
        let outbox = Arc::new(Outbox::new(store.db.clone(), vault.clone(), world.clone()));
        let (db, own_vault) = (store.db.clone(), vault.clone());
        let email_tokens = EmailTokens::new(db, own_vault, world.clone(), outbox.clone());
        let limits = RepoLimits { tree_cache_bytes_max: Memory::of(config).trees_bytes };
        let repos = Repos::new(store.clone(), keys.clone(), world.clone(), limits);
        Self {
            identity: Arc::new(identity),
            repos: Arc::new(repos),
            email_tokens: Arc::new(email_tokens),
            store,
            world,
            host,
            keys,
            outbox,
        }
    }

    fn oauth(
        &self,
        config: &Config,
        (keyring, vault): (&Keyring, &Vault),
        sets: &Arc<PermissionSets>,
    ) -> Arc<OAuth> {
        let (store, world) = (self.store.clone(), self.world.clone());
        let parts = OAuthParts {
            sets: sets.clone(),
            store,
            world,
            host: self.host.clone(),
            vault: vault.clone(),
            trusted_clients: config.oauth.trusted_clients.clone(),
        };
        Arc::new(OAuth::new(parts, keyring.jwt_secret.reveal().as_bytes()))
    }

    fn people(
        &self,
        config: &Config,
        (keyring, vault): (&Keyring, &Vault),
        oauth: &Arc<OAuth>,
    ) -> People {
        let tokens =
            Tokens::new(keyring.jwt_secret.reveal().as_bytes(), self.host.service_did.clone());
        let passwords = Passwords::new(self.world.entropy.clone());
        let (factors, lockouts) = self.factors(vault);
        let parts = SessionParts {
            store: self.store.clone(),
            world: self.world.clone(),
            host: self.host.clone(),
            identity: self.identity.clone(),
            passwords: passwords.clone(),
            tokens: tokens.clone(),
            factors: factors.clone(),
            lockouts,
        };
        let login_time_min = config.accounts.login_time_min;
        let sessions = Arc::new(Sessions::new(parts, SessionSettings { login_time_min }));
        let parts = AccountParts {
            store: self.store.clone(),
            world: self.world.clone(),
            host: self.host.clone(),
            identity: self.identity.clone(),
            keys: self.keys.clone(),
            repos: self.repos.clone(),
            passwords,
            sessions: sessions.clone(),
            email_tokens: self.email_tokens.clone(),
            outbox: self.outbox.clone(),
            factors: factors.clone(),
        };
        let accounts = Accounts::new(parts, account_settings(config));
        let parts = CallerParts {
            store: self.store.clone(),
            world: self.world.clone(),
            identity: self.identity.clone(),
            tokens,
            oauth: oauth.clone(),
            service_did: self.host.service_did.clone(),
            moderation: config.services.moderation.as_ref().map(|service| service.did.clone()),
        };
        let callers = Callers::new(parts, keyring.admin_password.reveal());
        People { accounts, sessions, callers, factors }
    }

    fn factors(&self, vault: &Vault) -> (Arc<Factors>, Arc<Lockouts>) {
        let lockouts = Arc::new(Lockouts::new(self.world.clock.clone()));
        let parts = FactorParts {
            store: self.store.clone(),
            world: self.world.clone(),
            vault: vault.clone(),
            email_tokens: self.email_tokens.clone(),
            outbox: self.outbox.clone(),
            lockouts: lockouts.clone(),
        };
        (Arc::new(Factors::new(parts)), lockouts)
    }
}

fn passkeys(
    config: &Config,
    (store, world, vault): (&Store, &World, &Vault),
    host: &Host,
    factors: &Arc<Factors>,
) -> Passkeys {
    let parts = PasskeyParts {
        store: store.clone(),
        world: world.clone(),
        vault: vault.clone(),
        factors: factors.clone(),
    };
    Passkeys::new(parts, host, config.branding.name.as_deref().unwrap_or(&host.hostname))
}

fn blobs(config: &Config, (store, world): (&Store, &World), repos: &Arc<Repos>) -> Blobs {
    Blobs::new(store.clone(), world.clone(), repos.clone(), config.blobs.upload_bytes_max)
}
