//! App passwords.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::Moment;
use crate::http::auth::Auth;
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};
use crate::store::app_passwords::{AppPassword, Power};

/// Input of `createAppPassword`.
#[derive(Deserialize)]
pub struct Wanted {
    name: String,
    #[serde(default)]
    privileged: bool,
}

/// An app password as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    name: String,
    created_at: Moment,
    privileged: bool,
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
    let power = match wanted.privileged {
        true => Power::Privileged,
        false => Power::Basic,
    };
    let made = app.app_passwords.create(&actor, &wanted.name, power).await?;
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
    Listed {
        name: kept.name,
        created_at: kept.created_at,
        privileged: kept.power == Power::Privileged,
    }
}
