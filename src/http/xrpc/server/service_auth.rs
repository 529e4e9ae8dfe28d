//! Tokens for other services.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::Nsid;
use crate::http::auth::Auth;
use crate::http::params::Params;
use crate::http::{Answer, App};
use crate::service::service_auth::TokenRequest;

/// Parameters of `getServiceAuth`.
#[derive(Deserialize)]
pub struct Wanted {
    aud: String,
    exp: Option<i64>,
    lxm: Option<Nsid>,
}

/// Answer of `getServiceAuth`.
#[derive(Serialize)]
pub struct Token {
    token: String,
}

/// `com.atproto.server.getServiceAuth`: a token that the account's key signs.
pub async fn get_service_auth(
    State(app): State<App>,
    Params(wanted): Params<Wanted>,
    Auth(actor): Auth,
) -> Answer<Token> {
    let Wanted { aud: audience, exp: expires_at, lxm: method } = wanted;
    let request = TokenRequest { audience, method, expires_at };
    let token = app.service_auth.token(&actor, &request).await?;
    Ok(Json(Token { token }))
}
