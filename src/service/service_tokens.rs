//! Tokens that other servers show us in the name of an account.
//!
//! The other side of `service_auth`: whether such a token is what it says, for
//! us, for this method, in time, and shown for the first time.
//!
//! Spec: <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::identity::{DidError, Freshness, Identity};
use crate::atproto::Moment;
use crate::atproto::crypto::PublicKey;
use crate::atproto::jws::{Claims, JwsError, Token};
use crate::atproto::syntax::{Did, Nsid};
use crate::store::{Batch, Db, RunError, StoreError, Unmet, nonces};
use crate::world::World;

/// The longest life of a service token, in seconds.
const LIFE_S_MAX: i64 = 60 * 60;
/// How far another server's clock may be ahead of ours, in seconds.
const SKEW_S: i64 = 30;
/// What may stand after our DID in a token's audience.
const OWN_SERVICE: &str = "#atproto_pds";
/// What stands after the DID where an account's own key signed.
const ACCOUNT_KEY: &str = "atproto";
/// A labeler signs as this service of its DID, with the key of its labels.
const LABELER: &str = "#atproto_labeler";
const LABEL_KEY: &str = "atproto_label";

/// Reads service tokens that are meant for this server.
pub struct ServiceTokens {
    db: Db,
    world: World,
    identity: Arc<Identity>,
    audience: Did,
}

/// A service token that was verified, and is to be used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who speaks.
    pub did: Did,
    nonce: String,
    expires_at: Moment,
}

/// Why a service token is refused.
#[derive(Debug, thiserror::Error)]
pub enum ServiceTokenError {
    /// Not a service token at all.
    #[error("poorly formatted jwt")]
    Malformed,
    /// A token of another kind.
    #[error("Invalid jwt type")]
    Type,
    /// Past its time.
    #[error("jwt expired")]
    Expired,
    /// Good for longer than a service token may be, or from the future.
    #[error("jwt lifetime is not acceptable")]
    Lifetime,
    /// For another server.
    #[error("jwt audience does not match service did")]
    Audience,
    /// For another method, or for none.
    #[error("bad jwt lexicon method (\"lxm\"). must match: {expected}")]
    Method {
        /// The method called.
        expected: String,
    },
    /// Not from an account.
    #[error("jwt issuer is not a did")]
    Issuer,
    /// Not from the moderation service of this server.
    #[error("Untrusted issuer")]
    Untrusted,
    /// The issuer's key cannot be found out.
    #[error("could not resolve the signing key of the issuer")]
    Key(#[source] Option<DidError>),
    /// Not signed by the issuer's key.
    #[error("jwt signature does not match jwt issuer")]
    Signature,
    /// Shown before.
    #[error("jwt has been used before")]
    Replayed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a bearer token can only be a service token: no other names a
/// method.
pub fn is_service_token(text: &str) -> bool {
    Token::parse(text).is_ok_and(|token| token.claims().lxm.is_some())
}

impl ServiceTokens {
    /// Makes the reader of tokens for `audience`, this server.
    pub fn new(db: Db, world: World, identity: Arc<Identity>, audience: Did) -> Self {
        Self { db, world, identity, audience }
    }

    /// Verifies a token for a call of `nsid`. It is good once: whoever acts on
    /// it uses it up, with [`ServiceTokens::use_up`] or in the act's own batch.
    ///
    /// # Errors
    /// See [`ServiceTokenError`].
    // spec: xrpc#inter-service-authentication-jwt
    pub async fn verify(&self, text: &str, nsid: &Nsid) -> Result<Verified, ServiceTokenError> {
        let token = parsed(text)?;
        let claims = token.claims();
        self.check_claims(claims, nsid)?;
        let did = Did::new(claims.iss.clone()).map_err(|_| ServiceTokenError::Issuer)?;
        self.check_signature(&token, &did, ACCOUNT_KEY).await?;
        Ok(verified(text, did, claims))
    }

    /// Verifies a token of `issuer`, a service, for a call of `nsid`: signed
    /// with its account's key, or as a labeler with the key of its labels.
    ///
    /// # Errors
    /// See [`ServiceTokenError`].
    pub async fn verify_of(
        &self,
        text: &str,
        nsid: &Nsid,
        issuer: Option<&Did>,
    ) -> Result<Verified, ServiceTokenError> {
        let token = parsed(text)?;
        let claims = token.claims();
        self.check_claims(claims, nsid)?;
        let (name, key) = match claims.iss.strip_suffix(LABELER) {
            Some(name) => (name, LABEL_KEY),
            None => (claims.iss.as_str(), ACCOUNT_KEY),
        };
        let issuer = issuer.filter(|issuer| issuer.as_str() == name);
        let issuer = issuer.ok_or(ServiceTokenError::Untrusted)?;
        self.check_signature(&token, issuer, key).await?;
        Ok(verified(text, issuer.clone(), claims))
    }

    /// Uses a token up.
    ///
    /// # Errors
    /// [`ServiceTokenError::Replayed`] when that was done before.
    pub async fn use_up(&self, verified: &Verified) -> Result<(), ServiceTokenError> {
        let mut batch = Batch::new();
        verified.consume(&mut batch);
        match self.db.run(batch).await {
            Ok(()) => Ok(()),
            Err(RunError::Unmet(Unmet::NonceUsed)) => Err(ServiceTokenError::Replayed),
            Err(RunError::Unmet(unmet)) => Err(StoreError::Unexpected(unmet).into()),
            Err(RunError::Store(error)) => Err(error.into()),
        }
    }

    fn check_claims(&self, claims: &Claims, nsid: &Nsid) -> Result<(), ServiceTokenError> {
        let now_s = self.world.clock.now().unix_ms() / 1_000;
        if claims.exp <= now_s {
            return Err(ServiceTokenError::Expired);
        }
        let from_future = claims.iat.is_some_and(|iat| iat > now_s + SKEW_S);
        if claims.exp - now_s > LIFE_S_MAX + SKEW_S || from_future {
            return Err(ServiceTokenError::Lifetime);
        }
        let service = claims.aud.strip_prefix(self.audience.as_str());
        if !service.is_some_and(|service| service.is_empty() || service == OWN_SERVICE) {
            return Err(ServiceTokenError::Audience);
        }
        // The authority of an NSID has no case, so neither has this comparison.
        match &claims.lxm {
            Some(lxm) if lxm.eq_ignore_ascii_case(nsid.as_str()) => Ok(()),
            _ => Err(ServiceTokenError::Method { expected: nsid.as_str().to_owned() }),
        }
    }

    /// Against the key we know; if that fails, once more against the key of
    /// now, since it may have changed.
    async fn check_signature(
        &self,
        token: &Token<'_>,
        did: &Did,
        name: &str,
    ) -> Result<(), ServiceTokenError> {
        let known = self.key(did, name, Freshness::Cached).await?;
        if token.verify(&known).is_ok() {
            return Ok(());
        }
        let fresh = self.key(did, name, Freshness::Recheck).await?;
        if fresh != known && token.verify(&fresh).is_ok() {
            return Ok(());
        }
        Err(ServiceTokenError::Signature)
    }

    async fn key(
        &self,
        did: &Did,
        name: &str,
        freshness: Freshness,
    ) -> Result<PublicKey, ServiceTokenError> {
        let document = self.identity.document(did, freshness).await;
        let document = document.map_err(|error| ServiceTokenError::Key(Some(error)))?;
        document.key(name).cloned().ok_or(ServiceTokenError::Key(None))
    }
}

impl Verified {
    /// Uses the token up as part of a batch, which fails with
    /// [`Unmet::NonceUsed`] when that was done before.
    pub fn consume(&self, batch: &mut Batch) {
        nonces::consume(batch, &self.nonce, self.expires_at);
    }
}

fn parsed(text: &str) -> Result<Token<'_>, ServiceTokenError> {
    Token::parse(text).map_err(|error| match error {
        JwsError::Type(_) => ServiceTokenError::Type,
        _ => ServiceTokenError::Malformed,
    })
}

fn verified(text: &str, did: Did, claims: &Claims) -> Verified {
    Verified {
        nonce: nonce_of(text, &did, claims),
        did,
        expires_at: Moment::from_unix_ms(claims.exp.saturating_mul(1_000)),
    }
}

/// The token's own name, or for one without, the token itself.
fn nonce_of(text: &str, did: &Did, claims: &Claims) -> String {
    let name = claims.jti.as_deref().unwrap_or(text);
    let digest = Sha256::new()
        .chain_update(did.as_str().as_bytes())
        .chain_update([0])
        .chain_update(name.as_bytes())
        .finalize();
    BASE64URL_NOPAD.encode(&digest)
}
