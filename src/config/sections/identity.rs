//! `[identity]`: DIDs and handles, here and in the network.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use crate::atproto::crypto::PublicKey;
use crate::config::parsed::{HandleDomain, Parsed};
use crate::config::reader::Reader;

/// An identity younger than this is used without asking again.
const CACHE_STALE: Duration = Duration::from_secs(60 * 60);
/// An identity older than this is not used at all.
const CACHE_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one look-up of a handle or DID may take.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Section `[identity]`.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The did:plc directory.
    pub plc_url: Url,
    /// Suffixes under which accounts may take a handle, with their dots.
    pub handle_domains: Vec<String>,
    /// Name servers to ask where the system's give no handle.
    pub backup_nameservers: Vec<IpAddr>,
    /// Age at which a cached identity is renewed while it is used.
    pub cache_stale: Duration,
    /// Age at which a cached identity is dropped.
    pub cache_expiry: Duration,
    /// How long one look-up may take.
    pub resolver_timeout: Duration,
    /// A key of the operator that may repair every new account's identity.
    pub recovery_did_key: Option<RecoveryKey>,
}

/// A public key as did:key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryKey(pub String);

impl Parsed for RecoveryKey {
    const WANTED: &'static str = "a public key as did:key, of curve k256 or p256";
    fn parse(text: &str) -> Option<Self> {
        PublicKey::from_did_key(text).ok().map(|_| Self(text.to_owned()))
    }
    fn show(&self) -> String {
        crate::config::parsed::quoted(&self.0)
    }
}

impl IdentityConfig {
    pub(in crate::config) fn read(reader: &mut Reader, hostname: &str) -> Self {
        let mut section = reader.section("identity");
        let own_domain = match hostname {
            "localhost" => HandleDomain(".test".to_owned()),
            name => HandleDomain(format!(".{name}")),
        };
        let plc_url = Url::parse("https://plc.directory").expect("a literal of the right form");
        Self {
            plc_url: section.or("plc_url", plc_url),
            handle_domains: section
                .list("handle_domains", vec![own_domain])
                .into_iter()
                .map(|HandleDomain(domain)| domain)
                .collect(),
            backup_nameservers: section.list("backup_nameservers", Vec::new()),
            cache_stale: section.millis("cache_stale_ms", CACHE_STALE),
            cache_expiry: section.millis("cache_expiry_ms", CACHE_EXPIRY),
            resolver_timeout: section.millis("resolver_timeout_ms", RESOLVER_TIMEOUT),
            recovery_did_key: section.optional("recovery_did_key"),
        }
    }
}
