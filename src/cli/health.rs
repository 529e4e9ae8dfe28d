//! `freehold health`: asks a running server, for health checks of containers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::failure::Failure;
use super::settings::SettingsArgs;

/// Longer than any healthy answer takes.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The answer is a status line and a short JSON object.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Ask the server on this machine whether it works.
///
/// Requests /xrpc/_health from the port that the settings name and exits with 0
/// when the answer is 200, else with 1. It needs no other program, so it can be
/// the health check of a container or of a service manager.
#[derive(Debug, clap::Args)]
pub(super) struct Health {}

impl Health {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let server = settings.load()?.config.server;
        let address = SocketAddr::new(reachable(server.address), server.port);
        let answer = ask(address)?;
        match answer.starts_with("HTTP/1.1 200 ") {
            true => Ok(()),
            false => {
                Err(format!("{address} answers {}", answer.lines().next().unwrap_or("nothing"))
                    .into())
            }
        }
    }
}

/// A server that listens everywhere listens on this machine's own address.
pub(super) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request =
        format!("GET /xrpc/_health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
