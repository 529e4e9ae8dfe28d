//! From a DID to its document, with a memory.
//!
//! A document is used for an hour; then it is still used for a day, but a
//! fresh one is asked for. Whoever finds that a signature does not fit asks
//! again at once, though not more often than a limit allows: the question is
//! one that strangers can make us ask.
//!
//! Spec: <https://atproto.com/specs/did>

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use url::Url;

use crate::{
    atproto::{
        Moment,
        did_doc::{DidDocument, InvalidDocument},
        syntax::Did,
    },
    store::{
        Batch, Db, RunError, StoreError,
        did_cache::{self, CachedDocument},
    },
    world::{HttpError, Network, World},
};

use super::{Freshness, PlcClient, PlcError};

/// How long a document is used without asking for a fresh one.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long a document is used at all.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a failure is believed.
const FAILED: Duration = Duration::from_secs(30);
/// The least time between two forced questions about one DID.
const RECHECK: Duration = Duration::from_secs(30);
/// How long a `did:web` host may take.
const WEB_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a document.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of documents in memory, as their JSON counts them.
const MEMORY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Failures that are remembered.
const FAILURES_MAX: u64 = 4_096;
/// DIDs that wait for a fresh document; more are left as they are.
const STALE_QUEUE_MAX: usize = 256;

/// Finds documents and remembers them.
pub(super) struct Documents {
    world: World,
    db: Db,
    plc: PlcClient,
    /// Shared by all requests; one that misses fetches for all that wait.
    known: moka::future::Cache<String, Known>,
    failed: moka::sync::Cache<String, (DidError, Moment)>,
    stale: mpsc::Sender<Did>,
    /// Taken by the one task that refreshes.
    to_refresh: Mutex<Option<mpsc::Receiver<Did>>>,
}

#[derive(Clone)]
struct Known {
    document: Arc<DidDocument>,
    fetched_at: Moment,
    size_bytes: u32,
}

/// A DID has no document that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DidError {
    /// Not `did:plc` or `did:web`, or not in the form that the network uses.
    #[error("this kind of DID is not supported")]
    Unsupported,
    /// Nobody knows it.
    #[error("the DID does not exist")]
    NotFound,
    /// Its owner ended it.
    #[error("the DID has been deactivated")]
    Deactivated,
    /// What was found is not its document.
    #[error("what was found is not the document of the DID")]
    Invalid(#[source] Arc<InvalidDocument>),
    /// The directory did not answer.
    #[error("the DID's directory did not answer")]
    Directory(#[source] PlcError),
    /// The DID's host did not answer.
    #[error("the DID's host did not answer")]
    Host(#[source] Arc<HttpError>),
    /// The DID's host says that it fails or is too busy.
    #[error("the DID's host answered with status {0}")]
    HostFails(u16),
}

impl DidError {
    /// Says whether another try may bring another answer, so that what is known
    /// from before still counts.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Directory(_) | Self::Host(_) | Self::HostFails(_))
    }
}

impl From<PlcError> for DidError {
    fn from(error: PlcError) -> Self {
        match error {
            PlcError::NotFound => Self::NotFound,
            PlcError::Tombstoned => Self::Deactivated,
            other => Self::Directory(other),
        }
    }
}

impl From<HttpError> for DidError {
    fn from(error: HttpError) -> Self {
        Self::Host(Arc::new(error))
    }
}

impl From<InvalidDocument> for DidError {
    fn from(error: InvalidDocument) -> Self {
        Self::Invalid(Arc::new(error))
    }
}

impl Documents {
    pub(super) fn new(world: World, db: Db, plc: PlcClient) -> Self {
        let (stale, to_refresh) = mpsc::channel(STALE_QUEUE_MAX);
        let known = moka::future::Cache::builder()
            .max_capacity(MEMORY_BYTES_MAX)
            .weigher(|_, known: &Known| known.size_bytes)
            .build();
        Self {
            world,
            db,
            plc,
            known,
            failed: moka::sync::Cache::new(FAILURES_MAX),
            stale,
            to_refresh: Mutex::new(Some(to_refresh)),
        }
    }

    /// Returns the document of `did`.
    pub(super) async fn resolve(
        &self,
        did: &Did,
        freshness: Freshness,
    ) -> Result<Arc<DidDocument>, DidError> {
        if freshness == Freshness::Now {
            return self.refresh(did).await;
        }
        let known = self.known.try_get_with_by_ref(did.as_str(), self.find(did)).await;
        let known = known.map_err(|error| (*error).clone())?;
        let age = self.age(known.fetched_at);
        if age >= USABLE {
            return self.refresh_if_promising(did).await;
        }
        if freshness == Freshness::Recheck && age >= RECHECK {
            return match self.refresh_if_promising(did).await {
                Err(error) if error.is_transient() => Ok(known.document),
                answer => answer,
            };
        }
        if age >= FRESH {
            // A full queue means that this one is refreshed another time.
            let _ = self.stale.try_send(did.clone());
        }
        Ok(known.document)
    }

    /// Forgets the document of `did`.
    pub(super) async fn forget(&self, did: &Did) {
        self.failed.invalidate(did.as_str());
        self.drop_known(did).await;
    }

    async fn drop_known(&self, did: &Did) {
        self.known.invalidate(did.as_str()).await;
        let mut batch = Batch::new();
        did_cache::delete(&mut batch, did);
        self.save(batch).await;
    }

    /// Refreshes documents that were used after their time, one after the
    /// other, until the returned future is dropped.
    pub(super) async fn keep_fresh(&self) {
        let Some(mut queue) = self.to_refresh.lock().take() else { return };
        while let Some(did) = queue.recv().await {
            let known = self.known.get(did.as_str()).await;
            // It may have been asked for many times before its turn came.
            if known.is_none_or(|known| self.age(known.fetched_at) >= FRESH) {
                // A failure is remembered for a while, and what is known stays in use.
                let _ = self.refresh_if_promising(&did).await;
            }
        }
    }

    /// Deletes documents that are too old to be used.
    pub(super) async fn delete_old(&self) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        did_cache::delete_before(&mut batch, self.world.clock.now().minus(USABLE));
        match self.db.run(batch).await {
            Ok(()) => Ok(()),
            Err(RunError::Store(error)) => Err(error),
            Err(RunError::Unmet(_)) => Ok(()),
        }
    }

    fn age(&self, at: Moment) -> Duration {
        self.world.clock.now().since(at)
    }

    /// Takes the document from the store, or fetches it.
    async fn find(&self, did: &Did) -> Result<Known, DidError> {
        let stored = did_cache::find(&self.db, did).await.unwrap_or_else(|error| {
            let did = did.as_str();
            tracing::warn!(did, %error, "Could not read a remembered DID document; asking again.");
            None
        });
        let usable = stored.filter(|stored| self.age(stored.fetched_at) < USABLE);
        let document = usable.and_then(|stored| {
            let document = DidDocument::parse(&stored.document, did).ok()?;
            Some(known(document, stored.document.len(), stored.fetched_at))
        });
        match document {
            Some(known) => Ok(known),
            None => match self.recent_failure(did) {
                Some(error) => Err(error),
                None => self.fetch_and_save(did).await,
            },
        }
    }

    fn recent_failure(&self, did: &Did) -> Option<DidError> {
        let (error, at) = self.failed.get(did.as_str())?;
        (self.age(at) < FAILED).then_some(error)
    }

    async fn refresh_if_promising(&self, did: &Did) -> Result<Arc<DidDocument>, DidError> {
        match self.recent_failure(did) {
            Some(error) => Err(error),
            None => self.refresh(did).await,
        }
    }

    async fn refresh(&self, did: &Did) -> Result<Arc<DidDocument>, DidError> {
        let known = match self.fetch_and_save(did).await {
            Ok(known) => known,
            Err(error) => {
                if !error.is_transient() {
                    self.drop_known(did).await;
                }
                return Err(error);
            }
        };
        let document = known.document.clone();
        self.known.insert(did.as_str().to_owned(), known).await;
        Ok(document)
    }

    async fn fetch_and_save(&self, did: &Did) -> Result<Known, DidError> {
        let document = self.fetch(did).await.inspect_err(|error| {
            let at = self.world.clock.now();
            self.failed.insert(did.as_str().to_owned(), (error.clone(), at));
        })?;
        self.failed.invalidate(did.as_str());
        let fetched_at = self.world.clock.now();
        let json = document.to_json().to_string();
        let size_bytes = json.len();
        let mut batch = Batch::new();
        did_cache::put(&mut batch, did, &CachedDocument { document: json, fetched_at });
        self.save(batch).await;
        Ok(known(document, size_bytes, fetched_at))
    }

    /// Runs a batch on the remembered documents: a memory that fails costs a
    /// question later and nothing else.
    async fn save(&self, batch: Batch) {
        if let Err(error) = self.db.run(batch).await {
            tracing::warn!(%error, "Could not update the remembered DID documents.");
        }
    }

    async fn fetch(&self, did: &Did) -> Result<DidDocument, DidError> {
        match did.as_str().strip_prefix("did:web:") {
            Some(host) => self.fetch_web(did, host).await,
            None if is_plc(did) => Ok(self.plc.document(did).await?),
            None => Err(DidError::Unsupported),
        }
    }

    async fn fetch_web(&self, did: &Did, host: &str) -> Result<DidDocument, DidError> {
        let url = web_url(host, self.world.http.network()).ok_or(DidError::Unsupported)?;
        let request = self.world.http.guarded(url)?;
        let answer = request.timeout(WEB_TIMEOUT).size_max(DOCUMENT_BYTES_MAX).fetch().await?;
        match answer.status {
            status if status.is_success() => {
                let json = std::str::from_utf8(&answer.body);
                let json = json.map_err(|_| InvalidDocument::NotAnObject)?;
                Ok(DidDocument::parse(json, did)?)
            }
            StatusCode::GONE => Err(DidError::Deactivated),
            status if answer.is_passing_failure() => Err(DidError::HostFails(status.as_u16())),
            _ => Err(DidError::NotFound),
        }
    }
}

fn known(document: DidDocument, size_bytes: usize, fetched_at: Moment) -> Known {
    let size_bytes = u32::try_from(size_bytes).unwrap_or(u32::MAX);
    Known { document: Arc::new(document), fetched_at, size_bytes }
}

/// Says whether `did` is a did:plc as directories make them.
// spec: did#blessed-did-methods
fn is_plc(did: &Did) -> bool {
    let id = did.as_str().strip_prefix("did:plc:");
    id.is_some_and(|id| {
        id.len() == 24 && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
    })
}

/// Returns where the document of a `did:web` lies: a host name alone, and a
/// port only for a developer's own machine.
// spec: did#blessed-did-methods
fn web_url(host: &str, network: Network) -> Option<Url> {
    let (name, port) = match host.split_once("%3A") {
        None => (host, None),
        Some((name, port)) => (name, Some(port.parse::<u16>().ok()?)),
    };
    let is_local = name == "localhost" && network == Network::Local;
    if name.contains([':', '%', '/']) || (port.is_some() && !is_local) {
        return None;
    }
    let scheme = if is_local { "http" } else { "https" };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Url::parse(&format!("{scheme}://{name}{port}/.well-known/did.json")).ok()
}
