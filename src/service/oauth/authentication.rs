//! Who an app is, and that it holds the key of its tokens.
//!
//! Spec: <https://atproto.com/specs/oauth#confidential-client-authentication>

use super::OAuth;
use super::OAuthError;
use super::parameters::{Form, field, optional};
use crate::atproto::oauth::assertion::{self, Assertion, InvalidAssertion};
use crate::atproto::oauth::client::{Authentication, Client, KeySource};
use crate::atproto::oauth::dpop::{Proof, Request};
use crate::store::{Batch, RunError, Unmet, nonces};

/// Characters of an assertion.
const ASSERTION_CHARS_MAX: usize = 8_192;

/// A client that has shown who it is, as far as it can, with the key of its
/// tokens.
pub(super) struct Authenticated {
    /// The client.
    pub client: Client,
    /// The key with which it proved who it is, if it can.
    pub client_key: Option<String>,
    /// The key that its tokens are for.
    pub dpop_key: String,
}

/// The proof of possession that came with a request.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'s> {
    /// The proof, if there was exactly one.
    pub proof: Option<&'s str>,
    /// What it must be about.
    pub request: Request<'s>,
}

impl OAuth {
    /// Checks who asks.
    ///
    /// # Errors
    /// [`OAuthError::Client`], [`OAuthError::Metadata`], and those of proofs.
    pub(super) async fn authenticate(
        &self,
        form: &Form,
        shown: &Shown<'_>,
    ) -> Result<Authenticated, OAuthError> {
        let proof = self.possession(shown)?;
        let client = self.clients.find(field(form, "client_id")?).await?;
        let client_key = match &client.authentication {
            Authentication::None => {
                if form.contains_key("client_assertion") || form.contains_key("client_secret") {
                    let message = "the client metadata says that this client does not authenticate";
                    return Err(OAuthError::Client(message.to_owned()));
                }
                None
            }
            Authentication::Key(source) => Some(self.assertion(form, &client, source).await?),
        };
        // One key for two purposes would let a proof pass for the other.
        if client_key.as_deref() == Some(proof.thumbprint.as_str()) {
            let message = "the key of the DPoP proof must not be the one of the client";
            return Err(OAuthError::Proof(message.to_owned()));
        }
        Ok(Authenticated { client, client_key, dpop_key: proof.thumbprint })
    }

    fn possession(&self, shown: &Shown<'_>) -> Result<Proof, OAuthError> {
        let missing = || OAuthError::Proof("there must be one DPoP header".to_owned());
        self.proofs.check(shown.proof.ok_or_else(missing)?, &shown.request)
    }

    /// Checks the assertion of a client and uses it up; returns what stands for
    /// its key.
    async fn assertion(
        &self,
        form: &Form,
        client: &Client,
        source: &KeySource,
    ) -> Result<String, OAuthError> {
        let missing = |what: &str| OAuthError::Client(format!("{what} is missing"));
        let kind = optional(form, "client_assertion_type", ASSERTION_CHARS_MAX)?;
        if kind.ok_or_else(|| missing("client_assertion_type"))? != assertion::TYPE {
            let message = format!("client_assertion_type must be {}", assertion::TYPE);
            return Err(OAuthError::Client(message));
        }
        let text = optional(form, "client_assertion", ASSERTION_CHARS_MAX)?;
        let text = text.ok_or_else(|| missing("client_assertion"))?;
        let assertion = self.read_assertion(text, client, source).await?;
        let mut batch = Batch::new();
        let name = format!("oauth {} {}", client.id, assertion.jti);
        nonces::consume(&mut batch, &name, self.now().plus(assertion::MEMORY));
        match self.store.db.run(batch).await {
            Ok(()) => Ok(assertion.thumbprint),
            Err(RunError::Unmet(Unmet::NonceUsed)) => {
                Err(OAuthError::Client("the client assertion was used before".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn read_assertion(
        &self,
        text: &str,
        client: &Client,
        source: &KeySource,
    ) -> Result<Assertion, OAuthError> {
        let here = (self.issuer(), self.now());
        let keys = self.clients.keys(source).await?;
        match assertion::read(text, &client.id, &keys, here) {
            // The client may have a new key since its keys were fetched.
            Err(InvalidAssertion::Untrue) => {
                let keys = self.clients.keys_anew(source).await?;
                Ok(assertion::read(text, &client.id, &keys, here)?)
            }
            read => Ok(read?),
        }
    }
}
