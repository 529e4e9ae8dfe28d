//! Whose request it is, as far as the network tells: the client's address.
//!
//! Behind a reverse proxy the connection is the proxy's, and the client stands
//! in `X-Forwarded-For`, where each proxy adds at the end whom it heard. Only
//! what the operator's own proxies wrote is believed; whatever the client
//! wrote stands before it.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, given that of the connection.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, trusted_proxies: Option<usize>) -> IpAddr {
    let peer = peer.to_canonical();
    let proxies = trusted_proxies.unwrap_or(usize::from(is_local(peer)));
    let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    // The farthest proxy of the operator's that can be made out: a chain that
    // is shorter than said, or not an address, ends the belief.
    let mut client = peer;
    for text in named.iter().rev().take(proxies) {
        match address(text) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// What is counted as one client: an IPv4 address, or the 64 bits of an IPv6
/// address that a subscriber's network has.
pub(super) fn subject(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|both| both.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// Whether an address is of this machine or its own network.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&'static str], trusted_proxies: Option<usize>) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let peer = peer.parse().expect("an address");
        subject(client(&headers, peer, trusted_proxies))
    }

    #[test]
    fn a_proxy_of_the_local_network_is_believed_once() {
        assert_eq!(seen("127.0.0.1", &["203.0.113.7"], None), "203.0.113.7");
        assert_eq!(seen("172.17.0.1", &["1.1.1.1, 203.0.113.7"], None), "203.0.113.7");
        assert_eq!(seen("::1", &["1.1.1.1", "203.0.113.7:4711"], None), "203.0.113.7");
        assert_eq!(seen("10.0.0.2", &[], None), "10.0.0.2");
    }

    #[test]
    fn a_stranger_cannot_name_another_address() {
        assert_eq!(seen("198.51.100.1", &["203.0.113.7"], None), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["203.0.113.7"], Some(0)), "127.0.0.1");
        assert_eq!(seen("198.51.100.1", &["6.6.6.6, 203.0.113.7"], Some(1)), "203.0.113.7");
    }

    #[test]
    fn each_proxy_that_the_operator_counts_is_passed() {
        let chain = &["6.6.6.6, 203.0.113.7, 192.0.2.9"];
        assert_eq!(seen("127.0.0.1", chain, Some(2)), "203.0.113.7");
        assert_eq!(seen("127.0.0.1", &["203.0.113.7"], Some(2)), "203.0.113.7");
        assert_eq!(seen("127.0.0.1", &["nonsense, 192.0.2.9"], Some(2)), "192.0.2.9");
        assert_eq!(seen("127.0.0.1", &["unknown"], Some(1)), "127.0.0.1");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(seen("2001:db8:1:2:3:4:5:6", &[], None), "2001:db8:1:2::/64");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:443"], None), "2001:db8::/64");
        assert_eq!(seen("::ffff:192.0.2.1", &[], None), "192.0.2.1");
    }
}
