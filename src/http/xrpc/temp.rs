//! `com.atproto.temp`: what the Bluesky app asks beside the protocol.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::{AtIdentifier, Handle};
use crate::http::auth::{Admin, Auth};
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::accounts::checked_email;
use crate::service::identity::Availability;

/// Answer of `checkSignupQueue`.
#[derive(Serialize)]
pub struct Queue {
    activated: bool,
}

/// `com.atproto.temp.checkSignupQueue`: nobody waits here.
pub async fn check_signup_queue(Auth(_): Auth) -> Answer<Queue> {
    Ok(Json(Queue { activated: true }))
}

/// Input of `revokeAccountCredentials`.
#[derive(Deserialize)]
pub struct Whose {
    account: AtIdentifier,
}

/// `com.atproto.temp.revokeAccountCredentials`: ends the password, app
/// passwords and sessions of an account that somebody else got into.
pub async fn revoke_account_credentials(
    State(app): State<App>,
    Admin: Admin,
    Input(whose): Input<Whose>,
) -> Result<(), XrpcError> {
    Ok(app.accounts.revoke_credentials(&whose.account).await?)
}

/// Input of `addReservedHandle`.
#[derive(Deserialize)]
pub struct Reserved {
    handle: String,
}

/// An answer that says nothing.
#[derive(Serialize)]
pub struct Nothing {}

/// `com.atproto.temp.addReservedHandle`: keeps a handle from being taken.
pub async fn add_reserved_handle(
    State(app): State<App>,
    Admin: Admin,
    Input(reserved): Input<Reserved>,
) -> Answer<Nothing> {
    app.identity.reserve(&reserved.handle).await?;
    Ok(Json(Nothing {}))
}

/// Parameters of `checkHandleAvailability`. A date of birth would be no reason
/// to suggest anything.
#[derive(Deserialize)]
pub struct Wanted {
    handle: Handle,
    email: Option<String>,
}

/// Answer of `checkHandleAvailability`.
#[derive(Serialize)]
pub struct Checked {
    handle: Handle,
    result: Finding,
}

/// Whether the handle can be had.
#[derive(Serialize)]
#[serde(tag = "$type")]
pub enum Finding {
    /// It can.
    #[serde(rename = "com.atproto.temp.checkHandleAvailability#resultAvailable")]
    Available {},
    /// It cannot.
    #[serde(rename = "com.atproto.temp.checkHandleAvailability#resultUnavailable")]
    Unavailable {
        /// Others that can.
        suggestions: Vec<Suggestion>,
    },
}

/// A handle that can be had.
#[derive(Serialize)]
pub struct Suggestion {
    handle: Handle,
    method: &'static str,
}

/// `com.atproto.temp.checkHandleAvailability`: whether a handle under a domain
/// of this server can be had, and what could be had in its place.
pub async fn check_handle_availability(
    State(app): State<App>,
    Params(wanted): Params<Wanted>,
) -> Answer<Checked> {
    if let Some(email) = &wanted.email
        && checked_email(Some(email)).is_err()
    {
        return Err(XrpcError::named("InvalidEmail", "Invalid email"));
    }
    let nickname = wanted.email.as_deref().and_then(|email| email.split('@').next());
    let availability = app.identity.availability(wanted.handle.as_str(), nickname).await?;
    let result = match availability {
        Availability::Available => Finding::Available {},
        Availability::Taken(suggestions) => Finding::Unavailable {
            suggestions: suggestions
                .into_iter()
                .map(|suggestion| Suggestion {
                    handle: suggestion.handle,
                    method: suggestion.method,
                })
                .collect(),
        },
    };
    Ok(Json(Checked { handle: wanted.handle, result }))
}
