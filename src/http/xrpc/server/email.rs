//! The e-mail address of an account, and codes that go to it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};
use crate::service::accounts::{EmailFactor, EmailUpdate, UpdateCode};
use crate::service::email_tokens::Purpose;

/// Input of `confirmEmail`.
#[derive(Deserialize)]
pub struct Confirmation {
    email: String,
    token: String,
}

/// Answer of `requestEmailUpdate`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    token_required: bool,
}

/// Input of `updateEmail`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    email: String,
    email_auth_factor: Option<bool>,
    token: Option<String>,
}

/// `com.atproto.server.requestEmailConfirmation`: mails a code.
pub async fn request_email_confirmation(
    State(app): State<App>,
    Auth(actor): Auth,
) -> Result<(), XrpcError> {
    Ok(app.accounts.send_code(&actor, Purpose::ConfirmEmail).await?)
}

/// `com.atproto.server.confirmEmail`: proves that the mail is read.
pub async fn confirm_email(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(given): Input<Confirmation>,
) -> Result<(), XrpcError> {
    Ok(app.accounts.confirm_email(&actor, &given.email, &given.token).await?)
}

/// `com.atproto.server.requestEmailUpdate`: mails a code where one is needed.
pub async fn request_email_update(State(app): State<App>, Auth(actor): Auth) -> Answer<Prepared> {
    let code = app.accounts.prepare_email_update(&actor).await?;
    Ok(Json(Prepared { token_required: code == UpdateCode::Required }))
}

/// `com.atproto.server.updateEmail`: another address, or a code at each log-in,
/// or no longer.
pub async fn update_email(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(update): Input<Update>,
) -> Result<(), XrpcError> {
    let factor = update.email_auth_factor.map(|wanted| match wanted {
        true => EmailFactor::On,
        false => EmailFactor::Off,
    });
    let update = EmailUpdate { email: &update.email, code: update.token.as_deref(), factor };
    Ok(app.accounts.update_email(&actor, &update).await?)
}

/// `com.atproto.server.requestAccountDelete`: mails the code for `deleteAccount`.
pub async fn request_account_delete(
    State(app): State<App>,
    Auth(actor): Auth,
) -> Result<(), XrpcError> {
    Ok(app.accounts.send_code(&actor, Purpose::DeleteAccount).await?)
}
