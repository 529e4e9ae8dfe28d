//! What each service is told of the configuration.

use std::path::Path;

use crate::app::memory::Memory;
use crate::config::{Config, ServiceAddress, keyring::Keyring};
use crate::service::accounts::{AccountSettings, InviteRule};
use crate::service::identity::IdentitySettings;
use crate::service::import::{Admission, IMPORT_BYTES_MAX, ImportSettings};
use crate::service::invites::Earning;
use crate::service::proxy::{KnownService, ProxyLimits, ProxySettings};
use crate::service::rates::Counting;
use crate::service::sequencer::SequencerSettings;
use crate::service::{About, ClientRules, Host, Logo, Look, UploadLimits};

pub(super) fn host(config: &Config) -> Host {
    Host {
        public_url: config.server.public_url.clone(),
        hostname: config.server.hostname.clone(),
        service_did: config.server.service_did.clone(),
        handle_domains: config.identity.handle_domains.clone(),
    }
}

pub(super) fn identity_settings(config: &Config, keyring: &Keyring) -> IdentitySettings {
    IdentitySettings {
        directory: config.identity.plc_url.clone(),
        rotation_key: keyring.plc_rotation_key.clone(),
    }
}

pub(super) fn account_settings(config: &Config) -> AccountSettings {
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

pub(super) fn about(config: &Config) -> About {
    let text = |url: &Option<url::Url>| url.as_ref().map(|url| url.to_string());
    About {
        contact_email: config.contact.email.clone(),
        privacy_policy_url: text(&config.contact.privacy_policy_url),
        terms_of_service_url: text(&config.contact.terms_of_service_url),
    }
}

/// How the pages look. A picture that cannot be read is left out, with a warning:
/// nobody shall be kept out for it.
pub(super) async fn look(config: &Config) -> Look {
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

pub(super) fn upload_limits(config: &Config) -> UploadLimits {
    UploadLimits {
        blob_bytes_max: config.blobs.upload_bytes_max,
        repository_bytes_max: config.accounts.repo_import_bytes_max.unwrap_or(IMPORT_BYTES_MAX),
    }
}

pub(super) fn earning(config: &Config) -> Option<Earning> {
    let (interval, epoch) = (config.accounts.invite_interval, config.accounts.invite_epoch);
    let interval = interval.filter(|_| config.accounts.invite_required);
    interval.map(|interval| Earning { interval, epoch })
}

pub(super) fn counting(config: &Config) -> Counting {
    match config.limits.enabled {
        true => Counting::On,
        false => Counting::Off,
    }
}

pub(super) fn client_rules(config: &Config) -> ClientRules {
    let limits = &config.limits;
    ClientRules {
        trusted_proxies: limits.trusted_proxies,
        uncounted: limits.bypass_addresses.clone(),
        bypass_key: limits.bypass_key.as_ref().map(|key| key.reveal().to_owned().into()),
    }
}

pub(super) fn import_settings(config: &Config) -> ImportSettings {
    ImportSettings {
        spool_folder: config.server.data_directory.join("imports"),
        bytes_max: upload_limits(config).repository_bytes_max,
        admission: match config.accounts.repo_imports {
            true => Admission::Open,
            false => Admission::Closed,
        },
    }
}

pub(super) fn sequencer_settings(config: &Config) -> SequencerSettings {
    SequencerSettings {
        backfill: config.sync.backfill,
        lag_events_max: config.sync.subscriber_lag_events_max,
        ring_bytes_max: Memory::of(config).events_bytes,
        ..SequencerSettings::default()
    }
}

pub(super) fn proxy_settings(config: &Config) -> ProxySettings {
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
