//! Clients and their keys, fetched from where their names point.
//!
//! A document is fetched through the guard, without redirects and with limits,
//! and is remembered for a while; if it cannot be fetched again, the last one
//! is good for a little longer, so that a client's hiccup signs nobody out.
//!
//! Spec: <https://atproto.com/specs/oauth#clients>

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use moka::future::Cache;
use serde_json::Value;
use url::Url;

use super::OAuthError;
use crate::atproto::Moment;
use crate::atproto::oauth::client::{Client, KeySource};
use crate::atproto::oauth::{ClientId, Jwks};
use crate::world::{Network, World};

/// How long a document or a set of keys is good.
const GOOD: Duration = Duration::from_secs(10 * 60);
/// How long the last one is good where its host fails.
const GOOD_IF_FAILING: Duration = Duration::from_secs(60 * 60);
/// How soon keys may be fetched again for a signature that none of them made.
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// How soon a host that failed is asked again.
const FAILED_AGAIN: Duration = Duration::from_secs(15);
/// Time for a document.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a document.
const BYTES_MAX: usize = 64 * 1024;
/// Documents that are remembered.
const DOCUMENTS_MAX: u64 = 2_000;
/// Characters that are told of what another host did.
const CAUSE_CHARS_MAX: usize = 300;

/// Knows clients.
pub struct Clients {
    world: World,
    /// By address; requests for one address wait for each other.
    documents: Cache<String, Arc<Fetched>>,
    /// Clients of the operator's own, by their names.
    trusted: Vec<String>,
}

/// Whether the operator answers for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The operator has named it.
    FirstParty,
    /// Nobody has.
    Unknown,
}

struct Fetched {
    /// What was found, or why nothing was.
    document: Result<Value, String>,
    /// When what was found was fetched.
    fetched_at: Moment,
    /// When the host was asked last.
    asked_at: Moment,
}

impl Clients {
    /// Remembers nothing yet.
    pub fn new(world: World, trusted: Vec<String>) -> Self {
        Self { world, documents: Cache::new(DOCUMENTS_MAX), trusted }
    }

    /// Finds a client by its name.
    ///
    /// # Errors
    /// [`OAuthError::Metadata`], with what is wrong.
    pub async fn find(&self, text: &str) -> Result<Client, OAuthError> {
        let id = match self.world.http.network() {
            Network::Internet => ClientId::parse(text),
            Network::Local => ClientId::parse_in_development(text),
        };
        let id = id.map_err(|error| OAuthError::Metadata(error.to_string()))?;
        match &id {
            ClientId::Localhost { redirect_uris, scope } => {
                Ok(Client::of_localhost(text, &id, redirect_uris, scope)?)
            }
            ClientId::Address(url) => {
                let document = self.document(url, GOOD).await?;
                Ok(Client::read(text, &id, &document)?)
            }
        }
    }

    /// Whether the operator answers for a client.
    pub fn trust(&self, client: &Client) -> Trust {
        match self.trusted.contains(&client.id) {
            true => Trust::FirstParty,
            false => Trust::Unknown,
        }
    }

    /// The keys of a client.
    ///
    /// # Errors
    /// [`OAuthError::Metadata`].
    pub async fn keys(&self, source: &KeySource) -> Result<Jwks, OAuthError> {
        self.keys_within(source, GOOD).await
    }

    /// The keys of a client, where one that is new may be missing among those
    /// that are remembered.
    ///
    /// # Errors
    /// [`OAuthError::Metadata`].
    pub async fn keys_anew(&self, source: &KeySource) -> Result<Jwks, OAuthError> {
        self.keys_within(source, KEYS_AGAIN).await
    }

    async fn keys_within(&self, source: &KeySource, good: Duration) -> Result<Jwks, OAuthError> {
        match source {
            KeySource::Here(keys) => Ok(keys.clone()),
            KeySource::At(url) => {
                let document = self.document(url, good).await?;
                let wrong = |error| OAuthError::Metadata(format!("jwks_uri: {error}"));
                Jwks::read(&document).map_err(wrong)
            }
        }
    }

    async fn document(&self, url: &Url, good: Duration) -> Result<Value, OAuthError> {
        let now = self.world.clock.now();
        let entry = self.documents.entry(url.as_str().to_owned());
        let known = self.documents.get(url.as_str()).await;
        let entry = entry
            .or_insert_with_if(self.fetch_after(url, known), |known| {
                let again = match known.document {
                    Ok(_) => good,
                    Err(_) => FAILED_AGAIN,
                };
                known.asked_at.plus(again) <= now
            })
            .await;
        let wrong = |cause: &String| {
            let cause: String = cause.chars().take(CAUSE_CHARS_MAX).collect();
            OAuthError::Metadata(format!("{url} cannot be used: {cause}"))
        };
        entry.value().document.as_ref().map_err(wrong).cloned()
    }

    /// Fetches a document; where that fails, the one before stays for a while.
    async fn fetch_after(&self, url: &Url, before: Option<Arc<Fetched>>) -> Arc<Fetched> {
        let document = self.fetch(url).await;
        let now = self.world.clock.now();
        if let (Err(cause), Some(before)) = (&document, before)
            && before.document.is_ok()
            && before.fetched_at.plus(GOOD_IF_FAILING) > now
        {
            tracing::warn!(%url, cause, "The document of a client cannot be fetched again.");
            let (document, fetched_at) = (before.document.clone(), before.fetched_at);
            return Arc::new(Fetched { document, fetched_at, asked_at: now });
        }
        Arc::new(Fetched { document, fetched_at: now, asked_at: now })
    }

    async fn fetch(&self, url: &Url) -> Result<Value, String> {
        let request = self.world.http.guarded(url.clone()).map_err(|error| error.to_string())?;
        let json = HeaderValue::from_static("application/json");
        let request = request.header(header::ACCEPT, json).timeout(TIME_MAX).size_max(BYTES_MAX);
        let answer = request.fetch().await.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("the host answers {}", answer.status.as_u16()));
        }
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err("the answer is not application/json".to_owned());
        }
        answer.json().map_err(|error| error.to_string())
    }
}
