//! `[identity]`: DIDs and handles, here and in the network.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use crate::atproto::crypto::PublicKey;
use crate::config::parsed::{HandleDomain, Parsed};
use crate::config::reader::Reader;

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// Section `[identity]`.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The did:plc directory.
    pub plc_url: Url,
    /// Suffixes under which accounts may take a handle, with their dots.
    pub handle_domains: Vec<String>,
    /// Name servers to ask instead of the system's; none for the system's.
    pub nameservers: Vec<SocketAddr>,
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

/// A name server: an address, with a port where it is not the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nameserver(SocketAddr);

impl Parsed for Nameserver {
    const WANTED: &'static str = "an IP address, with a port or without";
    fn parse(text: &str) -> Option<Self> {
        let plain = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        plain.or_else(|_| text.parse()).ok().map(Self)
    }
    fn show(&self) -> String {
        let Self(address) = self;
        match address.port() {
            DNS_PORT => crate::config::parsed::quoted(&address.ip().to_string()),
            _ => crate::config::parsed::quoted(&address.to_string()),
        }
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
            nameservers: section
                .list("nameservers", Vec::new())
                .into_iter()
                .map(|Nameserver(address)| address)
                .collect(),
            recovery_did_key: section.optional("recovery_did_key"),
        }
    }
}
