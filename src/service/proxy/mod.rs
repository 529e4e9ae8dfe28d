//! Calls to other services, made through this server in an account's name.
//!
//! A call is passed on as it came, with a short list of its headers and a token
//! that the account's key signs; the answer streams back. Addresses come from
//! the operator, or from a DID document and then through the guard. How an
//! answer looks to the client is decided elsewhere.
//!
//! Spec: <https://atproto.com/specs/xrpc#service-proxying>

mod target;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::PathAndQuery};
use url::Url;

use crate::{
    atproto::{
        scope::Need,
        syntax::{Did, Nsid},
    },
    store::{
        Db, StoreError,
        accounts::{self, Account, Status},
    },
    world::{
        HttpError, World,
        http::{Request, RequestBody, Streamed},
    },
};

use super::{
    grants::Actor,
    identity::{DidError, Freshness, Identity},
    keys::KeyError,
    service_auth::{self, ServiceAuth, ServiceAuthError},
};

pub use target::BadHeader;
use target::{APPVIEW, LABELER, Owner};

/// The name of a feed generator in its DID document.
const FEED_GENERATOR: &str = "bsky_fg";
/// What an AppView asks a feed generator for.
const GET_FEED_SKELETON: &str = "app.bsky.feed.getFeedSkeleton";
/// Headers of a call that are passed on.
const PASSED: [HeaderName; 3] = [
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("atproto-accept-labelers"),
    HeaderName::from_static("x-bsky-topics"),
];
/// Headers that are passed on with a body.
const PASSED_WITH_BODY: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH];

/// A service that the operator has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// Where it is.
    pub url: Url,
    /// Who it is.
    pub did: Did,
}

/// What tokens for proxied calls name as their audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The service's DID: what services of today expect.
    #[default]
    Did,
    /// The DID and the service's name, as the specification has it.
    DidAndService,
}

/// Which services are called when a call names none.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// Answers everything that nobody else does.
    pub appview: Option<KnownService>,
    /// Answers the methods of moderators.
    pub moderation: Option<KnownService>,
    /// Takes reports; the moderation service where there is none.
    pub reports: Option<KnownService>,
    /// How tokens name a service.
    pub audience: Audience,
    /// How much of an answer is waited for.
    pub limits: ProxyLimits,
}

/// How much of a service's answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct ProxyLimits {
    /// How long a service may take to begin its answer, after the call was sent.
    pub headers_timeout: Duration,
    /// How long it may pause within its answer.
    pub idle_timeout: Duration,
    /// Bytes of one answer.
    pub answer_bytes_max: usize,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            headers_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            answer_bytes_max: 10 * 1024 * 1024,
        }
    }
}

/// Passes calls on.
pub struct Proxy {
    db: Db,
    world: World,
    identity: Arc<Identity>,
    tokens: ServiceAuth,
    settings: ProxySettings,
}

/// A call to be passed on.
#[derive(Debug)]
pub struct Call {
    /// What is called.
    pub method: Nsid,
    /// GET, HEAD or POST.
    pub verb: Method,
    /// The path and query as they came.
    pub path_and_query: PathAndQuery,
    /// All headers as they came; few are passed on.
    pub headers: HeaderMap,
    /// The header `atproto-proxy`.
    pub proxy_header: Option<String>,
    /// The feed generator that the AppView is to ask in the account's name: the
    /// token is for it then.
    pub feed_generator: Option<Did>,
}

impl Call {
    /// Says whether this asks an AppView: the operator's, or the one that the
    /// header names.
    pub fn is_query_of_appview(&self) -> bool {
        let for_appview = match &self.proxy_header {
            None => target::owner(&self.method) == Owner::AppView,
            Some(header) => target::parse(header).is_ok_and(|named| named.service == APPVIEW),
        };
        for_appview && self.verb == Method::GET
    }
}

/// A call was not passed on, or nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The header names nobody.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// The DID in the header has no document.
    #[error("could not resolve proxy did")]
    UnresolvedDid(#[source] Option<DidError>),
    /// The document names no such service, or no usable address of it.
    #[error("could not resolve proxy did service url")]
    UnresolvedService,
    /// Nobody is named for this method, by the call or by the operator.
    #[error("No service configured for {}", .0.as_str())]
    NotConfigured(Nsid),
    /// The account is not active.
    #[error("the account is not active")]
    Inactive(Status),
    /// This method is not passed on, or not for this session; or no token
    /// could be made.
    #[error(transparent)]
    Token(#[from] ServiceAuthError),
    /// The service did not answer.
    #[error("Upstream service unreachable")]
    Unreachable(#[source] HttpError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<KeyError> for ProxyError {
    fn from(error: KeyError) -> Self {
        Self::Token(error.into())
    }
}

/// Where a call goes.
struct Target {
    request: Request,
    /// What a token for it names.
    audience: String,
    /// What a scope for it names: the DID and the service's name.
    service: String,
}

impl Proxy {
    /// Returns the service.
    pub fn new(
        db: Db,
        world: World,
        identity: Arc<Identity>,
        tokens: ServiceAuth,
        settings: ProxySettings,
    ) -> Self {
        Self { db, world, identity, tokens, settings }
    }

    /// Returns how scopes name the AppView; nothing where there is none.
    pub fn appview(&self) -> Option<String> {
        let appview = self.settings.appview.as_ref()?;
        Some(scope_audience(&appview.did, APPVIEW))
    }

    /// Says whether the operator has named any service: without one, a call that
    /// names none is a call for a method that nobody here knows.
    pub fn has_services(&self) -> bool {
        let ProxySettings { appview, moderation, reports, .. } = &self.settings;
        [appview, moderation, reports].into_iter().any(Option::is_some)
    }

    /// Passes `call` on in the name of `actor` and returns when the answer begins.
    ///
    /// # Errors
    /// [`ProxyError`]; a status that says failure is an answer.
    // spec: xrpc#service-proxying
    pub async fn forward(
        &self,
        actor: &Actor,
        call: &Call,
        body: RequestBody,
    ) -> Result<Streamed, ProxyError> {
        service_auth::check_grant(&actor.grant, Some(&call.method))?;
        let account = self.active_account(&actor.did).await?;
        let Target { request, audience, service } = self.target(call).await?;
        let need = Need::Call { method: Some(&call.method), audience: &service };
        actor.grant.permits(&need).map_err(ServiceAuthError::from)?;
        self.tokens.check_administration(&audience, Some(&call.method))?;
        let token = match &call.feed_generator {
            None => self.tokens.token_for_call(&account, &audience, &call.method).await?,
            Some(generator) => {
                let audience = self.audience(generator, FEED_GENERATOR);
                let skeleton = Nsid::new(GET_FEED_SKELETON.to_owned());
                let skeleton = skeleton.expect("a literal of the right form");
                let need = Need::Call { method: Some(&skeleton), audience: &service };
                actor.grant.permits(&need).map_err(ServiceAuthError::from)?;
                self.tokens.token_for_call(&account, &audience, &skeleton).await?
            }
        };
        let limits = self.settings.limits;
        let request = request
            .method(call.verb.clone())
            .headers(passed_headers(call, Some(&token)))
            .body(body)
            .timeout(limits.headers_timeout)
            .idle(limits.idle_timeout)
            .size_max(limits.answer_bytes_max);
        request.stream().await.map_err(ProxyError::Unreachable)
    }

    /// Passes a public query on to the AppView in nobody's name, and returns when
    /// the answer begins; nothing where there is no AppView.
    ///
    /// # Errors
    /// [`ProxyError::Unreachable`].
    pub async fn forward_publicly(&self, call: &Call) -> Result<Option<Streamed>, ProxyError> {
        let Some(appview) = &self.settings.appview else { return Ok(None) };
        let limits = self.settings.limits;
        let request = self.known_target(appview, APPVIEW, call).request;
        let request = request
            .method(call.verb.clone())
            .headers(passed_headers(call, None))
            .timeout(limits.headers_timeout)
            .idle(limits.idle_timeout)
            .size_max(limits.answer_bytes_max);
        request.stream().await.map(Some).map_err(ProxyError::Unreachable)
    }

    async fn active_account(&self, did: &Did) -> Result<Account, ProxyError> {
        let account = accounts::find_by_did(&self.db, did).await?;
        let account = account.ok_or(ServiceAuthError::AccountMissing)?;
        match account.status() {
            Status::Active => Ok(account),
            status => Err(ProxyError::Inactive(status)),
        }
    }

    async fn target(&self, call: &Call) -> Result<Target, ProxyError> {
        let Some(header) = &call.proxy_header else {
            let (service, id) = self.owner_of(&call.method)?;
            return Ok(self.known_target(service, id, call));
        };
        let named = target::parse(header)?;
        if let Some(service) = self.known_service(named) {
            return Ok(self.known_target(service, named.service, call));
        }
        let did = Did::new(named.did.to_owned()).map_err(|_| ProxyError::UnresolvedDid(None))?;
        let document = self.identity.document(&did, Freshness::Cached).await;
        let document = document.map_err(|error| ProxyError::UnresolvedDid(Some(error)))?;
        let service = document.service(named.service).ok_or(ProxyError::UnresolvedService)?;
        let url = Url::parse(&service.endpoint).map_err(|_| ProxyError::UnresolvedService)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProxyError::UnresolvedService);
        }
        let url = with_path(&url, &call.path_and_query);
        let request = self.world.http.guarded(url).map_err(ProxyError::Unreachable)?;
        let service = scope_audience(&did, named.service);
        Ok(Target { request, audience: self.audience(&did, named.service), service })
    }

    fn owner_of(&self, method: &Nsid) -> Result<(&KnownService, &'static str), ProxyError> {
        let ProxySettings { appview, moderation, reports, .. } = &self.settings;
        let (service, id) = match target::owner(method) {
            Owner::AppView => (appview.as_ref(), APPVIEW),
            Owner::Moderation => (moderation.as_ref(), LABELER),
            Owner::Reports => (reports.as_ref().or(moderation.as_ref()), LABELER),
        };
        let service = service.ok_or_else(|| ProxyError::NotConfigured(method.clone()))?;
        Ok((service, id))
    }

    /// Returns the operator's service that a header names, so that it needs no
    /// document and no guard.
    fn known_service(&self, named: target::Named<'_>) -> Option<&KnownService> {
        let ProxySettings { appview, moderation, reports, .. } = &self.settings;
        let known = match named.service {
            APPVIEW => [appview, &None],
            LABELER => [moderation, reports],
            _ => return None,
        };
        known.into_iter().flatten().find(|service| service.did.as_str() == named.did)
    }

    fn known_target(&self, service: &KnownService, id: &str, call: &Call) -> Target {
        let url = with_path(&service.url, &call.path_and_query);
        let request = self.world.http.trusted(url);
        let audience = self.audience(&service.did, id);
        Target { request, audience, service: scope_audience(&service.did, id) }
    }

    fn audience(&self, did: &Did, service: &str) -> String {
        match self.settings.audience {
            Audience::Did => did.as_str().to_owned(),
            Audience::DidAndService => scope_audience(did, service),
        }
    }
}

/// How a scope names a service.
// spec: permission#rpc
fn scope_audience(did: &Did, service: &str) -> String {
    format!("{}#{service}", did.as_str())
}

/// Puts the path and query of a call behind the origin of `service`. A quote in
/// a query is written `%27` then, which every server reads as the same.
fn with_path(service: &Url, call: &PathAndQuery) -> Url {
    let mut url = service.clone();
    url.set_path(call.path());
    url.set_query(call.query());
    url.set_fragment(None);
    url
}

/// Picks the headers that are passed on, and adds the token, if any. Nothing that says
/// who or where the caller is may be among them.
fn passed_headers(call: &Call, token: Option<&str>) -> HeaderMap {
    let mut passed = HeaderMap::new();
    let with_body = if call.verb == Method::POST { &PASSED_WITH_BODY[..] } else { &[] };
    for name in PASSED.iter().chain(with_body) {
        for value in call.headers.get_all(name) {
            passed.append(name.clone(), value.clone());
        }
    }
    let identity = HeaderValue::from_static("identity");
    let encoding = call.headers.get(header::ACCEPT_ENCODING).cloned().unwrap_or(identity);
    passed.insert(header::ACCEPT_ENCODING, encoding);
    if let Some(token) = token {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .expect("a JWS has only characters that a header may have");
        bearer.set_sensitive(true);
        passed.insert(header::AUTHORIZATION, bearer);
    }
    passed
}
