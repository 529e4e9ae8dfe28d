//! Services of others, played on this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body as Outgoing, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use freehold::atproto::did_doc::DidDocument;
use freehold::atproto::jws::{Claims, Token};
use freehold::atproto::syntax::Did;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;

use super::{Answer, Client, Owner, Town};

/// A service of others on this machine, which writes down what it hears.
pub struct Service {
    host: &'static str,
    state: Arc<Mutex<Script>>,
}

/// What a service answers, and what it has heard.
struct Script {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    heard: Vec<Heard>,
}

/// A request as it came.
pub struct Heard {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Service {
    /// Starts a service that the town's world finds under a name.
    pub async fn new(town: &Town, host: &'static str) -> Self {
        let headers = headers(&[("content-type", "application/json")]);
        let body = Bytes::from_static(b"{}");
        let script = Script { status: StatusCode::OK, headers, body, heard: Vec::new() };
        let state = Arc::new(Mutex::new(script));
        let router = Router::new().fallback(hear).with_state(state.clone());
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.expect("a port");
        town.world.http.route(host, listener.local_addr().expect("an address"));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, state }
    }

    /// Publishes the document of a DID that names this service.
    pub fn describe(&self, town: &Town, did: &str, id: &str) {
        describe(town, did, id, &format!("https://{}", self.host));
    }

    /// Decides what is answered from now on.
    pub fn answers(&self, status: u16, with: &[(&'static str, &'static str)], body: &str) {
        let mut script = self.state.lock();
        script.status = StatusCode::from_u16(status).expect("a status");
        script.headers = headers(with);
        script.body = Bytes::copy_from_slice(body.as_bytes());
    }

    /// Adds a header to what is answered from now on.
    pub fn adds(&self, name: &'static str, value: &str) {
        let value = value.parse().expect("a header's text");
        self.state.lock().headers.insert(name, value);
    }

    /// Returns the paths and queries of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().heard.iter().map(|heard| heard.target.clone()).collect()
    }

    /// Returns the last request.
    pub fn heard(&self) -> Heard {
        let heard = std::mem::take(&mut self.state.lock().heard);
        heard.into_iter().last().expect("a request")
    }

    /// Says whether nobody has asked.
    pub fn heard_nothing(&self) -> bool {
        self.state.lock().heard.is_empty()
    }
}

impl Heard {
    /// Returns the names of all headers, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Returns a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

async fn hear(
    State(state): State<Arc<Mutex<Script>>>,
    request: Request<Outgoing>,
) -> Response<Outgoing> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let target = parts.uri.path_and_query().expect("a target").to_string();
    let method = parts.method.to_string();
    let mut script = state.lock();
    script.heard.push(Heard { method, target, headers: parts.headers, body });
    let mut response = Response::new(Outgoing::from(script.body.clone()));
    *response.status_mut() = script.status;
    response.headers_mut().extend(script.headers.clone());
    response
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value)| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

/// Publishes the document of a DID that names a service.
pub fn describe(town: &Town, did: &str, id: &str, endpoint: &str) {
    let host = did.strip_prefix("did:web:").expect("a did:web");
    let service = json!({ "id": format!("#{id}"), "type": "Service", "serviceEndpoint": endpoint });
    let document = json!({ "id": did, "service": [service] });
    let url = format!("https://{host}/.well-known/did.json");
    town.world.http.answer(&url, 200, "application/json", document.to_string());
}

/// Checks the token of a request against the owner's key in the directory.
pub async fn verified(town: &Town, owner: &Owner, heard: &Heard) -> Claims {
    let path = format!("/{}", owner.did);
    let document: Answer = Client::new(town.directory().address()).get(&path).await;
    let did: Did = owner.did.parse().expect("a DID");
    let document = DidDocument::from_json(document.ok(), &did).expect("a document");
    let token = heard.header("authorization").strip_prefix("Bearer ").expect("a bearer token");
    let token = Token::parse(token).expect("a token");
    token.verify(document.signing_key().expect("a key")).expect("the owner's signature");
    token.into_claims()
}
