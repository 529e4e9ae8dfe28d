//! One of the two servers of a migration, spoken to as any client would.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use crate::cli::failure::Failure;
use crate::service::import::IMPORT_BYTES_MAX;
use crate::world::World;
use crate::world::http::{Answer, Request, RequestBody};

/// An import of the largest repositories takes this long at most.
const CALL_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Hosts may keep blobs and archives elsewhere and say so.
const REDIRECTS_MAX: usize = 3;
/// How long to wait where a server has had enough and does not say until when.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that a server is granted: its windows are days at most.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Waits for one call, after which somebody should look.
const PAUSES_MAX: u32 = 30;
/// Another moment, so that a clock that is a little ahead does not ask too early.
const PAUSE_MARGIN: Duration = Duration::from_secs(1);

/// A server, and the session that the account has there.
pub(super) struct Side {
    /// What it is called when people are told about it.
    pub(super) name: String,
    origin: Url,
    world: World,
    session: parking_lot::Mutex<Option<Tokens>>,
}

#[derive(Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

/// A call that got another answer than the one it hoped for.
#[derive(Debug, thiserror::Error)]
#[error("{side} refused {nsid} with {status}: {said}")]
pub(super) struct Refusal {
    /// Which server.
    side: String,
    /// What was asked of it.
    nsid: String,
    /// What it answered.
    pub(super) status: StatusCode,
    /// The name of the error.
    pub(super) name: String,
    said: String,
    /// How long to wait before the same call may be made again.
    pause: Option<Duration>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The server answered, and it was a no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer, or one that cannot be read.
    #[error("no answer from {side} to {nsid}; run the command again to go on from here")]
    Silent {
        /// Which server.
        side: String,
        /// What was asked of it.
        nsid: String,
        /// Why.
        #[source]
        source: crate::world::http::HttpError,
    },
}

impl CallError {
    /// Says whether the server answered with an error of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.name == name)
    }
}

/// What a call carries.
#[derive(Clone)]
pub(super) enum Input {
    /// Nothing.
    None,
    /// An object.
    Json(Value),
    /// Bytes of some type.
    Bytes(Bytes, HeaderValue),
}

/// A call that is made, and made again when the session has to be renewed.
struct Call<'a> {
    nsid: &'a str,
    params: &'a [(&'a str, &'a str)],
    input: Input,
    bearer: Option<String>,
}

impl Side {
    pub(super) fn new(name: String, origin: Url, world: World) -> Self {
        Self { name, origin, world, session: parking_lot::Mutex::new(None) }
    }

    /// Opens a session of the account.
    pub(super) async fn log_in(&self, who: &str, password: &str) -> Result<Value, CallError> {
        let input = json!({ "identifier": who, "password": password });
        let opened = self.as_anybody("com.atproto.server.createSession", input).await?;
        self.keep(&opened);
        Ok(opened)
    }

    fn keep(&self, opened: &Value) {
        let token = |key: &str| opened[key].as_str().unwrap_or_default().to_owned();
        let tokens = Tokens { access: token("accessJwt"), refresh: token("refreshJwt") };
        *self.session.lock() = Some(tokens);
    }

    /// Asks a query, as the account where it has a session.
    pub(super) async fn query(
        &self,
        nsid: &str,
        params: &[(&str, &str)],
    ) -> Result<Value, CallError> {
        let call = Call { nsid, params, input: Input::None, bearer: None };
        self.value(nsid, self.answered(Method::GET, call).await?)
    }

    /// Asks a query whose answer is no JSON.
    pub(super) async fn bytes(
        &self,
        nsid: &str,
        params: &[(&str, &str)],
    ) -> Result<Answer, CallError> {
        let call = Call { nsid, params, input: Input::None, bearer: None };
        self.answered(Method::GET, call).await
    }

    /// Calls a procedure as the account.
    pub(super) async fn procedure(&self, nsid: &str, input: Input) -> Result<Value, CallError> {
        let call = Call { nsid, params: &[], input, bearer: None };
        self.value(nsid, self.answered(Method::POST, call).await?)
    }

    /// Calls a procedure without a session.
    pub(super) async fn as_anybody(&self, nsid: &str, input: Value) -> Result<Value, CallError> {
        self.with_token(nsid, input, String::new()).await
    }

    /// Makes an account with a token that its old server signed, and keeps the
    /// session that comes with it.
    pub(super) async fn enrol(&self, input: Value, proof: &str) -> Result<(), CallError> {
        let created = self.with_token("com.atproto.server.createAccount", input, proof.into());
        self.keep(&created.await?);
        Ok(())
    }

    async fn with_token(
        &self,
        nsid: &str,
        input: Value,
        token: String,
    ) -> Result<Value, CallError> {
        let call = Call { nsid, params: &[], input: Input::Json(input), bearer: Some(token) };
        self.value(nsid, self.answered(Method::POST, call).await?)
    }

    fn access(&self) -> Option<String> {
        self.session.lock().as_ref().map(|tokens| tokens.access.clone())
    }

    /// Makes a call; where the server has had enough, waits as long as it says;
    /// where the session's time is over, renews it and calls again.
    async fn answered(&self, method: Method, call: Call<'_>) -> Result<Answer, CallError> {
        for _ in 0..PAUSES_MAX {
            match self.answered_now(method.clone(), &call).await {
                Err(CallError::Refused(Refusal { pause: Some(pause), .. })) => {
                    let (name, seconds) = (&self.name, pause.as_secs());
                    eprintln!("  {name} wants no more calls for now; going on in {seconds} s");
                    self.world.clock.sleep(pause).await;
                }
                answered => return answered,
            }
        }
        self.answered_now(method, &call).await
    }

    async fn answered_now(&self, method: Method, call: &Call<'_>) -> Result<Answer, CallError> {
        let bearer = call.bearer.clone().or_else(|| self.access());
        let answer = self.sent(self.request(method.clone(), call, bearer), call.nsid).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let refusal = self.refusal(call.nsid, &answer);
        if refusal.name != "ExpiredToken" || call.bearer.is_some() || !self.renew().await? {
            return Err(refusal.into());
        }
        let again = self.sent(self.request(method, call, self.access()), call.nsid).await?;
        match again.status.is_success() {
            true => Ok(again),
            false => Err(self.refusal(call.nsid, &again).into()),
        }
    }

    /// Returns whether there was a session to renew.
    async fn renew(&self) -> Result<bool, CallError> {
        let nsid = "com.atproto.server.refreshSession";
        let Some(refresh) = self.session.lock().as_ref().map(|tokens| tokens.refresh.clone())
        else {
            return Ok(false);
        };
        let call = Call { nsid, params: &[], input: Input::None, bearer: None };
        let answer = self.sent(self.request(Method::POST, &call, Some(refresh)), nsid).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(nsid, &answer).into());
        }
        self.keep(&self.value(nsid, answer)?);
        Ok(true)
    }

    fn request(&self, method: Method, call: &Call<'_>, bearer: Option<String>) -> Request {
        let mut url = self.origin.clone();
        url.set_path(&format!("/xrpc/{}", call.nsid));
        if !call.params.is_empty() {
            url.query_pairs_mut().extend_pairs(call.params);
        }
        let request =
            self.world.http.trusted(url).timeout(CALL_TIMEOUT).redirects_max(REDIRECTS_MAX);
        let mut request = request.method(method).size_max(IMPORT_BYTES_MAX as usize);
        let bearer = bearer.filter(|token| !token.is_empty());
        if let Some(mut value) =
            bearer.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
        {
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        match &call.input {
            Input::None => request,
            Input::Json(value) => request
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(RequestBody::Whole(value.to_string().into())),
            Input::Bytes(bytes, kind) => request
                .header(header::CONTENT_TYPE, kind.clone())
                .body(RequestBody::Whole(bytes.clone())),
        }
    }

    async fn sent(&self, request: Request, nsid: &str) -> Result<Answer, CallError> {
        request.fetch().await.map_err(|source| self.silent(nsid, source))
    }

    /// Reads an answer; a procedure may say nothing but yes.
    fn value(&self, nsid: &str, answer: Answer) -> Result<Value, CallError> {
        match answer.body.is_empty() {
            true => Ok(Value::Null),
            false => answer.json().map_err(|source| self.silent(nsid, source)),
        }
    }

    fn silent(&self, nsid: &str, source: crate::world::http::HttpError) -> CallError {
        CallError::Silent { side: self.name.clone(), nsid: nsid.to_owned(), source }
    }

    fn refusal(&self, nsid: &str, answer: &Answer) -> Refusal {
        let body: Value = answer.json().unwrap_or_default();
        let name = body["error"].as_str().unwrap_or_default().to_owned();
        let said = body["message"].as_str().filter(|text| !text.is_empty()).unwrap_or(&name);
        let (said, pause) = match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                let pause = pause(&answer.headers, self.world.clock.now().unix_secs());
                ("too many calls; run the command again later", Some(pause))
            }
            _ => (said, None),
        };
        let (side, nsid) = (self.name.clone(), nsid.to_owned());
        Refusal { side, nsid, status: answer.status, said: said.to_owned(), name, pause }
    }
}

/// How long a server wants to be left alone: what `Retry-After` says, or until
/// the moment that `RateLimit-Reset` names.
fn pause(headers: &HeaderMap, now_secs: i64) -> Duration {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let seconds = number("retry-after").or(number("ratelimit-reset").map(|at| at - now_secs));
    let said = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    said.map_or(PAUSE, |said| said + PAUSE_MARGIN).min(PAUSE_MAX)
}

/// Reads a text out of an answer.
pub(super) fn text<'a>(answer: &'a Value, key: &str) -> Result<&'a str, Failure> {
    answer[key].as_str().ok_or_else(|| format!("an answer has no {key}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_long_to_leave_it_alone() {
        let check = |headers: &[(&'static str, &'static str)], expected: u64| {
            let pairs = headers.iter().map(|(name, value)| {
                (::http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            assert_eq!(pause(&pairs.collect(), 1_000).as_secs(), expected, "{headers:?}");
        };
        check(&[], 60);
        check(&[("retry-after", "300")], 301);
        check(&[("ratelimit-reset", "1010")], 11);
        check(&[("ratelimit-reset", "990")], 60);
        check(&[("retry-after", "7"), ("ratelimit-reset", "1010")], 8);
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], 60);
        check(&[("retry-after", "999999999")], 86_400);
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own task")]
    #[tokio::test]
    async fn a_call_that_came_too_early_is_made_again() {
        let world = World::fake(1);
        let url = "https://old.test/xrpc/com.example.read";
        let tired = r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#;
        world.http.answer(url, 429, "application/json", tired);
        let origin = Url::parse("https://old.test").expect("a URL");
        let side = Side::new("the old server".to_owned(), origin, world.clone());
        let call = tokio::spawn(async move { side.query("com.example.read", &[]).await });
        while world.clock.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        world.http.answer(url, 200, "application/json", r#"{"it":"works"}"#);
        world.clock.advance(PAUSE);
        let answer = call.await.expect("the task ends").expect("an answer");
        assert_eq!(answer["it"], "works");
    }
}
