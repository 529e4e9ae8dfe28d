//! Floor 1: the world outside, behind one door each.
//!
//! Time, randomness, outbound HTTP, names and mail. Nobody else in the house
//! asks the system for any of them. Each has a twin for tests that stands
//! still until it is told otherwise, so that a run depends on its seed alone.
//! Nothing here knows about accounts, tables or routes.

pub mod clock;
pub mod crash;
pub mod dns;
pub mod entropy;
pub mod http;
pub mod mail;

use std::net::SocketAddr;

pub use clock::Clock;
pub use dns::Dns;
pub use entropy::Entropy;
pub use http::{HttpError, Outbound};

use http::Authorities;
pub use mail::{Letter, Mail, MailSettings};

/// Everything outside this process that it may ask; cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// What time it is.
    pub clock: Clock,
    /// Random bytes.
    pub entropy: Entropy,
    /// Outbound HTTP.
    pub http: Outbound,
    /// The domain name system.
    pub dns: Dns,
    /// Letters to account holders.
    pub mail: Mail,
}

/// What kind of network addresses given by strangers are looked for in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The internet: https only, public addresses only.
    #[default]
    Internet,
    /// One machine of a developer: http and private addresses too.
    Local,
}

/// How the world is reached.
#[derive(Clone, Debug, Default)]
pub struct WorldSettings {
    /// Name servers to ask; the system's if empty.
    pub nameservers: Vec<SocketAddr>,
    /// Where addresses given by strangers may lie.
    pub network: Network,
    /// Certificate authorities that are trusted beside the public ones.
    pub authorities: Authorities,
    /// How mail is sent.
    pub mail: MailSettings,
}

impl World {
    /// Returns the real world.
    pub fn real(settings: &WorldSettings) -> Self {
        let dns = Dns::new(&settings.nameservers, settings.network);
        Self {
            clock: Clock::system(),
            entropy: Entropy::system(),
            http: Outbound::new(dns.clone(), settings.network, &settings.authorities),
            dns,
            mail: Mail::new(&settings.mail),
        }
    }

    /// Returns a world of twins that follows from `seed`. The guard is that of
    /// the internet; servers on this machine that a test names with
    /// [`Outbound::route`] are found behind any name.
    pub fn fake(seed: u64) -> Self {
        Self {
            clock: Clock::fake(),
            entropy: Entropy::seeded(seed),
            http: Outbound::fake(Network::Internet),
            dns: Dns::fake(),
            mail: Mail::fake(),
        }
    }
}
