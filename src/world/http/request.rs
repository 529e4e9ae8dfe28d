//! Sending a request, and what stands between it and the caller: the place
//! among the requests to its host, the deadline, the redirects.

use std::{error::Error as _, sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::{
    Answer, AnswerBody, Authorities, CONNECT_TIMEOUT, Door, FETCH_SIZE_MAX, FETCH_TIMEOUT,
    GUARDED_PER_HOST_MAX, HttpError, IDLE_TIMEOUT, Outbound, Refused, Request, RequestBody,
    Streamed, TRUSTED_PER_HOST_MAX, USER_AGENT,
    body::Progress,
    fake::Way,
    guard::{self, Checked},
};

impl Request {
    pub(super) fn new(outbound: Outbound, door: Door, url: Url) -> Self {
        Self {
            outbound,
            door,
            url,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            timeout: FETCH_TIMEOUT,
            idle: IDLE_TIMEOUT,
            size_bytes_max: FETCH_SIZE_MAX,
            redirects_max: 0,
        }
    }

    /// Sets the method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets one header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets all headers.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Sets the body to the JSON of `value`, and its content type.
    ///
    /// # Errors
    /// [`HttpError::NotJson`] for a value that JSON cannot say.
    pub fn json<T: Serialize>(self, value: &T) -> Result<Self, HttpError> {
        let body = RequestBody::Whole(serde_json::to_vec(value)?.into());
        let json = HeaderValue::from_static("application/json");
        Ok(self.body(body).header(header::CONTENT_TYPE, json))
    }

    /// Sets how long a fetch may take as a whole, or a stream until its headers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the answer's body may be silent between two pieces.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets how many bytes the answer may have.
    pub fn size_max(mut self, bytes: usize) -> Self {
        self.size_bytes_max = bytes;
        self
    }

    /// Lets a fetch follow this many redirects; each is checked like the first address.
    pub fn redirects_max(mut self, redirects: usize) -> Self {
        self.redirects_max = redirects;
        self
    }

    /// Sends the request and reads the answer whole.
    ///
    /// # Errors
    /// [`HttpError`]; a status that says failure is an answer and no error.
    pub async fn fetch(self) -> Result<Answer, HttpError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.fetch_unhurried())
            .await
            .unwrap_or(Err(HttpError::TimedOut))
    }

    async fn fetch_unhurried(mut self) -> Result<Answer, HttpError> {
        let agent = HeaderValue::from_static(USER_AGENT);
        self.headers.entry(header::USER_AGENT).or_insert(agent);
        let mut redirects_left = self.redirects_max;
        loop {
            let again = (redirects_left > 0).then(|| self.again());
            let streamed = self.stream().await?;
            let (Some(mut next), true) = (again, streamed.status.is_redirection()) else {
                let Streamed { status, headers, body } = streamed;
                let body = body.whole().await?;
                return Ok(Answer { status, headers, body });
            };
            next.url = redirected(&next.url, &streamed.headers)?;
            if next.door == Door::Guarded {
                guard::check_url(&next.url, next.outbound.network())?;
            }
            redirects_left -= 1;
            self = next;
        }
    }

    /// Copies the request without its body, for a redirect.
    fn again(&self) -> Self {
        Self {
            outbound: self.outbound.clone(),
            url: self.url.clone(),
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: RequestBody::Empty,
            ..*self
        }
    }

    /// Sends the request, its body piece by piece, and returns when the answer's
    /// headers are there. The deadline counts from the last piece sent.
    ///
    /// # Errors
    /// [`HttpError`]; a status that says failure is an answer and no error.
    pub async fn stream(self) -> Result<Streamed, HttpError> {
        let (client, url, name) = match self.outbound.way(self.door, &self.url)? {
            Reached::Client(client) => (client, self.url.clone(), None),
            Reached::Fake(client, Way::Server(url, name)) => (client, url, name),
            Reached::Fake(_, Way::Answer(answer)) => return Ok(self.canned(answer)),
        };
        let mut headers = self.headers;
        if let Some(name) = name {
            headers.insert(header::HOST, name);
        }
        let permit = self.outbound.place(self.door, &self.url, self.timeout).await?;
        let progress = Progress::new();
        let mut request = client.request(self.method, url).headers(headers);
        if let Some(body) = self.body.into_reqwest(&progress) {
            request = request.body(body);
        }
        let response = answered(request, &progress, self.timeout).await?;
        if response.content_length().is_some_and(|length| length > self.size_bytes_max as u64) {
            return Err(HttpError::TooLarge { size_bytes_max: self.size_bytes_max });
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let pieces = response.bytes_stream();
        let body = AnswerBody::new(pieces, self.size_bytes_max, self.idle, Some(permit));
        Ok(Streamed { status, headers, body })
    }

    fn canned(&self, answer: Answer) -> Streamed {
        let Answer { status, headers, body } = answer;
        let pieces = futures_util::stream::iter([Ok::<Bytes, reqwest::Error>(body)]);
        let body = AnswerBody::new(pieces, self.size_bytes_max, self.idle, None);
        Streamed { status, headers, body }
    }
}

enum Reached<'a> {
    Client(&'a reqwest::Client),
    Fake(&'a reqwest::Client, Way),
}

impl Outbound {
    fn way(&self, door: Door, url: &Url) -> Result<Reached<'_>, HttpError> {
        if let Some(fake) = &self.0.fake {
            return Ok(Reached::Fake(&self.0.trusted, fake.way(door, url)?));
        }
        Ok(Reached::Client(match door {
            Door::Trusted => &self.0.trusted,
            Door::Guarded => &self.0.guarded,
        }))
    }

    /// Waits for a place among the requests to the host of `url`.
    pub(super) async fn place(
        &self,
        door: Door,
        url: &Url,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, HttpError> {
        let places = match door {
            Door::Trusted => TRUSTED_PER_HOST_MAX,
            Door::Guarded => GUARDED_PER_HOST_MAX,
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        let lane = self.0.lanes.get_with((door, host), || Arc::new(Semaphore::new(places)));
        let place = tokio::time::timeout(patience, lane.acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(HttpError::Busy)
    }
}

/// Waits for the headers of an answer as long as the request makes progress.
async fn answered(
    request: reqwest::RequestBuilder,
    progress: &Progress,
    timeout: Duration,
) -> Result<reqwest::Response, HttpError> {
    let answer = request.send();
    tokio::pin!(answer);
    loop {
        let deadline = progress.last() + timeout;
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(failure),
            () = tokio::time::sleep_until(deadline) => {
                if progress.last() + timeout <= deadline {
                    return Err(HttpError::TimedOut);
                }
            }
        }
    }
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, HttpError> {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    next.ok_or(HttpError::Redirected)
}

/// Says what went wrong in our words; the guard speaks from inside the connector.
pub(super) fn failure(error: reqwest::Error) -> HttpError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return HttpError::Refused(*refused);
        }
        source = cause.source();
    }
    if error.is_timeout() {
        return HttpError::TimedOut;
    }
    // Without the address: it may carry what must not be logged.
    HttpError::Unreachable(Box::new(error.without_url()))
}

/// Builds one door's client.
pub(super) fn client(checked: Option<Checked>, authorities: &Authorities) -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(authorities))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    let builder = match checked {
        Some(checked) => builder.dns_resolver(guard::resolver(checked)),
        None => builder,
    };
    builder.build().expect("constant settings and a finished TLS configuration build a client")
}

fn tls(authorities: &Authorities) -> rustls::ClientConfig {
    let mut roots =
        rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    authorities.add_to(&mut roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Many calls to one service then share a connection.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}
