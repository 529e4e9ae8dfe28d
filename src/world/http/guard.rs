//! Which addresses a stranger may make this server connect to.
//!
//! Two checks: of the URL before anything is asked, and of the addresses that
//! its name has, inside the connector, so that what was checked is what is
//! connected to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::world::{Dns, Network};

/// The guard does not let an address through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not https.
    #[error("only https addresses are allowed")]
    NotHttps,
    /// A name and password in the address.
    #[error("an address must not carry credentials")]
    Credentials,
    /// A number in the place of the host's name.
    #[error("an address must name its host")]
    NumericHost,
    /// A name without addresses.
    #[error("the host has no address")]
    NoAddress,
    /// A name whose addresses are not on the public internet.
    #[error("the host is not on the public internet")]
    NotPublic,
}

/// Checks what can be seen of `url` without asking anybody.
pub(super) fn check_url(url: &Url, network: Network) -> Result<(), Refused> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    match (network, url.scheme(), url.host()) {
        (Network::Local, "http" | "https", Some(_)) => Ok(()),
        (Network::Internet, "https", Some(Host::Domain(_))) => Ok(()),
        (Network::Internet, "https", _) => Err(Refused::NumericHost),
        _ => Err(Refused::NotHttps),
    }
}

/// Keeps of `addresses` what may be connected to.
fn allowed(addresses: Vec<IpAddr>, network: Network) -> Result<Vec<IpAddr>, Refused> {
    if addresses.is_empty() {
        return Err(Refused::NoAddress);
    }
    let mut addresses = addresses;
    addresses.retain(|&address| network == Network::Local || is_public(address));
    if addresses.is_empty() {
        return Err(Refused::NotPublic);
    }
    Ok(addresses)
}

/// Resolves names for the connector and hands it checked addresses only.
pub(super) struct Checked {
    pub(super) dns: Dns,
    pub(super) network: Network,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, network) = (self.dns.clone(), self.network);
        Box::pin(async move {
            let addresses = allowed(dns.addresses(name.as_str()).await?, network)?;
            // The connector puts the URL's port in the place of zero.
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Returns the guard as the connector takes it.
pub(super) fn resolver(checked: Checked) -> Arc<dyn Resolve> {
    Arc::new(checked)
}

/// Returns whether `address` is a single host on the public internet.
///
/// Private, shared, local, documentation, benchmark, multicast and reserved
/// ranges are not, and neither are IPv6 forms that lead to such an IPv4 address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// What IANA lists as special in IPv4, with the length of each prefix.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by carriers
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // this machine
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // this link, and cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(prefix, length)| {
        let mask = u32::MAX << (32 - length);
        (address.to_bits() ^ prefix.to_bits()) & mask == 0
    })
}

/// What is special inside 2000::/3, the only range given out to hosts.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments: Teredo, benchmarks, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation
];
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// NAT64: the last four bytes are the IPv4 address that is meant.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if within(address, NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(address, GLOBAL_V6) && !SPECIAL_V6.iter().any(|&range| within(address, range))
}

fn within(address: Ipv6Addr, (prefix, length): (Ipv6Addr, u32)) -> bool {
    let mask = u128::MAX << (128 - length);
    (address.to_bits() ^ prefix.to_bits()) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_public_internet_are_public() {
        let check = |text: &str, expected: bool| {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(is_public(address), expected, "{text}");
        };
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            check(public, true);
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            check(private, false);
            check(&format!("::ffff:{private}"), false);
            check(&format!("64:ff9b::{private}"), false);
        }
        for private in [
            "::",
            "::1",
            "::7f00:1",
            "::127.0.0.1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "64:ff9b:1::808:808",
            "4000::1",
        ] {
            check(private, false);
        }
    }

    #[test]
    fn urls_of_strangers_name_a_host_by_https() {
        let check = |url: &str, network: Network, expected: Result<(), Refused>| {
            let url: Url = url.parse().expect("a URL");
            assert_eq!(check_url(&url, network), expected, "{url}");
        };
        for (url, expected) in [
            ("https://example.com/x", Ok(())),
            ("https://example.com:8443/x", Ok(())),
            ("http://example.com/x", Err(Refused::NotHttps)),
            ("ftp://example.com/x", Err(Refused::NotHttps)),
            ("data:text/plain,x", Err(Refused::NotHttps)),
            ("https://a:b@example.com/", Err(Refused::Credentials)),
            ("https://a@example.com/", Err(Refused::Credentials)),
            ("https://1.1.1.1/", Err(Refused::NumericHost)),
            ("https://0x7f000001/", Err(Refused::NumericHost)),
            ("https://[::1]/", Err(Refused::NumericHost)),
        ] {
            check(url, Network::Internet, expected);
        }
        check("http://127.0.0.1:2583/", Network::Local, Ok(()));
        check("file:///etc/passwd", Network::Local, Err(Refused::NotHttps));
    }

    #[test]
    fn private_addresses_are_taken_out_of_an_answer() {
        let (public, private) = ([8, 8, 8, 8].into(), [10, 0, 0, 1].into());
        let check = |answer: Vec<IpAddr>, expected| {
            assert_eq!(allowed(answer, Network::Internet), expected);
        };
        check(vec![private, public], Ok(vec![public]));
        check(vec![private], Err(Refused::NotPublic));
        check(vec![], Err(Refused::NoAddress));
        assert_eq!(allowed(vec![private], Network::Local), Ok(vec![private]));
    }
}
