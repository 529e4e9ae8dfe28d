//! Builds every service from the configuration: the one place that knows which
//! setting goes where.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, ServiceAddress, keyring::Keyring};
use crate::service::accounts::{AccountParts, AccountSettings, Accounts, InviteRule};
use crate::service::app_passwords::AppPasswords;
use crate::service::blobs::Blobs;
use crate::service::callers::{CallerParts, Callers};
use crate::service::devices::Devices;
use crate::service::email_tokens::EmailTokens;
use crate::service::export::Exports;
use crate::service::factors::{FactorParts, Factors};
use crate::service::identity::{Identity, IdentitySettings};
use crate::service::import::{Admission, IMPORT_BYTES_MAX, ImportSettings, Imports};
use crate::service::invites::{Earning, Invites};
use crate::service::keys::AccountKeys;
use crate::service::lexicons::Lexicons;
use crate::service::lockouts::Lockouts;
use crate::service::oauth::permission_sets::PermissionSets;
use crate::service::oauth::{OAuth, OAuthParts};
use crate::service::outbox::Outbox;
use crate::service::packages::Packages;
use crate::service::passwords::Passwords;
use crate::service::preferences::Preferences;
use crate::service::proxy::{KnownService, Proxy, ProxyLimits, ProxySettings};
use crate::service::rates::{Counting, Rates};
use crate::service::repos::{RepoLimits, Repos};
use crate::service::sequencer::{Sequencer, SequencerSettings};
use crate::service::service_auth::ServiceAuth;
use crate::service::sessions::tokens::Tokens;
use crate::service::sessions::{SessionParts, SessionSettings, Sessions};
use crate::service::tasks::Tasks;
use crate::service::{About, ClientRules, Host, Logo, Look, Services, UploadLimits};
use crate::store::{EventFeed, Store, StoreError, vault::Vault};
use crate::world::World;

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
        let oauth = ground.oauth(config, &keyring, &vault, &lexicons);
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
            app_passwords: AppPasswords::new(store.clone(), world.clone()),
            invites: Invites::new(store.clone(), world.clone(), host.clone(), earning(config)),
            preferences: Preferences::new(store.clone(), world.clone()),
            accounts,
            sessions,
            callers,
            devices: Devices::new(store.clone(), world.clone(), vault),
            factors,
            oauth,
            lexicons,
            email_tokens,
            outbox,
            about: about(config),
            look: look(config).await,
            uploads: upload_limits(config),
            rates: Rates::new(clock, counting(config)),
            clients: client_rules(config),
            blobs: Blobs::new(
                store.clone(),
                world.clone(),
                repos.clone(),
                config.blobs.upload_bytes_max,
            ),
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
        let limits = RepoLimits::default();
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
        keyring: &Keyring,
        vault: &Vault,
        lexicons: &Lexicons,
    ) -> Arc<OAuth> {
        let (store, world) = (self.store.clone(), self.world.clone());
        let parts = OAuthParts {
            sets: PermissionSets::new(store.clone(), world.clone(), lexicons.clone()),
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

fn host(config: &Config) -> Host {
    Host {
        public_url: config.server.public_url.clone(),
        hostname: config.server.hostname.clone(),
        service_did: config.server.service_did.clone(),
        handle_domains: config.identity.handle_domains.clone(),
    }
}

fn identity_settings(config: &Config, keyring: &Keyring) -> IdentitySettings {
    IdentitySettings {
        directory: config.identity.plc_url.clone(),
        rotation_key: keyring.plc_rotation_key.clone(),
    }
}

fn account_settings(config: &Config) -> AccountSettings {
    let invites = match config.accounts.invite_required {
        true => InviteRule::Required,
        false => InviteRule::Open,
    };
    let recovery_key = config.identity.recovery_did_key.as_ref();
    AccountSettings {
        invites,
        recovery_key: recovery_key.and_then(|key| key.0.parse().ok()),
        reset_time_min: config.accounts.login_time_min,
    }
}

fn about(config: &Config) -> About {
    let text = |url: &Option<url::Url>| url.as_ref().map(|url| url.to_string());
    About {
        contact_email: config.contact.email.clone(),
        privacy_policy_url: text(&config.contact.privacy_policy_url),
        terms_of_service_url: text(&config.contact.terms_of_service_url),
    }
}

/// How the pages look. A picture that cannot be read is left out, with a warning:
/// nobody shall be kept out for it.
async fn look(config: &Config) -> Look {
    let branding = &config.branding;
    let mut logo = None;
    if let Some(path) = &branding.logo_file {
        match read_logo(path).await {
            Ok(read) => logo = Some(read),
            Err(why) => {
                let path = path.display();
                tracing::warn!("The picture {path} (branding.logo_file) is not shown: {why}.");
            }
        }
    }
    Look {
        name: branding.name.clone().unwrap_or_else(|| config.server.hostname.clone()),
        color: branding.color.map(|color| color.0),
        logo,
        support_url: branding.support_url.as_ref().map(|url| url.to_string()),
    }
}

/// Bytes of the operator's picture: it is sent with every first page.
const LOGO_BYTES_MAX: u64 = 256 * 1024;

async fn read_logo(path: &Path) -> Result<Logo, String> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let media_type = match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        _ => return Err("its name must end in .png, .jpg, .webp or .svg".to_owned()),
    };
    let told = |error: std::io::Error| error.to_string();
    if tokio::fs::metadata(path).await.map_err(told)?.len() > LOGO_BYTES_MAX {
        return Err(format!("it has more than {LOGO_BYTES_MAX} bytes"));
    }
    let bytes = tokio::fs::read(path).await.map_err(told)?.into();
    Ok(Logo { bytes, media_type: media_type.to_owned() })
}

fn upload_limits(config: &Config) -> UploadLimits {
    UploadLimits {
        blob_bytes_max: config.blobs.upload_bytes_max,
        repository_bytes_max: config.accounts.repo_import_bytes_max.unwrap_or(IMPORT_BYTES_MAX),
    }
}

fn earning(config: &Config) -> Option<Earning> {
    let (interval, epoch) = (config.accounts.invite_interval, config.accounts.invite_epoch);
    let interval = interval.filter(|_| config.accounts.invite_required);
    interval.map(|interval| Earning { interval, epoch })
}

fn counting(config: &Config) -> Counting {
    match config.limits.enabled {
        true => Counting::On,
        false => Counting::Off,
    }
}

fn client_rules(config: &Config) -> ClientRules {
    let limits = &config.limits;
    ClientRules {
        trusted_proxies: limits.trusted_proxies,
        uncounted: limits.bypass_addresses.clone(),
        bypass_key: limits.bypass_key.as_ref().map(|key| key.reveal().to_owned().into()),
    }
}

fn import_settings(config: &Config) -> ImportSettings {
    ImportSettings {
        spool_folder: config.server.data_directory.join("imports"),
        bytes_max: upload_limits(config).repository_bytes_max,
        admission: match config.accounts.repo_imports {
            true => Admission::Open,
            false => Admission::Closed,
        },
    }
}

fn sequencer_settings(config: &Config) -> SequencerSettings {
    SequencerSettings {
        backfill: config.sync.backfill,
        lag_events_max: config.sync.subscriber_lag_events_max,
        ..SequencerSettings::default()
    }
}

fn proxy_settings(config: &Config) -> ProxySettings {
    let known = |address: &Option<ServiceAddress>| {
        let address = address.as_ref()?;
        Some(KnownService { url: address.url.clone(), did: address.did.clone() })
    };
    let answer_bytes_max = usize::try_from(config.proxy.response_bytes_max).unwrap_or(usize::MAX);
    ProxySettings {
        appview: known(&config.services.appview),
        moderation: known(&config.services.moderation),
        reports: known(&config.services.report),
        audience: config.proxy.audience,
        limits: ProxyLimits {
            headers_timeout: config.proxy.headers_timeout,
            idle_timeout: config.proxy.body_timeout,
            answer_bytes_max,
        },
    }
}
