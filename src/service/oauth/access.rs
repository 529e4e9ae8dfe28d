//! Requests with an access token: whose it is, and what it lets one do.
//!
//! Spec: <https://atproto.com/specs/oauth#demonstrating-proof-of-possession-d-po-p>

use std::sync::Arc;
use std::time::Duration;

use super::authentication::Shown;
use super::{OAuth, OAuthError};
use crate::atproto::scope::Scopes;
use crate::atproto::syntax::Did;
use crate::service::grants::Grant;
use crate::store::Batch;
use crate::store::oauth::sessions;

/// How exact it is when a session was last used.
const USED_STEP: Duration = Duration::from_secs(15 * 60);

/// Whose token it is, and what it lets one do.
#[derive(Debug)]
pub struct Bearer {
    /// The account.
    pub did: Did,
    /// What its owner agreed to.
    pub grant: Grant,
}

impl OAuth {
    /// Reads an access token and the proof that came with it.
    ///
    /// # Errors
    /// [`OAuthError::Token`], and those of proofs.
    pub async fn bearer(&self, token: &str, shown: &Shown<'_>) -> Result<Bearer, OAuthError> {
        let now = self.now();
        let claims = self.texts.read_access(token, now)?;
        let missing = || OAuthError::Proof("there must be one DPoP header".to_owned());
        let proof = self.proofs.check(shown.proof.ok_or_else(missing)?, &shown.request)?;
        if proof.thumbprint != claims.cnf.jkt {
            return Err(OAuthError::Proof("the proof is of another key than the token".to_owned()));
        }
        let session = sessions::find(&self.store.db, &claims.sid).await?;
        let session = session.filter(|session| now < session.expires_at);
        let session = session.ok_or(OAuthError::Token("the session has ended"))?;
        if session.used_at < now.minus(USED_STEP) {
            let mut batch = Batch::new();
            sessions::touch(&mut batch, &session.id, now);
            self.store.db.run(batch).await?;
        }
        let did = Did::new(claims.sub).map_err(|_| OAuthError::Token("the token names nobody"))?;
        let scopes = Scopes::parse(&session.permissions);
        Ok(Bearer { did, grant: Grant::Scoped(Arc::new(scopes)) })
    }
}
