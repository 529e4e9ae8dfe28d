//! What a test puts in the place of the network.
//!
//! Answers for single addresses, and servers on this machine behind any name.
//! What is in neither is unreachable, so that no test depends on the internet.

use std::{collections::HashMap, net::SocketAddr};

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use parking_lot::RwLock;
use url::{Host, Url};

use super::{Answer, Door, HttpError, Outbound};

/// The stand-in for the network.
#[derive(Default)]
pub(super) struct FakeNet {
    answers: RwLock<HashMap<String, Answer>>,
    servers: RwLock<HashMap<String, SocketAddr>>,
    asked: RwLock<Vec<String>>,
}

/// Where a request goes.
pub(super) enum Way {
    /// Nowhere: this is the answer.
    Answer(Answer),
    /// To this address, under the name that the header `host` is to say.
    Server(Url, Option<HeaderValue>),
}

impl FakeNet {
    pub(super) fn way(&self, door: Door, url: &Url) -> Result<Way, HttpError> {
        self.asked.write().push(url.to_string());
        if let Some(answer) = self.answers.read().get(url.as_str()) {
            return Ok(Way::Answer(answer.clone()));
        }
        let host = url.host_str().unwrap_or_default();
        if let Some(address) = self.servers.read().get(host) {
            let mut here = url.clone();
            let moved = here.set_scheme("http").is_ok()
                && here.set_ip_host(address.ip()).is_ok()
                && here.set_port(Some(address.port())).is_ok();
            let name = HeaderValue::from_str(url.authority()).ok();
            return if moved { Ok(Way::Server(here, name)) } else { Err(nobody()) };
        }
        match (door, is_this_machine(url)) {
            (Door::Trusted, true) => Ok(Way::Server(url.clone(), None)),
            _ => Err(nobody()),
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn nobody() -> HttpError {
    HttpError::Unreachable("no test has put anything there".into())
}

/// The test's side; the real doors are left alone.
impl Outbound {
    /// Makes every request for `url` get this answer.
    pub fn answer(&self, url: &str, status: u16, content_type: &str, body: impl Into<Bytes>) {
        let mut headers = HeaderMap::new();
        if let Ok(content_type) = HeaderValue::from_str(content_type) {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let body = body.into();
        self.put(url, Answer { status, headers, body });
    }

    /// Makes every request for `url` be sent on to `location`.
    pub fn redirect(&self, url: &str, location: &str) {
        let mut headers = HeaderMap::new();
        if let Ok(location) = HeaderValue::from_str(location) {
            headers.insert(header::LOCATION, location);
        }
        let status = StatusCode::FOUND;
        let body = Bytes::new();
        self.put(url, Answer { status, headers, body });
    }

    /// Puts the server at `address` behind the name `host`, http and https alike.
    pub fn route(&self, host: &str, address: SocketAddr) {
        if let Some(fake) = &self.0.fake {
            fake.servers.write().insert(host.to_owned(), address);
        }
    }

    /// Takes away what was put for `url` and behind its host.
    pub fn forget(&self, url: &Url) {
        if let Some(fake) = &self.0.fake {
            fake.answers.write().remove(url.as_str());
            fake.servers.write().remove(url.host_str().unwrap_or_default());
        }
    }

    /// Takes the addresses that were asked for since the last call, in order.
    pub fn asked(&self) -> Vec<String> {
        let fake = self.0.fake.as_ref();
        fake.map(|fake| std::mem::take(&mut *fake.asked.write())).unwrap_or_default()
    }

    fn put(&self, url: &str, answer: Answer) {
        if let (Some(fake), Ok(url)) = (&self.0.fake, Url::parse(url)) {
            fake.answers.write().insert(url.to_string(), answer);
        }
    }
}
