//! Talks to the server of these settings as its administrator.
//!
//! Where none runs, a command that can do without brings one up for itself, on
//! the same database and for this machine only ([`Offline`]), so that each
//! command is written once.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::{HeaderValue, Method, header};
use serde_json::Value;
use url::Url;

use crate::app::{self, Offline};
use crate::config::Config;
use crate::config::keyring::Keyring;
use crate::world::World;
use crate::world::http::{Answer, Request};

use super::failure::Failure;
use super::health::reachable;

/// Whether a server runs; answered without a look at the database.
const HEALTH: &str = "_health";
/// How long the server may take for what only operators ask for: it may have to
/// wait for a directory several times.
const OPERATE_TIMEOUT: Duration = Duration::from_secs(60);

/// The server of these settings.
pub(super) struct RunningServer {
    origin: Url,
    world: World,
    keyring: Keyring,
    /// The one that was brought up for this command.
    offline: Option<Offline>,
}

impl RunningServer {
    /// Takes the settings; whether the server runs is seen when it is asked.
    pub(super) fn of(config: &Config) -> Result<Self, Failure> {
        let world = app::world(config);
        let address = SocketAddr::new(reachable(config.server.address), config.server.port);
        let origin = Url::parse(&format!("http://{address}"))?;
        Ok(Self { origin, keyring: app::open_keyring(config, &world)?, world, offline: None })
    }

    /// Finds the running server, or brings one up on its database.
    pub(super) async fn or_offline(config: &Config) -> Result<Self, Failure> {
        let server = Self::of(config)?;
        if server.query(HEALTH).await.is_ok() {
            return Ok(server);
        }
        let offline = Offline::open(config, server.world.clone()).await?;
        let origin = Url::parse(&format!("http://{}", offline.address()))?;
        Ok(Self { origin, offline: Some(offline), ..server })
    }

    /// Ends what was brought up.
    pub(super) async fn close(self) {
        if let Some(offline) = self.offline {
            offline.close().await;
        }
    }

    /// Returns where it is reached on this machine.
    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// Returns the world that its calls go through.
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Reads what a query answers to anybody.
    pub(super) async fn query(&self, nsid: &str) -> Result<Value, Failure> {
        let url = self.origin.join(&format!("/xrpc/{nsid}"))?;
        self.answer(nsid, self.world.http.trusted(url)).await
    }

    /// Calls a procedure as anybody may.
    pub(super) async fn procedure(&self, nsid: &str, input: &Value) -> Result<Value, Failure> {
        let url = self.origin.join(&format!("/xrpc/{nsid}"))?;
        self.answer(nsid, self.world.http.trusted(url).method(Method::POST).json(input)?).await
    }

    /// Calls a procedure as the administrator.
    pub(super) async fn administer(&self, nsid: &str, input: &Value) -> Result<Value, Failure> {
        let request = self.as_administrator(&format!("/xrpc/{nsid}"), input)?;
        self.answer(nsid, request).await
    }

    /// Asks for what only operators ask for.
    pub(super) async fn operate(&self, path: &str, input: &Value) -> Result<Value, Failure> {
        let request = self.as_administrator(path, input)?.timeout(OPERATE_TIMEOUT);
        self.answer(path, request).await
    }

    /// Reads what a query answers to the administrator.
    pub(super) async fn inspect(
        &self,
        nsid: &str,
        params: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let mut url = self.origin.join(&format!("/xrpc/{nsid}"))?;
        url.query_pairs_mut().extend_pairs(params);
        let request = self.world.http.trusted(url);
        self.answer(nsid, request.header(header::AUTHORIZATION, self.basic()?)).await
    }

    fn as_administrator(&self, path: &str, input: &Value) -> Result<Request, Failure> {
        let url = self.origin.join(path)?;
        let request = self.world.http.trusted(url).method(Method::POST).json(input)?;
        Ok(request.header(header::AUTHORIZATION, self.basic()?))
    }

    fn basic(&self) -> Result<HeaderValue, Failure> {
        let pair = format!("admin:{}", self.keyring.admin_password.reveal());
        let basic = format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        let mut basic = HeaderValue::from_str(&basic)?;
        basic.set_sensitive(true);
        Ok(basic)
    }

    async fn answer(&self, nsid: &str, request: Request) -> Result<Value, Failure> {
        let no_answer = |error| {
            let hint = "is it running, with the same settings?";
            Failure::Failed(
                format!("no answer from the server at {}: {error}; {hint}", self.origin).into(),
            )
        };
        let answer = request.fetch().await.map_err(no_answer)?;
        said(nsid, &answer)
    }
}

/// What an answer says, if it is one of success.
fn said(asked: &str, answer: &Answer) -> Result<Value, Failure> {
    if answer.status.is_success() {
        // Many procedures have nothing to say.
        return if answer.body.is_empty() { Ok(Value::Null) } else { Ok(answer.json()?) };
    }
    let body: Value = answer.json().unwrap_or_default();
    let said = body["message"].as_str().or(body["error"].as_str()).unwrap_or("nothing more");
    Err(format!("the server refused {asked} with {}: {said}", answer.status).into())
}
