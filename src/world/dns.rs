//! Names asked of the domain name system: TXT records and addresses.
//!
//! Goes straight to the configured name servers (or those of the system), with
//! a deadline. Whether an address may be connected to is the guard's question,
//! not this room's. The twin for tests holds a table.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{DnsError as Answered, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::RData},
};
use parking_lot::RwLock;

use super::Network;

/// How long one lookup may take, attempts at other servers included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one server may take before the next is asked.
const SERVER_TIMEOUT: Duration = Duration::from_millis(1_400);
/// Answers that the resolver remembers for their time to live.
const ANSWERS_CACHED_MAX: u64 = 1_024;
/// The longest that an answer is remembered, so that a changed handle is seen.
const ANSWER_TTL_MAX: Duration = Duration::from_secs(300);
/// Values of one name that are looked at.
const VALUES_MAX: usize = 64;

/// Looks names up; cheap to clone.
#[derive(Clone)]
pub struct Dns {
    kind: Kind,
    network: Network,
}

#[derive(Clone)]
enum Kind {
    Resolver(Box<TokioResolver>),
    NotConfigured,
    Fake(Arc<RwLock<Zone>>),
}

/// What a fake knows.
#[derive(Default)]
struct Zone {
    txt: HashMap<String, Vec<String>>,
    addresses: HashMap<String, Vec<IpAddr>>,
}

/// A name could not be looked up; that it has no records is not an error.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The system has no name servers and none are configured.
    #[error("no name server is configured")]
    NotConfigured,
    /// Nobody answered in time.
    #[error("no name server answered in time")]
    TimedOut,
    /// A server failed or answered nonsense.
    #[error("the lookup failed")]
    Failed(#[source] Box<NetError>),
}

impl Dns {
    /// Returns a resolver that asks `nameservers`, or the system's if there are none.
    pub fn new(nameservers: &[SocketAddr], network: Network) -> Self {
        let builder = if nameservers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = nameservers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            let provider = TokioRuntimeProvider::default();
            Ok(TokioResolver::builder_with_config(config, provider))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = SERVER_TIMEOUT;
            options.cache_size = ANSWERS_CACHED_MAX;
            options.positive_max_ttl = Some(ANSWER_TTL_MAX);
            options.negative_max_ttl = Some(ANSWER_TTL_MAX);
            builder.build()
        });
        let kind = match resolver {
            Ok(resolver) => Kind::Resolver(Box::new(resolver)),
            Err(error) => {
                tracing::warn!(%error, "No name server is known; set one to resolve handles.");
                Kind::NotConfigured
            }
        };
        Self { kind, network }
    }

    /// Returns a twin that knows what [`Dns::set_txt`] and
    /// [`Dns::set_addresses`] tell it.
    pub fn fake() -> Self {
        Self { kind: Kind::Fake(Arc::default()), network: Network::Internet }
    }

    /// Returns the TXT values of `name`, each with its parts joined; none if it has none.
    ///
    /// # Errors
    /// [`DnsError`], when that is not known.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, DnsError> {
        match &self.kind {
            Kind::NotConfigured => Err(DnsError::NotConfigured),
            Kind::Fake(zone) => Ok(zone.read().txt.get(name).cloned().unwrap_or_default()),
            Kind::Resolver(resolver) => {
                let answer = limited(resolver.txt_lookup(absolute(name))).await?;
                let records = answer.iter().flat_map(|answer| answer.answers());
                Ok(records.filter_map(|r| text(&r.data)).take(VALUES_MAX).collect())
            }
        }
    }

    /// Returns the addresses of `host`; none if it has none. On a local network
    /// `localhost` and the names below it are this machine.
    ///
    /// # Errors
    /// [`DnsError`], when that is not known.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        if self.network == Network::Local && is_this_machine(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        match &self.kind {
            Kind::NotConfigured => Err(DnsError::NotConfigured),
            Kind::Fake(zone) => Ok(zone.read().addresses.get(host).cloned().unwrap_or_default()),
            Kind::Resolver(resolver) => {
                let answer = limited(resolver.lookup_ip(absolute(host))).await?;
                let addresses = answer.iter().flat_map(|answer| answer.iter());
                Ok(addresses.take(VALUES_MAX).collect())
            }
        }
    }

    /// Tells a fake the TXT values of `name`; the real one is left alone.
    pub fn set_txt(&self, name: &str, values: &[&str]) {
        if let Kind::Fake(zone) = &self.kind {
            let values = values.iter().map(|&v| v.to_owned()).collect();
            zone.write().txt.insert(name.to_owned(), values);
        }
    }

    /// Tells a fake the addresses of `host`; the real one is left alone.
    pub fn set_addresses(&self, host: &str, addresses: &[IpAddr]) {
        if let Kind::Fake(zone) = &self.kind {
            let addresses = addresses.to_vec();
            zone.write().addresses.insert(host.to_owned(), addresses);
        }
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// A final dot keeps the system's search domains out of it.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

fn text(data: &RData) -> Option<String> {
    let RData::TXT(txt) = data else { return None };
    String::from_utf8(txt.txt_data.concat()).ok()
}

/// Waits no longer than the limit, and tells "there are none" from a failure.
async fn limited<T>(
    lookup: impl Future<Output = Result<T, NetError>>,
) -> Result<Option<T>, DnsError> {
    limited_by(LOOKUP_TIMEOUT, lookup).await
}

async fn limited_by<T>(
    limit: Duration,
    lookup: impl Future<Output = Result<T, NetError>>,
) -> Result<Option<T>, DnsError> {
    match tokio::time::timeout(limit, lookup).await {
        Err(_) | Ok(Err(NetError::Timeout)) => Err(DnsError::TimedOut),
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(NetError::Dns(Answered::NoRecordsFound(none))))
            if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
        {
            Ok(None)
        }
        Ok(Err(error)) => Err(DnsError::Failed(Box::new(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn on_a_local_network_localhost_is_this_machine_without_asking() {
        let dns = Dns { kind: Kind::NotConfigured, network: Network::Local };
        for host in ["localhost", "alice.localhost", "localhost."] {
            let addresses = dns.addresses(host).await.expect("known");
            assert_eq!(addresses, [IpAddr::from([127, 0, 0, 1])], "{host}");
        }
        assert!(matches!(dns.addresses("notlocalhost").await, Err(DnsError::NotConfigured)));
        let dns = Dns { kind: Kind::NotConfigured, network: Network::Internet };
        assert!(matches!(dns.addresses("localhost").await, Err(DnsError::NotConfigured)));
    }

    #[tokio::test]
    async fn a_fake_knows_what_it_was_told() {
        let dns = Dns::fake();
        dns.set_txt("_atproto.alice.test", &["did=x", "other"]);
        assert_eq!(dns.txt("_atproto.alice.test").await.expect("told"), ["did=x", "other"]);
        assert!(dns.txt("_atproto.bob.test").await.expect("told").is_empty());
    }

    #[tokio::test]
    async fn a_lookup_that_takes_too_long_is_given_up() {
        let silent = std::future::pending::<Result<(), NetError>>();
        let answer = limited_by(Duration::from_millis(1), silent).await;
        assert!(matches!(answer, Err(DnsError::TimedOut)));
    }
}
