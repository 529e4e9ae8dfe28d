//! An answer of the server, held to the lexicons before a test sees it.

use std::sync::LazyLock;

use freehold::atproto::data;
use freehold::atproto::lexicon::Catalog;
use freehold::atproto::syntax::Nsid;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

/// Names that any method may answer with, besides those of its lexicon.
static GENERAL_ERRORS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    vec![
        "use_dpop_nonce",
        "invalid_token",
        "invalid_dpop_proof",
        "ScopeMissingError",
        "AccountDeactivated",
        "AccountNotFound",
        "AccountTakedown",
        "AuthMissing",
        "AlreadyExists",
        "NotEnoughResources",
        "UnresolvableDid",
        "NonceNotUnique",
        "JwtExpired",
        "BadJwtType",
        "BadJwtSignature",
        "UntrustedIss",
        "BadJwtLexiconMethod",
        "BadJwtIss",
        "BadJwtAudience",
        "AccountSuspended",
        "AuthenticationRequired",
        "BadJwt",
        "BlobNotFound",
        "ExpiredToken",
        "Forbidden",
        "HandleNotAvailable",
        "InvalidHandle",
        "InvalidRequest",
        "InvalidMimeType",
        "InvalidSize",
        "InvalidToken",
        "MethodNotImplemented",
        "NotFound",
        "PayloadTooLarge",
        "RateLimitExceeded",
        "RecordNotFound",
        "RepoDeactivated",
        "RepoNotFound",
        "RepoTakendown",
        "RequestTimeout",
        "UnsupportedMediaType",
        "UpstreamFailure",
        "UpstreamTimeout",
    ]
});

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The method that was asked, or the path where it was none.
    pub asked: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads an answer to its end and holds it to the method's lexicon.
    pub async fn read(asked: &str, response: reqwest::Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.expect("an answer comes to its end").to_vec();
        let answer = Self { asked: asked.to_owned(), status, headers, bytes };
        answer.hold_to_lexicon();
        answer
    }

    /// Returns the JSON of a good answer.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} was refused: {}", self.asked, self.shown());
        match self.bytes.is_empty() {
            true => Value::Null,
            false => self.json(),
        }
    }

    /// Returns the bytes of a good answer.
    #[track_caller]
    pub fn ok_bytes(&self) -> &[u8] {
        assert!(self.status.is_success(), "{} was refused: {}", self.asked, self.shown());
        &self.bytes
    }

    /// Demands a refusal with this status and error name, and returns its message.
    #[track_caller]
    pub fn refused(&self, status: u16, error: &str) -> String {
        let found = (self.status.as_u16(), self.json()["error"].as_str().unwrap_or("").to_owned());
        assert_eq!(found, (status, error.to_owned()), "{}: {}", self.asked, self.shown());
        self.json()["message"].as_str().unwrap_or("").to_owned()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("{} answers no JSON: {}", self.asked, self.shown()))
    }

    /// Returns a header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    fn hold_to_lexicon(&self) {
        let Ok(nsid) = Nsid::new(self.asked.clone()) else { return };
        let Some(method) = Catalog::bundled().method(&nsid) else { return };
        if self.status.is_success() {
            let is_json = self.header(CONTENT_TYPE.as_str()).starts_with("application/json");
            let Some(output) = method.output.as_ref().filter(|body| body.schema.is_some()) else {
                return;
            };
            assert!(
                is_json && &*output.encoding == "application/json",
                "{}: {}",
                self.asked,
                self.shown()
            );
            let text = std::str::from_utf8(&self.bytes).expect("JSON is UTF-8");
            let value = data::from_json(text).expect("an answer follows the data model");
            let verdict = Catalog::bundled().validate_output(&nsid, &value);
            assert!(verdict.is_ok(), "{} breaks its lexicon: {verdict:?} in {text}", self.asked);
        } else {
            let error = self.json()["error"].as_str().unwrap_or("").to_owned();
            let declared = method.errors.iter().any(|known| **known == *error);
            let known = declared || GENERAL_ERRORS.contains(&error.as_str());
            assert!(known, "{} names an error nobody declares: {}", self.asked, self.shown());
            assert!(self.json()["message"].is_string(), "{}: an error without message", self.asked);
            assert_ne!(self.status.as_u16(), 500, "{}: {}", self.asked, self.shown());
        }
    }

    fn shown(&self) -> String {
        let body = String::from_utf8_lossy(&self.bytes);
        let body: String = body.chars().take(2000).collect();
        format!("{} {body}", self.status)
    }
}
