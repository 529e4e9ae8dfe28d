//! One of the two servers of a migration, spoken to as any client would.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::world::Clock;
use crate::world::http::{Answer, HttpError};

use super::carrier::{Carrier, Sent};
use super::{MoveError, Note, Patience, Watcher};

/// An import of the largest repositories takes this long at most.
const CALL_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Somebody who looks at an empty page waits no longer.
const PROMPT_CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait where a server has had enough and does not say until when.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that a server is granted: its windows are days at most.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Waits for one call, after which somebody should look.
const PAUSES_MAX: u32 = 30;
/// Another moment, so that a clock that is a little ahead does not ask too early.
const PAUSE_MARGIN: Duration = Duration::from_secs(1);

/// A server, and the session that the account has there.
pub struct Side {
    /// What it is called when people are told about it.
    pub name: String,
    carrier: Box<dyn Carrier>,
    clock: Clock,
    watcher: Arc<dyn Watcher>,
    /// Replaced when it is renewed; several copies go on at once.
    session: parking_lot::Mutex<Option<Tokens>>,
}

#[derive(Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

/// What somebody logs in with.
pub struct Login<'l> {
    /// A handle or a DID.
    pub who: &'l str,
    /// The password.
    pub password: &'l str,
    /// The code that was mailed.
    pub code: Option<&'l str>,
}

impl<'l> Login<'l> {
    /// By password alone.
    pub fn of(who: &'l str, password: &'l str) -> Self {
        Self { who, password, code: None }
    }
}

/// A call that got another answer than the one it hoped for.
#[derive(Debug, thiserror::Error)]
#[error("{side} refused {nsid} with {status}: {said}")]
pub struct Refusal {
    /// Which server.
    side: String,
    /// What was asked of it.
    nsid: String,
    /// What it answered.
    pub status: StatusCode,
    /// The name of the error.
    pub name: String,
    said: String,
    /// How long to wait before the same call may be made again.
    pause: Option<Duration>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server answered, and it was a no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer, or one that cannot be read.
    #[error("no answer from {side} to {nsid}; begin again to go on from here")]
    Silent {
        /// Which server.
        side: String,
        /// What was asked of it.
        nsid: String,
        /// Why.
        #[source]
        source: HttpError,
    },
}

impl CallError {
    /// Says whether the server answered with an error of this name.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.name == name)
    }
}

/// What a call carries.
#[derive(Clone)]
pub enum Input {
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
    /// A server that nobody is logged in at yet.
    pub fn new(
        name: String,
        carrier: impl Carrier + 'static,
        clock: Clock,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        let session = parking_lot::Mutex::new(None);
        Self { name, carrier: Box::new(carrier), clock, watcher, session }
    }

    /// Opens a session of the account.
    ///
    /// # Errors
    /// `AuthFactorTokenRequired` where the server has mailed a code.
    pub async fn log_in(&self, login: &Login<'_>) -> Result<Value, CallError> {
        let mut input = json!({ "identifier": login.who, "password": login.password });
        if let Some(code) = login.code {
            input["authFactorToken"] = code.into();
        }
        let opened = self.as_anybody("com.atproto.server.createSession", input).await?;
        self.keep(&opened);
        Ok(opened)
    }

    /// Goes on with a session that is open.
    pub fn keep(&self, opened: &Value) {
        let token = |key: &str| opened[key].as_str().unwrap_or_default().to_owned();
        let tokens = Tokens { access: token("accessJwt"), refresh: token("refreshJwt") };
        *self.session.lock() = Some(tokens);
    }

    /// Asks a query, as the account where it has a session.
    pub async fn query(&self, nsid: &str, params: &[(&str, &str)]) -> Result<Value, CallError> {
        let call = Call { nsid, params, input: Input::None, bearer: None };
        self.value(nsid, self.answered(Method::GET, call).await?)
    }

    /// Asks a query whose answer is no JSON.
    pub async fn bytes(&self, nsid: &str, params: &[(&str, &str)]) -> Result<Answer, CallError> {
        let call = Call { nsid, params, input: Input::None, bearer: None };
        self.answered(Method::GET, call).await
    }

    /// Calls a procedure as the account.
    pub async fn procedure(&self, nsid: &str, input: Input) -> Result<Value, CallError> {
        let call = Call { nsid, params: &[], input, bearer: None };
        self.value(nsid, self.answered(Method::POST, call).await?)
    }

    /// Calls a procedure without a session.
    pub async fn as_anybody(&self, nsid: &str, input: Value) -> Result<Value, CallError> {
        self.with_token(nsid, input, String::new()).await
    }

    /// Makes an account with a token that its old server signed, and keeps the
    /// session that comes with it.
    pub async fn enrol(&self, input: Value, proof: &str) -> Result<(), CallError> {
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
                Err(CallError::Refused(Refusal { pause: Some(pause), .. }))
                    if self.watcher.patience() == Patience::Long =>
                {
                    let (side, seconds) = (self.name.clone(), pause.as_secs());
                    self.watcher.notes(Note::Waiting { side, seconds });
                    self.clock.sleep(pause).await;
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

    fn request(&self, method: Method, call: &Call<'_>, bearer: Option<String>) -> Sent {
        let mut target = format!("/xrpc/{}", call.nsid);
        if !call.params.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            target = format!("{target}?{}", query.extend_pairs(call.params).finish());
        }
        let mut headers = HeaderMap::new();
        let timeout = match self.watcher.patience() {
            Patience::None => PROMPT_CALL_TIMEOUT,
            Patience::Long => CALL_TIMEOUT,
        };
        let bearer = bearer.filter(|token| !token.is_empty());
        if let Some(mut value) =
            bearer.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
        {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let (body, kind) = match &call.input {
            Input::None => return Sent { method, target, headers, body: Bytes::new(), timeout },
            Input::Json(value) => {
                (value.to_string().into(), HeaderValue::from_static("application/json"))
            }
            Input::Bytes(bytes, kind) => (bytes.clone(), kind.clone()),
        };
        headers.insert(header::CONTENT_TYPE, kind);
        Sent { method, target, headers, body, timeout }
    }

    async fn sent(&self, sent: Sent, nsid: &str) -> Result<Answer, CallError> {
        self.carrier.carry(sent).await.map_err(|source| self.silent(nsid, source))
    }

    /// Reads an answer; a procedure may say nothing but yes.
    fn value(&self, nsid: &str, answer: Answer) -> Result<Value, CallError> {
        match answer.body.is_empty() {
            true => Ok(Value::Null),
            false => answer.json().map_err(|source| self.silent(nsid, source)),
        }
    }

    fn silent(&self, nsid: &str, source: HttpError) -> CallError {
        CallError::Silent { side: self.name.clone(), nsid: nsid.to_owned(), source }
    }

    fn refusal(&self, nsid: &str, answer: &Answer) -> Refusal {
        let body: Value = answer.json().unwrap_or_default();
        let name = body["error"].as_str().unwrap_or_default().to_owned();
        let said = body["message"].as_str().filter(|text| !text.is_empty()).unwrap_or(&name);
        let (said, pause) = match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                let pause = pause(&answer.headers, self.clock.now().unix_secs());
                ("too many calls; begin again later", Some(pause))
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
pub fn text<'a>(answer: &'a Value, key: &'static str) -> Result<&'a str, MoveError> {
    answer[key].as_str().ok_or(MoveError::Answer(key))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::{Far, Part};
    use super::*;
    use crate::world::World;

    struct Nobody;

    impl Watcher for Nobody {
        fn begins(&self, _: Part, _: u64) {}
        fn advances(&self, _: u64) {}
        fn ends(&self) {}
        fn notes(&self, _: Note) {}
        fn patience(&self) -> Patience {
            Patience::Long
        }
    }

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
        let carrier = Far::trusted(origin, world.clone());
        let (name, watcher) = ("the old server".to_owned(), Arc::new(Nobody));
        let side = Side::new(name, carrier, world.clock.clone(), watcher);
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
