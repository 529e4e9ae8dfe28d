//! The two people of a local network: they sign up, write a little, follow
//! each other and like something, all over the wire, as anybody would.

use ::http::{HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::DevError;
use crate::{atproto::Moment, world::World};

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account's handle.
    pub handle: &'static str,
    /// Its password.
    pub password: &'static str,
    /// Its DID.
    pub did: String,
}

/// Somebody before signing up.
struct Newcomer {
    handle: &'static str,
    password: &'static str,
    email: &'static str,
    name: &'static str,
    description: &'static str,
}

const ALICE: Newcomer = Newcomer {
    handle: "alice.test",
    password: "alice-lives-here",
    email: "alice@example.com",
    name: "Alice",
    description: "I live on a network that fits on one machine.",
};

const BOB: Newcomer = Newcomer {
    handle: "bob.test",
    password: "bob-lives-here",
    email: "bob@example.com",
    name: "Bob",
    description: "Next door to Alice.",
};

/// Talks to the server as one person, or as nobody.
struct Client<'w> {
    world: &'w World,
    origin: &'w str,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    did: String,
    access_jwt: String,
}

/// What a reply to another record names it by.
#[derive(Clone, serde::Serialize, Deserialize)]
struct Reference {
    uri: String,
    cid: String,
}

/// Has everybody move in who does not live here yet, and returns them all.
pub(super) async fn move_in(world: &World, origin: &str) -> Result<Vec<Person>, DevError> {
    let visitor = Client { world, origin, token: None };
    let known = (visitor.resolve(ALICE.handle).await?, visitor.resolve(BOB.handle).await?);
    if let (Some(alice), Some(bob)) = known {
        return Ok(vec![ALICE.person(alice), BOB.person(bob)]);
    }
    let (alice, alice_did) = visitor.sign_up_or_in(&ALICE).await?;
    let (bob, bob_did) = visitor.sign_up_or_in(&BOB).await?;
    let now = world.clock.now();
    let first = alice.write_first(&ALICE, &alice_did, now).await?;
    bob.write_first(&BOB, &bob_did, now).await?;
    alice.post(&alice_did, "Everything here is signed, and nobody else is listening.", now).await?;
    alice.follow(&alice_did, &bob_did, now).await?;
    bob.follow(&bob_did, &alice_did, now).await?;
    bob.like(&bob_did, &first, now).await?;
    Ok(vec![ALICE.person(alice_did), BOB.person(bob_did)])
}

impl Newcomer {
    fn person(&self, did: String) -> Person {
        Person { handle: self.handle, password: self.password, did }
    }
}

impl<'w> Client<'w> {
    /// Returns the DID of a handle that is in use.
    async fn resolve(&self, handle: &str) -> Result<Option<String>, DevError> {
        let mut url = self.url("com.atproto.identity.resolveHandle");
        url.query_pairs_mut().append_pair("handle", handle);
        let answer = self.world.http.trusted(url).fetch().await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        let json: Value = answer.json()?;
        Ok(json["did"].as_str().map(str::to_owned))
    }

    /// Signs up, or in where a start that broke off had come that far.
    async fn sign_up_or_in(&self, who: &Newcomer) -> Result<(Self, String), DevError> {
        let sign_up = json!({
            "handle": who.handle, "email": who.email, "password": who.password,
        });
        let sign_in = json!({ "identifier": who.handle, "password": who.password });
        let session: Session = match self.resolve(who.handle).await? {
            None => self.call("com.atproto.server.createAccount", &sign_up).await?,
            Some(_) => self.call("com.atproto.server.createSession", &sign_in).await?,
        };
        let (world, origin) = (self.world, self.origin);
        Ok((Self { world, origin, token: Some(session.access_jwt) }, session.did))
    }

    /// Writes a profile and a first post, and returns the post.
    async fn write_first(
        &self,
        who: &Newcomer,
        did: &str,
        now: Moment,
    ) -> Result<Reference, DevError> {
        let profile = json!({
            "repo": did, "collection": "app.bsky.actor.profile", "rkey": "self",
            "record": {
                "$type": "app.bsky.actor.profile", "displayName": who.name,
                "description": who.description, "createdAt": now,
            },
        });
        self.call::<Value>("com.atproto.repo.putRecord", &profile).await?;
        self.post(did, &format!("Hello, this is {}.", who.name), now).await
    }

    async fn post(&self, did: &str, text: &str, now: Moment) -> Result<Reference, DevError> {
        let record = json!({
            "$type": "app.bsky.feed.post", "text": text, "langs": ["en"], "createdAt": now,
        });
        self.create(did, record).await
    }

    async fn follow(&self, did: &str, whom: &str, now: Moment) -> Result<Reference, DevError> {
        let record = json!({
            "$type": "app.bsky.graph.follow", "subject": whom, "createdAt": now,
        });
        self.create(did, record).await
    }

    async fn like(&self, did: &str, what: &Reference, now: Moment) -> Result<Reference, DevError> {
        let record = json!({ "$type": "app.bsky.feed.like", "subject": what, "createdAt": now });
        self.create(did, record).await
    }

    async fn create(&self, did: &str, record: Value) -> Result<Reference, DevError> {
        let input = json!({ "repo": did, "collection": record["$type"], "record": record });
        self.call("com.atproto.repo.createRecord", &input).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        input: &Value,
    ) -> Result<T, DevError> {
        let request = self.world.http.trusted(self.url(method)).method(Method::POST);
        let mut request = request.json(input)?;
        if let Some(token) = &self.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
            let bearer = bearer.expect("a token is base64url and dots");
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let answer = request.fetch().await?;
        if !answer.status.is_success() {
            let answer = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(DevError::Refused { method, answer });
        }
        Ok(answer.json()?)
    }

    fn url(&self, method: &str) -> Url {
        let text = format!("{}/xrpc/{method}", self.origin);
        Url::parse(&text).expect("the server's origin was checked with its settings")
    }
}
