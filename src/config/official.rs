//! The official server's environment variables.
//!
//! An operator who comes from the official server brings an environment file
//! of `PDS_*` variables; Freehold starts on it unchanged. Every variable that
//! server reads is in one of the tables here: it maps to a setting, or it is
//! ignored with a warning that says why, or it asks for something without
//! which the server would not be the same server, and starting is refused.
//!
//! The official rules of reading are kept: an empty variable is not set, and
//! so is a yes/no that is none of `true`, `1`, `false`, `0`.

use super::environment::Variables;
use super::reader::{Fault, Given, Origin, Reader, Setting};

/// How a variable's text becomes a setting's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it stands.
    Same,
    /// A yes/no.
    Flag,
    /// A yes/no that our setting asks the other way round.
    FlagReversed,
    /// The name of a log level of the official server's logger.
    Level,
}

use Form::{Flag, FlagReversed, Level, Same};

/// Variables that a setting stands for.
const MAPPED: &[(&str, &str, Form)] = &[
    ("PDS_PORT", "server.port", Same),
    ("PDS_HOSTNAME", "server.hostname", Same),
    ("PDS_SERVICE_DID", "server.service_did", Same),
    ("PDS_DATA_DIRECTORY", "server.data_directory", Same),
    ("PDS_DEV_MODE", "server.dev_mode", Flag),
    ("PDS_PRIVACY_POLICY_URL", "contact.privacy_policy_url", Same),
    ("PDS_TERMS_OF_SERVICE_URL", "contact.terms_of_service_url", Same),
    ("PDS_CONTACT_EMAIL_ADDRESS", "contact.email", Same),
    ("PDS_ACCEPTING_REPO_IMPORTS", "accounts.repo_imports", Flag),
    ("PDS_MAX_REPO_IMPORT_SIZE", "accounts.repo_import_bytes_max", Same),
    ("PDS_INVITE_REQUIRED", "accounts.invite_required", Flag),
    ("PDS_INVITE_INTERVAL", "accounts.invite_interval_ms", Same),
    ("PDS_INVITE_EPOCH", "accounts.invite_epoch_ms", Same),
    ("PDS_BLOB_UPLOAD_LIMIT", "blobs.upload_bytes_max", Same),
    ("PDS_BLOBSTORE_DISK_LOCATION", "blobs.directory", Same),
    ("PDS_DID_PLC_URL", "identity.plc_url", Same),
    ("PDS_RECOVERY_DID_KEY", "identity.recovery_did_key", Same),
    ("PDS_SERVICE_HANDLE_DOMAINS", "identity.handle_domains", Same),
    ("PDS_MAX_SUBSCRIPTION_BUFFER", "sync.subscriber_lag_events_max", Same),
    ("PDS_REPO_BACKFILL_LIMIT_MS", "sync.backfill_ms", Same),
    ("PDS_CRAWLERS", "sync.crawlers", Same),
    ("PDS_BSKY_APP_VIEW_URL", "services.appview_url", Same),
    ("PDS_BSKY_APP_VIEW_DID", "services.appview_did", Same),
    ("PDS_MOD_SERVICE_URL", "services.moderation_url", Same),
    ("PDS_MOD_SERVICE_DID", "services.moderation_did", Same),
    ("PDS_REPORT_SERVICE_URL", "services.report_url", Same),
    ("PDS_REPORT_SERVICE_DID", "services.report_did", Same),
    ("PDS_EMAIL_SMTP_URL", "mail.smtp_url", Same),
    ("PDS_EMAIL_FROM_ADDRESS", "mail.from_address", Same),
    ("PDS_MODERATION_EMAIL_SMTP_URL", "mail.moderation_smtp_url", Same),
    ("PDS_MODERATION_EMAIL_ADDRESS", "mail.moderation_from_address", Same),
    ("PDS_JWT_SECRET", "secrets.jwt_secret", Same),
    ("PDS_ADMIN_PASSWORD", "secrets.admin_password", Same),
    ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", "secrets.plc_rotation_key", Same),
    ("PDS_DISABLE_SSRF_PROTECTION", "outbound.address_guard", FlagReversed),
    ("PDS_PROXY_HEADERS_TIMEOUT", "proxy.headers_timeout_ms", Same),
    ("PDS_PROXY_BODY_TIMEOUT", "proxy.body_timeout_ms", Same),
    ("PDS_PROXY_MAX_RESPONSE_SIZE", "proxy.response_bytes_max", Same),
    ("PDS_RATE_LIMITS_ENABLED", "limits.enabled", Flag),
    ("PDS_RATE_LIMIT_BYPASS_KEY", "limits.bypass_key", Same),
    ("PDS_RATE_LIMIT_BYPASS_IPS", "limits.bypass_addresses", Same),
    ("PDS_OAUTH_TRUSTED_CLIENTS", "oauth.trusted_clients", Same),
    ("PDS_SERVICE_NAME", "branding.name", Same),
    ("PDS_PRIMARY_COLOR", "branding.color", Same),
    ("PDS_SUPPORT_URL", "branding.support_url", Same),
    ("LOG_ENABLED", "log.enabled", Flag),
    ("LOG_LEVEL", "log.level", Level),
    ("LOG_DESTINATION", "log.destination", Same),
];

const OWN_FILES: &str = "Freehold keeps its data in one database of its own";
const PAGES: &str = "the pages of Freehold have one colour, branding.color, and no pictures behind";
const NO_CAPTCHA: &str = "Freehold has no captcha; invite codes guard the sign-up";
const OWN_TIMES: &str = "Freehold has limits of its own for looking up identities";
const NO_REDIS: &str = "Freehold keeps what is short-lived in its own memory";

/// Variables without which the server is still the same server, and why.
const IGNORED: &[(&str, &str)] = &[
    ("PDS_ACCOUNT_DB_LOCATION", OWN_FILES),
    ("PDS_SEQUENCER_DB_LOCATION", OWN_FILES),
    ("PDS_DID_CACHE_DB_LOCATION", OWN_FILES),
    ("PDS_ACTOR_STORE_DIRECTORY", OWN_FILES),
    ("PDS_ACTOR_STORE_CACHE_SIZE", OWN_FILES),
    ("PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT", OWN_FILES),
    (
        "PDS_BLOBSTORE_DISK_TMP_LOCATION",
        "an upload is written within the blobs' own folder, so that it can be renamed into place",
    ),
    ("PDS_EMAIL_DISABLE_CONFIRMATION_LINK", "letters hold codes and no links"),
    ("PDS_HCAPTCHA_SITE_KEY", NO_CAPTCHA),
    ("PDS_HCAPTCHA_SECRET_KEY", NO_CAPTCHA),
    ("PDS_HCAPTCHA_TOKEN_SALT", NO_CAPTCHA),
    ("PDS_ERROR_COLOR", PAGES),
    ("PDS_WARNING_COLOR", PAGES),
    ("PDS_INFO_COLOR", PAGES),
    ("PDS_SUCCESS_COLOR", PAGES),
    ("PDS_BACKGROUND_LIGHT_URL", PAGES),
    ("PDS_BACKGROUND_DARK_URL", PAGES),
    ("PDS_DPOP_SECRET", "it only seeds values that change by themselves"),
    ("PDS_REDIS_SCRATCH_ADDRESS", NO_REDIS),
    ("PDS_REDIS_SCRATCH_PASSWORD", NO_REDIS),
    ("PDS_PROXY_ALLOW_HTTP2", "Freehold settles the version of HTTP with each service"),
    ("PDS_PROXY_MAX_RETRIES", "Freehold never sends a proxied request twice"),
    ("PDS_PROXY_PREFER_COMPRESSED", "Freehold hands on what client and service agree on"),
    ("PDS_LEXICON_AUTHORITY_DID", "each lexicon is asked of its own authority"),
    ("PDS_REPO_SIGNING_KEY_K256_PRIVATE_KEY_HEX", "the official server does not read it either"),
    ("PDS_ENTRYWAY_ADMIN_TOKEN", "there is no entryway"),
    ("PDS_HOME_URL", "the server's name leads to the account"),
    ("PDS_LOGO_URL", "pages show nothing from elsewhere; branding.logo_file takes a picture"),
    (
        "PDS_HANDLE_BACKUP_NAMESERVERS",
        "Freehold asks the system's name servers, or those of identity.nameservers in their place",
    ),
    ("PDS_VERSION", "Freehold reports its own version"),
    ("PDS_ENABLE_DID_DOC_WITH_SESSION", "answers about sessions always hold the DID document"),
    ("PDS_DID_CACHE_STALE_TTL", OWN_TIMES),
    ("PDS_DID_CACHE_MAX_TTL", OWN_TIMES),
    ("PDS_ID_RESOLVER_TIMEOUT", OWN_TIMES),
    ("PDS_FETCH_MAX_RESPONSE_SIZE", "each kind of answer has its own limit"),
    ("PDS_BSKY_APP_VIEW_CDN_URL_PATTERN", "pictures that Freehold puts into answers are its own"),
    ("PDS_BLOBSTORE_S3_REGION", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_ENDPOINT", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_FORCE_PATH_STYLE", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_ACCESS_KEY_ID", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS", "blobs are kept on disk"),
    ("PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS", "blobs are kept on disk"),
    ("LOG_SYSTEMS", "all parts of Freehold log; log.level takes a filter by module"),
];

/// Variables that change what the server is, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "PDS_BLOBSTORE_S3_BUCKET",
        "blobs in S3 are not supported; copy them to a disk and set PDS_BLOBSTORE_DISK_LOCATION",
    ),
    (
        "PDS_PLC_ROTATION_KEY_KMS_KEY_ID",
        "a rotation key in KMS cannot be used; add a rotation key of your own to each account and set PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX",
    ),
    ("PDS_ENTRYWAY_URL", NO_ENTRYWAY),
    ("PDS_ENTRYWAY_DID", NO_ENTRYWAY),
    ("PDS_ENTRYWAY_JWT_VERIFY_KEY_K256_PUBLIC_KEY_HEX", NO_ENTRYWAY),
    ("PDS_ENTRYWAY_PLC_ROTATION_KEY", NO_ENTRYWAY),
];

const NO_ENTRYWAY: &str =
    "a server behind an entryway is not supported; Freehold holds its accounts itself";

/// Where the official server's defaults differ from ours.
const DEFAULTS: &[(&str, &str)] = &[
    ("server.address", "0.0.0.0"),
    ("server.data_directory", "."),
    ("blobs.upload_bytes_max", "5242880"),
];

/// What must be there, as the official server demands it.
pub(super) const REQUIRED_SECRETS: [(&str, &str); 3] = [
    ("jwt_secret", "PDS_JWT_SECRET"),
    ("admin_password", "PDS_ADMIN_PASSWORD"),
    ("plc_rotation_key", "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX"),
];

/// Whether the environment is that of an official installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No `PDS_*` variable is set.
    Own,
    /// At least one is: the official defaults and demands hold.
    Official,
}

/// Gives the reader every setting of the official variables, and says what it
/// could not give.
pub(super) fn read(variables: &Variables, reader: &mut Reader, warnings: &mut Vec<String>) -> Mode {
    let set: Vec<&(String, String)> =
        variables.iter().filter(|(_, text)| !text.is_empty()).collect();
    if !set.iter().any(|(name, _)| name.starts_with("PDS_")) {
        return Mode::Own;
    }
    for (name, text) in set {
        read_one(name, text, reader, warnings);
    }
    for (key, text) in DEFAULTS {
        reader.give_default(key, text);
    }
    Mode::Official
}

fn read_one(name: &str, text: &str, reader: &mut Reader, warnings: &mut Vec<String>) {
    let origin = Origin::Variable(name.to_owned());
    if let Some((key, form)) = mapping(name) {
        match form.apply(text) {
            Some(text) => reader.give(key, Setting { given: Given::One(text), origin }),
            None => warnings
                .push(format!("{name} is neither true, 1, false nor 0; it counts as not set.")),
        }
    } else if let Some((_, why)) = IGNORED.iter().find(|(known, _)| *known == name) {
        warnings.push(format!("{name} has no effect: {why}."));
    } else if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == name) {
        reader.faults.push(Fault {
            key: name.to_owned(),
            origin: None,
            message: (*why).to_owned(),
        });
    } else if name.starts_with("PDS_") {
        warnings.push(format!(
            "{name} is no variable of the official server that Freehold knows; it has no effect."
        ));
    }
}

/// Finds a variable's setting; `..._FILE` of a secret names a file with it.
fn mapping(name: &str) -> Option<(String, Form)> {
    if let Some((_, key, form)) = MAPPED.iter().find(|(known, ..)| *known == name) {
        return Some(((*key).to_owned(), *form));
    }
    let stem = name.strip_suffix("_FILE")?;
    let (_, key, _) = MAPPED.iter().find(|(known, ..)| *known == stem)?;
    super::SECRET_KEYS.contains(key).then(|| (format!("{key}_file"), Same))
}

impl Form {
    fn apply(self, text: &str) -> Option<String> {
        match self {
            Same => Some(text.to_owned()),
            Flag => flag(text).map(|yes| yes.to_string()),
            FlagReversed => flag(text).map(|yes| (!yes).to_string()),
            Level => Some(level(text).to_owned()),
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The official logger has a level above `error` and one that says nothing.
fn level(text: &str) -> &str {
    match text {
        "fatal" => "error",
        "silent" => "off",
        other => other,
    }
}
