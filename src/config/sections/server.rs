//! `[server]`: what this server is called, where it listens, what it keeps.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::atproto::syntax::Did;
use crate::config::parsed::Hostname;
use crate::config::reader::Reader;

/// The port of the official server, which clients in development expect.
pub const PORT: u16 = 2583;

/// Requests get this long to end after a signal to stop: less than the ten
/// seconds after which container engines kill.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Section `[server]`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The public host name; `localhost` is for development.
    pub hostname: String,
    /// Address to listen on.
    pub address: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Origin under which clients reach the server, without a final slash.
    pub public_url: String,
    /// The server's own DID: audience of sessions and of service tokens.
    pub service_did: Did,
    /// Folder of the database, the generated secrets and the blobs.
    pub data_directory: PathBuf,
    /// Allows plain HTTP and private addresses outward.
    pub dev_mode: bool,
    /// How long requests may take to end after a signal to stop.
    pub stop_deadline: Duration,
}

impl ServerConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("server");
        let hostname = section.or("hostname", Hostname("localhost".to_owned())).0;
        let port = section.or("port", PORT);
        let public_url = match section.optional::<Url>("public_url") {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None if hostname == "localhost" => format!("http://localhost:{port}"),
            None => format!("https://{hostname}"),
        };
        let own_did = Did::new(format!("did:web:{hostname}")).ok();
        let service_did = match (section.optional::<Did>("service_did"), own_did) {
            (Some(did), _) | (None, Some(did)) => did,
            (None, None) => {
                section.fault("service_did", None, "wanted, since the host name makes no did:web");
                Did::new("did:web:localhost".to_owned()).expect("a literal of the right form")
            }
        };
        Self {
            address: section.or("address", IpAddr::V4(Ipv4Addr::LOCALHOST)),
            data_directory: section.or("data_directory", PathBuf::from("data")),
            dev_mode: section.or("dev_mode", false),
            stop_deadline: section.millis("stop_deadline_ms", STOP_DEADLINE),
            hostname,
            port,
            public_url,
            service_did,
        }
    }

    /// Returns the address and port to listen on.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Whether the server is part of the public network.
    pub fn is_public(&self) -> bool {
        self.hostname != "localhost" && !self.dev_mode
    }
}
