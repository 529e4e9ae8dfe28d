//! Letters of moderators.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::Did;
use crate::http::auth::Moderator;
use crate::http::input::Input;
use crate::http::{Answer, App};
use crate::service::accounts::Written;

/// Input of `sendEmail`. Who writes, and their comment, are for moderation
/// services that keep a record of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    recipient_did: Did,
    content: String,
    subject: Option<String>,
}

/// Answer of `sendEmail`.
#[derive(Serialize)]
pub struct Outcome {
    sent: bool,
}

/// `com.atproto.admin.sendEmail`: writes to an account's address.
pub async fn send_email(
    State(app): State<App>,
    Moderator: Moderator,
    Input(wanted): Input<Wanted>,
) -> Answer<Outcome> {
    let subject = wanted.subject.as_deref();
    let written = app.accounts.write_to(&wanted.recipient_did, subject, &wanted.content).await?;
    Ok(Json(Outcome { sent: written == Written::Sent }))
}
