//! Requests are counted, and answers tell how many are left.
//!
//! Each request carries a [`Meter`], which knows whose it is. The table says
//! which bucket of `service::rates` a method takes from; the dispatcher takes
//! for addresses, the extractor of the calling account takes for accounts, and
//! a handler takes where it alone knows how much. The answer names the window
//! that is nearest to its end.

mod address;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use subtle::ConstantTimeEq;

use super::own_calls::OwnCall;
use super::{App, XrpcError};
use crate::service::ClientRules;
use crate::service::rates::{Bucket, Counting, Exhausted, Standing};

const BYPASS: HeaderName = HeaderName::from_static("x-ratelimit-bypass");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts for one request, and knows whose it is; a copy counts for the same one.
#[derive(Clone, Default)]
pub struct Meter {
    /// The client, as far as the network tells.
    address: Arc<str>,
    /// Where the request is counted, unless it is one that is not.
    counted: Option<Arc<Counted>>,
}

struct Counted {
    app: App,
    /// The window that is nearest to its end among those taken from.
    narrowest: Mutex<Option<Result<Standing, Exhausted>>>,
}

impl Meter {
    /// The client's address, as far as it is told apart from others.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes points from a bucket for the client's address.
    ///
    /// # Errors
    /// 429, with nothing taken.
    pub fn spend_by_address(&self, bucket: Bucket, points: u32) -> Result<(), XrpcError> {
        self.spend(bucket, self.address(), points)
    }

    /// Takes points from a bucket for `subject`.
    ///
    /// # Errors
    /// 429, with nothing taken.
    pub fn spend(&self, bucket: Bucket, subject: &str, points: u32) -> Result<(), XrpcError> {
        let Some(counted) = &self.counted else { return Ok(()) };
        let spent = counted.app.rates.spend(bucket, subject, points);
        if let Some(spent) = spent.transpose() {
            counted.note(spent, points);
        }
        Ok(spent.map(|_| ())?)
    }

    /// Refuses where nothing is left for the client's address; takes nothing.
    ///
    /// # Errors
    /// 429.
    pub fn admits_address(&self, bucket: Bucket) -> Result<(), XrpcError> {
        let Some(counted) = &self.counted else { return Ok(()) };
        let admitted = counted.app.rates.admits(bucket, &self.address, 1);
        if let Err(exhausted) = admitted {
            counted.note(Err(exhausted), 1);
        }
        Ok(admitted?)
    }
}

impl Counted {
    /// Remembers the narrowest; one that refuses is narrower than any.
    fn note(&self, spent: Result<Standing, Exhausted>, points: u32) {
        let mut narrowest = self.narrowest.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |spent: &Result<Standing, Exhausted>| match spent {
            Ok(standing) => standing.remaining / points.max(1),
            Err(_) => 0,
        };
        if narrowest.is_none_or(|other| left(&spent) <= left(&other)) {
            *narrowest = Some(spent);
        }
    }
}

impl FromRequestParts<App> for Meter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl Meter {
    /// The meter of a request; one that counts nothing outside [`measure`].
    pub fn of(extensions: &http::Extensions) -> Self {
        extensions.get::<Meter>().cloned().unwrap_or_default()
    }
}

/// Gives each request its meter and each answer the headers about it.
pub(super) async fn measure(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let client = client_of(&app, &request);
    let counted = is_counted(&app, &request, client)
        .then(|| Arc::new(Counted { app, narrowest: Mutex::new(None) }));
    let meter = Meter { address: address::subject(client).into(), counted: counted.clone() };
    request.extensions_mut().insert(meter);
    let mut response = next.run(request).await;
    let Some(counted) = counted else { return response };
    let narrowest = *counted.narrowest.lock().unwrap_or_else(PoisonError::into_inner);
    match narrowest {
        Some(Ok(standing)) => tell(response.headers_mut(), &standing),
        Some(Err(Exhausted(standing))) => {
            tell(response.headers_mut(), &standing);
            response.headers_mut().insert(header::RETRY_AFTER, standing.resets_in.into());
        }
        None => {}
    }
    response
}

/// Who the client is, as far as the network tells.
fn client_of(app: &App, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    address::client(request.headers(), peer, app.clients.trusted_proxies)
}

/// Whether the operator wants this client's requests counted.
fn is_counted(app: &App, request: &Request, client: IpAddr) -> bool {
    let rules = &app.clients;
    let own = request.extensions().get::<OwnCall>().is_some();
    !own && app.rates.counting() != Counting::Off
        && !has_key(request.headers(), rules)
        && !rules.uncounted.contains(&client)
}

fn has_key(headers: &HeaderMap, rules: &ClientRules) -> bool {
    let given = headers.get(BYPASS).map(HeaderValue::as_bytes);
    match (&rules.bypass_key, given) {
        (Some(key), Some(given)) => key.as_bytes().ct_eq(given).into(),
        _ => false,
    }
}

fn tell(headers: &mut HeaderMap, standing: &Standing) {
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, standing.resets_at.into());
    let policy = format!("{};w={}", standing.limit, standing.window.as_secs());
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(POLICY, policy);
    }
}
