//! App passwords.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::Moment;
use crate::atproto::syntax::Datetime;
use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};
use crate::service::app_passwords::WantedPassword;
use crate::store::app_passwords::{AppPassword, Power};

/// Input of `createAppPassword`. The last two are of this server: a list of
/// OAuth scopes to which the password is held, and when it ends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    name: String,
    #[serde(default)]
    privileged: bool,
    scope: Option<String>,
    expires_at: Option<Datetime>,
}

/// An app password as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    name: String,
    created_at: Moment,
    privileged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Moment>,
}

/// Answer of `createAppPassword`.
#[derive(Serialize)]
pub struct Made {
    password: String,
    #[serde(flatten)]
    listed: Listed,
}

/// Answer of `listAppPasswords`.
#[derive(Serialize)]
pub struct List {
    passwords: Vec<Listed>,
}

/// Input of `revokeAppPassword`.
#[derive(Deserialize)]
pub struct Named {
    name: String,
}

/// `com.atproto.server.createAppPassword`: a further password, shown once.
pub async fn create_app_password(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(wanted): Input<Wanted>,
) -> Answer<Made> {
    let Wanted { name, privileged, scope, expires_at } = wanted;
    let power = match (scope, privileged) {
        (Some(_), true) => {
            return Err(XrpcError::invalid_request(
                "An app password is privileged or has scopes, not both",
            ));
        }
        (Some(scope), false) => Power::Scoped(scope),
        (None, true) => Power::Privileged,
        (None, false) => Power::Basic,
    };
    let expires_at = expires_at.map(|end| end.moment());
    let made = app.app_passwords.create(&actor, WantedPassword { name, power, expires_at }).await?;
    Ok(Json(Made { password: made.password, listed: listed(made.kept) }))
}

/// `com.atproto.server.listAppPasswords`: their names.
pub async fn list_app_passwords(State(app): State<App>, Auth(actor): Auth) -> Answer<List> {
    let passwords = app.app_passwords.list(&actor).await?;
    Ok(Json(List { passwords: passwords.into_iter().map(listed).collect() }))
}

/// `com.atproto.server.revokeAppPassword`: ends one, and the sessions that it
/// opened.
pub async fn revoke_app_password(
    State(app): State<App>,
    Auth(actor): Auth,
    Input(named): Input<Named>,
) -> Result<(), XrpcError> {
    Ok(app.app_passwords.revoke(&actor, &named.name).await?)
}

fn listed(kept: AppPassword) -> Listed {
    let privileged = kept.power == Power::Privileged;
    let scope = match kept.power {
        Power::Scoped(scope) => Some(scope),
        Power::Basic | Power::Privileged => None,
    };
    let AppPassword { name, created_at, expires_at, .. } = kept;
    Listed { name, created_at, privileged, scope, expires_at }
}
