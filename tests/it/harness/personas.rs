//! People with an account, and the short verbs of what they do.

use serde_json::{Value, json};

use super::{Answer, Client, Town};

/// The collection of posts, the tests' usual records.
const POST: &str = "app.bsky.feed.post";

/// Somebody with an account and a session.
#[derive(Clone)]
pub struct Owner {
    /// Who it is.
    pub did: String,
    /// The handle at sign-up.
    pub handle: String,
    /// The password.
    pub password: String,
    /// Requests with the access token.
    pub client: Client,
    /// The refresh token at sign-up.
    pub refresh_jwt: String,
}

/// A record that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its AT-URI.
    pub uri: String,
    /// Its CID.
    pub cid: String,
}

impl Town {
    /// Signs somebody up as `name` under the server's domain.
    pub async fn owner(&self, name: &str) -> Owner {
        Owner::sign_up(&self.visitor(), (name, super::town::HOSTNAME)).await
    }

    /// Opens a new session: the old one has run out, or the server moved.
    pub async fn log_in(&self, owner: &Owner) -> Owner {
        let input = json!({ "identifier": owner.handle, "password": owner.password });
        let visitor = self.visitor();
        let session = visitor.procedure("com.atproto.server.createSession", &input).await.ok();
        let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
        let client = visitor.with_token(&text("accessJwt"));
        Owner { client, refresh_jwt: text("refreshJwt"), ..owner.clone() }
    }
}

impl Owner {
    /// Signs somebody up as `name` under a domain.
    pub(super) async fn sign_up(visitor: &Client, (name, domain): (&str, &str)) -> Self {
        let handle = format!("{name}.{domain}");
        let password = format!("{name}'s password");
        let input = json!({
            "handle": handle,
            "email": format!("{name}@mail.test"),
            "password": password,
        });
        let session = visitor.procedure("com.atproto.server.createAccount", &input).await.ok();
        let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
        let client = visitor.with_token(&text("accessJwt"));
        Self { did: text("did"), handle, password, client, refresh_jwt: text("refreshJwt") }
    }

    /// Returns the same person, who calls the server where it listens now.
    pub fn on(&self, town: &Town) -> Self {
        Self { client: self.client.moved(town.address()), ..self.clone() }
    }

    /// Creates a record and returns the answer.
    pub async fn create(&self, collection: &str, record: &Value) -> Answer {
        let input = json!({ "repo": self.did, "collection": collection, "record": record });
        self.client.procedure("com.atproto.repo.createRecord", &input).await
    }

    /// Writes a post.
    pub async fn post(&self, text: &str) -> Written {
        let record =
            json!({ "$type": POST, "text": text, "createdAt": "2026-01-02T03:04:05.678Z" });
        Written::of(&self.create(POST, &record).await.ok())
    }

    /// Deletes a record.
    pub async fn delete(&self, written: &Written) -> Value {
        let input = json!({
            "repo": self.did,
            "collection": written.collection(),
            "rkey": written.rkey(),
        });
        self.client.procedure("com.atproto.repo.deleteRecord", &input).await.ok()
    }
}

impl Client {
    /// Reads a record.
    pub async fn get_record(&self, written: &Written) -> Answer {
        let params = [
            ("repo", written.repo()),
            ("collection", written.collection()),
            ("rkey", written.rkey()),
        ];
        self.query("com.atproto.repo.getRecord", &params).await
    }
}

impl Written {
    /// Reads the answer to a write.
    pub fn of(answer: &Value) -> Self {
        let text = |key: &str| answer[key].as_str().expect("a write has uri and cid").to_owned();
        Self { uri: text("uri"), cid: text("cid") }
    }

    /// Returns the repository's DID.
    pub fn repo(&self) -> &str {
        self.part(0)
    }

    /// Returns the collection.
    pub fn collection(&self) -> &str {
        self.part(1)
    }

    /// Returns the record key.
    pub fn rkey(&self) -> &str {
        self.part(2)
    }

    fn part(&self, index: usize) -> &str {
        let path = self.uri.strip_prefix("at://").expect("an AT-URI");
        path.split('/').nth(index).expect("repository, collection and key")
    }
}
