//! How the calls of a move reach a server.

use std::time::Duration;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use crate::service::import::IMPORT_BYTES_MAX;
use crate::world::World;
use crate::world::http::{Answer, HttpError, RequestBody};

/// Hosts may keep blobs and archives elsewhere and say so.
const REDIRECTS_MAX: usize = 3;

/// A call on its way.
pub struct Sent {
    /// GET or POST.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Who calls, and what the body is.
    pub headers: HeaderMap,
    /// What it carries.
    pub body: Bytes,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Takes calls to one server, and its answers back.
pub trait Carrier: Send + Sync {
    /// Takes one.
    fn carry(&self, sent: Sent) -> BoxFuture<'_, Result<Answer, HttpError>>;
}

/// A server that is reached over the network.
pub struct Far {
    origin: Url,
    world: World,
    chosen_by: ChosenBy,
}

/// Who said where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChosenBy {
    Operator,
    Stranger,
}

impl Far {
    /// A server that the operator named.
    pub fn trusted(origin: Url, world: World) -> Self {
        Self { origin, world, chosen_by: ChosenBy::Operator }
    }

    /// A server that a stranger named: behind the guard.
    pub fn guarded(origin: Url, world: World) -> Self {
        Self { origin, world, chosen_by: ChosenBy::Stranger }
    }
}

impl Carrier for Far {
    fn carry(&self, sent: Sent) -> BoxFuture<'_, Result<Answer, HttpError>> {
        Box::pin(async move {
            let mut url = self.origin.clone();
            let (path, query) = match sent.target.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (sent.target.as_str(), None),
            };
            url.set_path(path);
            url.set_query(query);
            let request = match self.chosen_by {
                ChosenBy::Operator => self.world.http.trusted(url),
                ChosenBy::Stranger => self.world.http.guarded(url)?,
            };
            let mut request = request
                .method(sent.method)
                .timeout(sent.timeout)
                .redirects_max(REDIRECTS_MAX)
                .size_max(IMPORT_BYTES_MAX as usize);
            for (name, value) in &sent.headers {
                request = request.header(name.clone(), value.clone());
            }
            match sent.body.is_empty() {
                true => request.fetch().await,
                false => request.body(RequestBody::Whole(sent.body)).fetch().await,
            }
        })
    }
}
