//! Sessions of passwords.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atproto::scope::{AccountAction, AccountAttribute, AccountPermission, Need};
use crate::atproto::syntax::{Did, Handle};
use crate::http::auth::{Auth, RefreshToken};
use crate::http::input::Input;
use crate::http::limits::Meter;
use crate::http::{Answer, App, XrpcError};
use crate::service::grants::Grant;
use crate::service::hosting::status_of;
use crate::service::rates::Bucket;
use crate::service::sessions::{IfTakenDown, Login, Opened};
use crate::store::accounts::Account;

/// Input of `createSession`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    identifier: String,
    password: String,
    auth_factor_token: Option<String>,
    #[serde(default)]
    allow_takendown: bool,
}

/// Answer of `getSession`, and the part of the others' answers that says whose
/// session it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whose {
    did: Did,
    handle: Handle,
    #[serde(flatten)]
    email: Option<Email>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_doc: Option<Value>,
}

/// What a session shows of the e-mail address, where it may.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    email: String,
    email_confirmed: bool,
    email_auth_factor: bool,
}

/// Answer of `createSession` and `refreshSession`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    access_jwt: String,
    refresh_jwt: String,
    #[serde(flatten)]
    whose: Whose,
}

/// `com.atproto.server.createSession`: logs in with a password.
pub async fn create_session(
    State(app): State<App>,
    meter: Meter,
    Input(credentials): Input<Credentials>,
) -> Answer<Session> {
    let if_taken_down = match credentials.allow_takendown {
        true => IfTakenDown::Admit,
        false => IfTakenDown::Refuse,
    };
    let Credentials { identifier, password, auth_factor_token, .. } = credentials;
    // By both, so that nobody can lock out somebody else.
    let subject = format!("{} {}", meter.address(), identifier.trim().to_lowercase());
    meter.spend(Bucket::LogIn, &subject, 1)?;
    let (factor_code, address) = (auth_factor_token, meter.address().to_owned());
    let login = Login { identifier, password, factor_code, address, if_taken_down };
    let opened = app.sessions.open(&login).await?;
    Ok(Json(session(&app, opened).await?))
}

/// `com.atproto.server.refreshSession`: the next pair of tokens.
pub async fn refresh_session(
    State(app): State<App>,
    RefreshToken(token): RefreshToken,
) -> Answer<Session> {
    let opened = app.sessions.renew(&token).await?;
    Ok(Json(session(&app, opened).await?))
}

/// `com.atproto.server.deleteSession`: logs out.
pub async fn delete_session(
    State(app): State<App>,
    RefreshToken(token): RefreshToken,
) -> Result<(), XrpcError> {
    Ok(app.sessions.close(&token).await?)
}

/// `com.atproto.server.getSession`: whose session it is.
pub async fn get_session(State(app): State<App>, Auth(actor): Auth) -> Answer<Whose> {
    let account = app.sessions.read(&actor).await?;
    let not_found = || XrpcError::invalid_request("Could not find user info for account");
    Ok(Json(whose(&app, account.ok_or_else(not_found)?, &actor.grant).await?))
}

async fn session(app: &App, opened: Opened) -> Result<Session, XrpcError> {
    Ok(Session {
        access_jwt: opened.tokens.access,
        refresh_jwt: opened.tokens.refresh,
        whose: whose(app, opened.account, &opened.grant).await?,
    })
}

async fn whose(app: &App, account: Account, grant: &Grant) -> Result<Whose, XrpcError> {
    let standing = status_of(&account);
    let factors = app.factors.enrolled(account.id).await?;
    let (attribute, action) = (AccountAttribute::Email, AccountAction::Read);
    let need = Need::Account(AccountPermission { attribute, action });
    let email = Email {
        email: account.email.clone(),
        email_confirmed: account.email_confirmed_at.is_some(),
        email_auth_factor: factors.email_since.is_some(),
    };
    Ok(Whose {
        did_doc: app.sessions.document(&account.did).await,
        handle: app.sessions.shown_handle(&account).await,
        did: account.did,
        email: Some(email).filter(|_| grant.permits(&need).is_ok()),
        active: standing.is_active(),
        status: standing.word(),
    })
}
