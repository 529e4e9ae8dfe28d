//! Outbound HTTP, through one of two doors.
//!
//! [`Outbound::trusted`] is for addresses that the operator wrote into the
//! configuration (the PLC directory, the AppView, crawlers): plain http and
//! private addresses are the operator's business. [`Outbound::guarded`] is for
//! every address that someone gave us (a handle, a DID document, a client's
//! metadata): https and public addresses only, and the address is checked when
//! the connection is made, after the name was resolved, so that no second
//! lookup can change it.
//!
//! Neither door follows redirects by itself, keeps cookies, decodes bodies or
//! goes through a proxy. Every answer has a size limit and a deadline.

mod authorities;
mod body;
mod fake;
mod guard;
mod request;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use ::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use url::Url;

pub use authorities::Authorities;
pub use body::{AnswerBody, RequestBody};
pub use guard::{Refused, is_public};

use super::{Dns, Network};
use fake::FakeNet;
use guard::Checked;
use request::client;

/// How long a whole fetch may take unless the caller says otherwise.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes a whole answer may have unless the caller says otherwise.
const FETCH_SIZE_MAX: usize = 512 * 1024;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a streamed answer may be silent between two pieces.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests under way to one host that a stranger named.
const GUARDED_PER_HOST_MAX: usize = 64;
/// Requests under way to one host that the operator named.
const TRUSTED_PER_HOST_MAX: usize = 1_024;
/// Hosts whose requests are counted; one that is forgotten starts at zero again.
const HOSTS_COUNTED_MAX: u64 = 4_096;
/// What a fetch of ours says it is. Proxied requests say nothing.
const USER_AGENT: &str = concat!("freehold/", env!("CARGO_PKG_VERSION"));

/// Makes outbound requests; cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Doors>);

struct Doors {
    network: Network,
    trusted: reqwest::Client,
    guarded: reqwest::Client,
    /// Requests under way per door and host.
    lanes: moka::sync::Cache<(Door, String), Arc<Semaphore>>,
    /// What a test has put in the place of the network.
    fake: Option<FakeNet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Door {
    Trusted,
    Guarded,
}

/// A request brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The guard does not let this address through.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No connection, or it broke before an answer came.
    #[error("the host cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The deadline passed.
    #[error("the host took too long")]
    TimedOut,
    /// Too many requests to this host are under way.
    #[error("too many requests to this host are under way")]
    Busy,
    /// The answer is longer than was asked for.
    #[error("the answer has more than {size_bytes_max} bytes")]
    TooLarge {
        /// The limit.
        size_bytes_max: usize,
    },
    /// More redirects than was asked for, or one that leads nowhere.
    #[error("the host redirects too often or to no address")]
    Redirected,
    /// The body is not the JSON that was expected.
    #[error("the answer is not the JSON that was expected")]
    NotJson(#[from] serde_json::Error),
}

impl Outbound {
    /// Returns the real doors; names behind the guard are resolved by `dns`.
    pub fn new(dns: Dns, network: Network, authorities: &Authorities) -> Self {
        Self(Arc::new(Doors {
            network,
            trusted: client(None, authorities),
            guarded: client(Some(Checked { dns, network }), authorities),
            lanes: moka::sync::Cache::new(HOSTS_COUNTED_MAX),
            fake: None,
        }))
    }

    /// Returns doors that lead to what a test puts there, and to nothing else
    /// but servers of this machine that the operator's door names.
    pub fn fake(network: Network) -> Self {
        Self(Arc::new(Doors {
            network,
            trusted: client(None, &Authorities::default()),
            guarded: client(None, &Authorities::default()),
            lanes: moka::sync::Cache::new(HOSTS_COUNTED_MAX),
            fake: Some(FakeNet::default()),
        }))
    }

    /// Starts a request to an address from the operator's configuration.
    pub fn trusted(&self, url: Url) -> Request {
        Request::new(self.clone(), Door::Trusted, url)
    }

    /// Starts a request to an address that someone gave us.
    ///
    /// # Errors
    /// [`HttpError::Refused`] for an address that no name lookup could make good.
    pub fn guarded(&self, url: Url) -> Result<Request, HttpError> {
        guard::check_url(&url, self.0.network)?;
        Ok(Request::new(self.clone(), Door::Guarded, url))
    }

    /// Returns whether addresses of strangers may be on this machine, as they
    /// may for a developer.
    pub fn network(&self) -> Network {
        self.0.network
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let network = self.0.network;
        f.debug_struct("Outbound").field("network", &network).finish_non_exhaustive()
    }
}

/// A request that is being put together: GET unless told otherwise.
#[derive(Debug)]
pub struct Request {
    outbound: Outbound,
    door: Door,
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: RequestBody,
    timeout: Duration,
    idle: Duration,
    size_bytes_max: usize,
    redirects_max: usize,
}

/// An answer that has been read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status, whatever it is.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes, as they came.
    pub body: Bytes,
}

impl Answer {
    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`HttpError::NotJson`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Says whether the other side fails or is too busy, so that the same
    /// question may get another answer later.
    pub fn is_passing_failure(&self) -> bool {
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        self.status.is_server_error() || busy.contains(&self.status)
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streamed {
    /// Its status, whatever it is.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its pieces; ends with an error past the size limit or after a silence.
    pub body: AnswerBody,
}
