//! `[proxy]`: requests that are handed on to other services.

use std::time::Duration;

use crate::config::parsed::{Parsed, quoted};
use crate::config::reader::Reader;
use crate::service::proxy::Audience;

const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const RESPONSE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Section `[proxy]`.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// How long a service may take to begin its answer.
    pub headers_timeout: Duration,
    /// How long it may pause within its answer.
    pub body_timeout: Duration,
    /// Largest answer that is handed on.
    pub response_bytes_max: u64,
    /// How tokens for a service name it.
    pub audience: Audience,
}

impl Parsed for Audience {
    const WANTED: &'static str = "did or service";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "did" => Some(Self::Did),
            "service" => Some(Self::DidAndService),
            _ => None,
        }
    }
    fn show(&self) -> String {
        quoted(match self {
            Self::Did => "did",
            Self::DidAndService => "service",
        })
    }
}

impl ProxyConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("proxy");
        Self {
            headers_timeout: section.millis("headers_timeout_ms", HEADERS_TIMEOUT),
            body_timeout: section.millis("body_timeout_ms", BODY_TIMEOUT),
            response_bytes_max: section.or("response_bytes_max", RESPONSE_BYTES_MAX),
            audience: section.or("audience", Audience::default()),
        }
    }
}
