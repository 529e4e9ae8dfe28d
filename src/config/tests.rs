//! What operators rely on: all faults at once, no secret shown, official
//! environments understood, the example file true.

use super::*;

/// The environment file that the official installer writes.
const INSTALLER: &[(&str, &str)] = &[
    ("PDS_HOSTNAME", "pds.example.com"),
    ("PDS_JWT_SECRET", "b0f4c9c5a1d2e3f4a5b6c7d8e9f0a1b2"),
    ("PDS_ADMIN_PASSWORD", "00112233445566778899aabbccddeeff"),
    (
        "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX",
        "3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e3ee68ca9bcbb3a2e",
    ),
    ("PDS_DATA_DIRECTORY", "/pds"),
    ("PDS_BLOBSTORE_DISK_LOCATION", "/pds/blocks"),
    ("PDS_BLOB_UPLOAD_LIMIT", "104857600"),
    ("PDS_DID_PLC_URL", "https://plc.directory"),
    ("PDS_BSKY_APP_VIEW_URL", "https://api.bsky.app"),
    ("PDS_BSKY_APP_VIEW_DID", "did:web:api.bsky.app"),
    ("PDS_REPORT_SERVICE_URL", "https://mod.bsky.app"),
    ("PDS_REPORT_SERVICE_DID", "did:plc:ar7c4by46qjdydhdevvrndac"),
    ("PDS_CRAWLERS", "https://bsky.network"),
    ("LOG_ENABLED", "true"),
    ("PDS_RATE_LIMITS_ENABLED", "true"),
    ("PDS_INVITE_REQUIRED", "true"),
];

/// Every other variable that the official server reads.
const OTHER_OFFICIAL: &str = "PDS_PORT PDS_SERVICE_DID PDS_SERVICE_NAME PDS_VERSION PDS_HOME_URL
    PDS_LOGO_URL PDS_PRIVACY_POLICY_URL PDS_SUPPORT_URL PDS_TERMS_OF_SERVICE_URL
    PDS_CONTACT_EMAIL_ADDRESS PDS_ACCEPTING_REPO_IMPORTS PDS_MAX_REPO_IMPORT_SIZE PDS_DEV_MODE
    PDS_HCAPTCHA_SITE_KEY PDS_HCAPTCHA_SECRET_KEY PDS_HCAPTCHA_TOKEN_SALT
    PDS_OAUTH_TRUSTED_CLIENTS PDS_PRIMARY_COLOR PDS_ERROR_COLOR PDS_WARNING_COLOR PDS_INFO_COLOR
    PDS_SUCCESS_COLOR PDS_BACKGROUND_LIGHT_URL PDS_BACKGROUND_DARK_URL PDS_ACCOUNT_DB_LOCATION
    PDS_SEQUENCER_DB_LOCATION PDS_DID_CACHE_DB_LOCATION PDS_ACTOR_STORE_DIRECTORY
    PDS_ACTOR_STORE_CACHE_SIZE PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT
    PDS_BLOBSTORE_DISK_TMP_LOCATION PDS_BLOBSTORE_S3_BUCKET PDS_BLOBSTORE_S3_REGION
    PDS_BLOBSTORE_S3_ENDPOINT PDS_BLOBSTORE_S3_FORCE_PATH_STYLE PDS_BLOBSTORE_S3_ACCESS_KEY_ID
    PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS
    PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS PDS_DID_CACHE_STALE_TTL PDS_DID_CACHE_MAX_TTL
    PDS_ID_RESOLVER_TIMEOUT PDS_RECOVERY_DID_KEY PDS_SERVICE_HANDLE_DOMAINS
    PDS_HANDLE_BACKUP_NAMESERVERS PDS_ENABLE_DID_DOC_WITH_SESSION PDS_ENTRYWAY_URL
    PDS_ENTRYWAY_DID PDS_ENTRYWAY_JWT_VERIFY_KEY_K256_PUBLIC_KEY_HEX PDS_ENTRYWAY_PLC_ROTATION_KEY
    PDS_ENTRYWAY_ADMIN_TOKEN PDS_INVITE_INTERVAL PDS_INVITE_EPOCH PDS_EMAIL_SMTP_URL
    PDS_EMAIL_FROM_ADDRESS PDS_EMAIL_DISABLE_CONFIRMATION_LINK PDS_MODERATION_EMAIL_SMTP_URL
    PDS_MODERATION_EMAIL_ADDRESS PDS_MAX_SUBSCRIPTION_BUFFER PDS_REPO_BACKFILL_LIMIT_MS
    PDS_BSKY_APP_VIEW_CDN_URL_PATTERN PDS_MOD_SERVICE_URL PDS_MOD_SERVICE_DID
    PDS_RATE_LIMIT_BYPASS_KEY PDS_RATE_LIMIT_BYPASS_IPS PDS_REDIS_SCRATCH_ADDRESS
    PDS_REDIS_SCRATCH_PASSWORD PDS_DPOP_SECRET PDS_PLC_ROTATION_KEY_KMS_KEY_ID
    PDS_DISABLE_SSRF_PROTECTION PDS_FETCH_MAX_RESPONSE_SIZE PDS_PROXY_ALLOW_HTTP2
    PDS_PROXY_HEADERS_TIMEOUT PDS_PROXY_BODY_TIMEOUT PDS_PROXY_MAX_RESPONSE_SIZE
    PDS_PROXY_MAX_RETRIES PDS_PROXY_PREFER_COMPRESSED PDS_LEXICON_AUTHORITY_DID LOG_LEVEL
    LOG_DESTINATION LOG_SYSTEMS PDS_REPO_SIGNING_KEY_K256_PRIVATE_KEY_HEX";

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn installer_with(further: &[(&str, &str)]) -> Variables {
    let mut all = variables(INSTALLER);
    for (name, text) in variables(further) {
        all.retain(|(known, _)| *known != name);
        all.push((name, text));
    }
    all
}

fn load(file: &str, variables: Variables) -> Result<Loaded, Faulty> {
    let file = ConfigFile { path: "test.toml".into(), text: file.to_owned() };
    Config::load(&Sources { file: Some(file), variables })
}

fn faults(file: &str, variables: Variables) -> Vec<String> {
    let faulty = load(file, variables).expect_err("there are faults");
    faulty.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_at_all_is_a_server_on_localhost() {
    let loaded = load("", Vec::new()).expect("defaults have no faults");
    let config = loaded.config;
    assert_eq!(config.server.public_url, "http://localhost:2583");
    assert_eq!(config.server.service_did.as_str(), "did:web:localhost");
    assert_eq!(config.identity.handle_domains, [".test"]);
    assert!(config.sync.crawlers.is_empty() && config.services.appview.is_none());
    assert_eq!(config.mode, Mode::Own);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_host_name_alone_makes_a_server_of_the_public_network() {
    let config = load("[server]\nhostname = 'pds.example.com'", Vec::new()).expect("fits").config;
    assert_eq!(config.server.public_url, "https://pds.example.com");
    assert_eq!(config.identity.handle_domains, [".pds.example.com"]);
    assert_eq!(config.sync.crawlers[0].as_str(), "https://bsky.network/");
    let appview = config.services.appview.expect("the network's");
    assert_eq!(appview.did.as_str(), "did:web:api.bsky.app");
}

#[test]
fn the_installers_environment_is_understood() {
    let loaded = load("", variables(INSTALLER)).expect("an installation has no faults");
    let Config { server, blobs, database, accounts, sync, services, mode, secrets, limits, .. } =
        loaded.config;
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(limits.enabled);
    assert_eq!(mode, Mode::Official);
    assert_eq!(server.listen().to_string(), "0.0.0.0:2583");
    assert_eq!(server.service_did.as_str(), "did:web:pds.example.com");
    assert_eq!(blobs.directory.to_str(), Some("/pds/blocks"));
    assert_eq!(blobs.upload_bytes_max, 104_857_600);
    assert!(matches!(database, Database::Sqlite { path } if path.starts_with("/pds")));
    assert!(accounts.invite_required);
    assert_eq!(sync.crawlers.len(), 1);
    assert_eq!(services.report.expect("is set").did.as_str(), "did:plc:ar7c4by46qjdydhdevvrndac");
    let jwt_secret = secrets.jwt_secret.expect("is set");
    assert_eq!(jwt_secret.reveal(), "b0f4c9c5a1d2e3f4a5b6c7d8e9f0a1b2");
}

#[test]
fn what_an_installation_leaves_out_has_the_official_default() {
    let few =
        ["PDS_HOSTNAME", "PDS_JWT_SECRET", "PDS_ADMIN_PASSWORD", "PDS_BLOBSTORE_DISK_LOCATION"];
    let mut set = variables(INSTALLER);
    set.retain(|(name, _)| few.contains(&name.as_str()) || name.contains("ROTATION"));
    let config = load("", set).expect("has all that is required").config;
    assert!(config.accounts.invite_required);
    assert!(config.services.appview.is_none() && config.sync.crawlers.is_empty());
    assert_eq!(config.blobs.upload_bytes_max, 5 * 1024 * 1024);
    assert_eq!(config.server.data_directory.to_str(), Some("."));
}

#[test]
fn every_official_variable_is_known_and_others_are_named() {
    for name in OTHER_OFFICIAL.split_whitespace().chain(INSTALLER.iter().map(|(name, _)| *name)) {
        let (warnings, faults) = match load("", installer_with(&[(name, "1")])) {
            Ok(loaded) => (loaded.warnings, Vec::new()),
            Err(faulty) => (faulty.warnings, faulty.faults),
        };
        let strange =
            warnings.iter().any(|warning| warning.contains("no variable of the official"));
        assert!(!strange, "{name} is not known");
        let named = faults.iter().any(|fault| fault.to_string().contains(name));
        assert!(faults.is_empty() || named, "{name}: {faults:?}");
    }
    let loaded = load("", installer_with(&[("PDS_HOSTNAEM", "x")])).expect("a warning only");
    let about = |warning: &String| warning.starts_with("PDS_HOSTNAEM is no variable");
    assert!(loaded.warnings.iter().any(about));
}

#[test]
fn variables_without_effect_are_named_with_the_reason() {
    let loaded = load("", installer_with(&[("PDS_REDIS_SCRATCH_ADDRESS", "redis:6379")]));
    let warnings = loaded.expect("is ignored").warnings;
    let about = |warning: &&String| warning.starts_with("PDS_REDIS_SCRATCH_ADDRESS");
    let warning = warnings.iter().find(about).expect("it is named");
    assert!(warning.contains("has no effect: Freehold keeps"));
}

#[test]
fn what_would_be_another_server_is_refused() {
    let refused = [
        ("PDS_BLOBSTORE_S3_BUCKET", "blobs"),
        ("PDS_PLC_ROTATION_KEY_KMS_KEY_ID", "key"),
        ("PDS_ENTRYWAY_URL", "https://bsky.social"),
    ];
    assert_eq!(faults("", installer_with(&refused)).len(), 3);
}

#[test]
fn all_faults_are_reported_at_once_with_place_and_wish() {
    let file = "[server]\nport = 70000\nhostnam = 'x'\n\n[log]\nformat = 'xml'\nlevel = ['info']\n";
    let environment = variables(&[
        ("FREEHOLD_IDENTITY_PLC_URL", "ftp://plc.directory"),
        ("FREEHOLD_IDENTITY_HANDLE_DOMAINS", ".example.com,example.org"),
        ("FREEHOLD_SERVICES_APPVIEW_URL", "https://api.example.com"),
    ]);
    let wanted = [
        "server.port (test.toml:2): wanted a number from 0 to 65535, found \"70000\"",
        "identity.plc_url (FREEHOLD_IDENTITY_PLC_URL): wanted a URL that begins with http:// or https://, found \"ftp://plc.directory\"",
        "identity.handle_domains (FREEHOLD_IDENTITY_HANDLE_DOMAINS): wanted a domain that begins with a dot, such as .example.com, found \"example.org\"",
        "services.appview_did: wanted, since appview_url is set",
        "log.level (test.toml:7): wanted one value, found a list",
        "log.format (test.toml:6): wanted auto, human or json, found \"xml\"",
        "server.hostnam (test.toml:3): there is no such setting; did you mean server.hostname?",
    ];
    assert_eq!(faults(file, environment), wanted);
}

#[test]
fn every_mistake_of_the_files_syntax_is_reported() {
    let found = faults("[server]\nport = \nhostname = 'a' 'b'\n", Vec::new());
    assert!(
        found.iter().any(|fault| fault.starts_with("syntax (test.toml:2): not TOML")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|fault| fault.starts_with("syntax (test.toml:3): not TOML")),
        "{found:?}"
    );
}

#[test]
fn an_installation_without_its_secrets_is_told_which() {
    let absent = [
        ("PDS_JWT_SECRET", ""),
        ("PDS_ADMIN_PASSWORD", ""),
        ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", ""),
        ("PDS_BLOBSTORE_DISK_LOCATION", ""),
    ];
    let found = faults("", installer_with(&absent)).join("\n");
    for (name, _) in absent {
        assert!(found.contains(name), "{name} is not in {found}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "hunter2-postgres-hunter2";
    let keys = ["DATABASE_URL", "SECRETS_JWT_SECRET", "SECRETS_ADMIN_PASSWORD"];
    let mut set: Variables =
        keys.iter().map(|key| (format!("FREEHOLD_{key}"), secret.to_owned())).collect();
    let faulty = load("", set.clone()).expect_err("no database is called so");
    assert!(!format!("{faulty} {faulty:?}").contains(secret));
    set[0].1 = format!("postgres://someone:{secret}@localhost/db");
    let loaded = load("", set.clone()).expect("now it fits");
    assert!(!format!("{} {:?}", loaded.shown, loaded.config).contains(secret));
    for key in ["FREEHOLD_SECRETS_PLC_ROTATION_KEY", "FREEHOLD_SECRETS_MASTER_KEY"] {
        set.push((key.to_owned(), secret.to_owned()));
    }
    let faulty = load("", set).expect_err("these are no keys");
    assert_eq!(faulty.faults.len(), 2);
    assert!(!format!("{faulty} {faulty:?}").contains(secret));
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwt");
    std::fs::write(&path, "from a file\n").expect("a file");
    let path = path.to_str().expect("a path in Unicode");
    let read = |variables| load("", variables).expect("fits").config.secrets.jwt_secret;
    let own = read(variables(&[("FREEHOLD_SECRETS_JWT_SECRET_FILE", path)]));
    assert_eq!(own.expect("is set").reveal(), "from a file");
    let official = read(installer_with(&[("PDS_JWT_SECRET", ""), ("PDS_JWT_SECRET_FILE", path)]));
    assert_eq!(official.expect("is set").reveal(), "from a file");
    let missing = faults("[secrets]\njwt_secret_file = '/nowhere/at/all'", Vec::new());
    assert!(missing[0].starts_with("secrets.jwt_secret_file (test.toml:2): cannot read /nowhere"));
    let twice = faults("[secrets]\njwt_secret = 'x'\njwt_secret_file = '/nowhere'", Vec::new());
    assert!(twice[0].contains("wanted once"), "{twice:?}");
}

#[test]
fn our_variables_win_over_official_ones_and_both_over_the_file() {
    let file = "[server]\nport = 1\naddress = '127.0.0.2'\nhostname = 'file.example.com'";
    let set = installer_with(&[("PDS_PORT", "2"), ("FREEHOLD_SERVER_PORT", "3")]);
    let server = load(file, set).expect("fits").config.server;
    assert_eq!(server.port, 3);
    assert_eq!(server.hostname, "pds.example.com");
    assert_eq!(server.address.to_string(), "127.0.0.2");
}

#[test]
fn what_is_shown_is_a_file_that_gives_the_same_settings() {
    let shown =
        load("[server]\nhostname = 'a.example.com'\nport = 1\n", Vec::new()).expect("fits").shown;
    let again = load(&shown, Vec::new()).expect("what is shown has no faults").shown;
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect()
    };
    assert_eq!(values(&again), values(&shown));
}

#[test]
fn mail_is_set_up_by_official_names_or_by_fields() {
    use crate::world::mail::{Delivery, Security};
    let official = [
        ("PDS_EMAIL_SMTP_URL", "smtps://resend:key@smtp.resend.com:465/"),
        ("PDS_EMAIL_FROM_ADDRESS", "admin@pds.example.com"),
        ("PDS_MODERATION_EMAIL_ADDRESS", "Mods <mods@pds.example.com>"),
    ];
    let loaded = load("", installer_with(&official)).expect("fits");
    assert!(!loaded.shown.contains("key@"), "{}", loaded.shown);
    let mail = loaded.config.mail.settings;
    let Delivery::Smtp(relay) = mail.accounts else { panic!("no relay") };
    assert_eq!((&*relay.host, relay.port, relay.security), ("smtp.resend.com", 465, Security::Tls));
    assert_eq!(relay.from, "admin@pds.example.com");
    let Delivery::Smtp(relay) = mail.moderation else { panic!("no relay") };
    assert_eq!((&*relay.host, &*relay.from), ("smtp.resend.com", "Mods <mods@pds.example.com>"));

    let fields = "[mail]\nfrom_address = 'a@b.example'\nsmtp_host = 'mail.b.example'\n\
                  smtp_security = 'starttls'\nsmtp_username = 'a'\nsmtp_password = 'b'";
    let mail = load(fields, Vec::new()).expect("fits").config.mail.settings;
    let Delivery::Smtp(relay) = mail.accounts else { panic!("no relay") };
    assert_eq!((relay.port, relay.security), (587, Security::StartTls));
    assert!(relay.login.is_some());
}

#[test]
fn mail_that_would_not_leave_or_would_be_read_by_others_is_a_fault() {
    let check = |lines: &str, key: &str| {
        let faulty = load(&format!("[mail]\n{lines}"), Vec::new());
        let faulty = faulty.err().unwrap_or_else(|| panic!("{lines} is taken"));
        let keys: Vec<_> = faulty.faults.iter().map(|fault| &*fault.key).collect();
        assert_eq!(keys, [key], "{lines}");
    };
    let from = "from_address = 'a@b.example'\n";
    check("smtp_url = 'smtps://mail.b.example'", "mail.from_address");
    check(from, "mail.smtp_url");
    check(&format!("{from}smtp_url = 'smtp:///?sendmail=true'"), "mail.smtp_url");
    check(
        &format!("{from}smtp_host = 'mail.b.example'\nsmtp_security = 'plain'"),
        "mail.smtp_security",
    );
    check("from_address = 'nobody'", "mail.from_address");
    check("delivery = 'smtp'", "mail.delivery");
    check("moderation_smtp_url = 'smtps://mail.b.example'", "mail.moderation_from_address");
    let both = "smtp_url = 'smtps://mail.b.example'\nsmtp_host = 'mail.b.example'";
    check(&format!("{from}{both}"), "mail.smtp_host");
    check(
        &format!("{from}smtp_host = 'mail.b.example'\nsmtp_username = 'a'"),
        "mail.smtp_username",
    );
}

/// Settings whose line in the example file is an example: their default depends
/// on other settings, or they have none.
const WITHOUT_DEFAULT: &str = "server.public_url server.service_did contact.privacy_policy_url
    contact.terms_of_service_url contact.email database.url database.url_file blobs.directory
    accounts.repo_import_bytes_max accounts.invite_interval_ms identity.handle_domains identity.recovery_did_key
    mail.smtp_url mail.smtp_url_file mail.from_address mail.smtp_host mail.smtp_port
    mail.smtp_security mail.smtp_username mail.smtp_password mail.smtp_password_file
    mail.moderation_smtp_url mail.moderation_smtp_url_file mail.moderation_from_address
    outbound.extra_authorities_file branding.name branding.color branding.logo_file branding.support_url
    memory.budget_mb limits.trusted_proxies limits.bypass_key limits.bypass_key_file
    secrets.jwt_secret secrets.jwt_secret_file secrets.admin_password secrets.admin_password_file
    secrets.plc_rotation_key secrets.plc_rotation_key_file secrets.master_key
    secrets.master_key_file";

#[test]
fn the_example_file_lists_every_setting_with_its_default() {
    let example = include_str!("../../config/freehold.toml");
    let mut defaults_file = String::new();
    let mut listed = Vec::new();
    let mut section = "";
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            defaults_file.push_str(line);
        } else if let Some((key, _)) =
            line.strip_prefix("# ").and_then(|line| line.split_once(" = "))
        {
            let full = format!("{section}.{key}");
            if !WITHOUT_DEFAULT.split_whitespace().any(|known| known == full) {
                defaults_file.push_str(line.trim_start_matches("# "));
            }
            listed.push(full);
        }
        defaults_file.push('\n');
    }
    let without = load("", Vec::new()).expect("defaults have no faults").shown;
    let keys = without.lines().filter_map(|line| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        line.split([' ', '=']).next().filter(|key| !key.is_empty() && !key.starts_with('['))
    });
    let mut short: Vec<&str> = listed.iter().filter_map(|full| full.split('.').nth(1)).collect();
    let mut known: Vec<&str> = keys.collect();
    short.sort_unstable();
    known.sort_unstable();
    assert_eq!(short, known);
    let with = load(&defaults_file, Vec::new()).expect("the example has no faults").shown;
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect()
    };
    assert_eq!(values(&with), values(&without));
}
