//! What this server says about itself.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::{Answer, App};

/// Answer of `describeServer`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    did: String,
    available_user_domains: Vec<String>,
}

/// `com.atproto.server.describeServer`: the server's DID, handle domains and
/// rules for new accounts.
pub async fn describe_server(State(app): State<App>) -> Answer<Description> {
    Ok(Json(Description {
        did: app.host.service_did.to_string(),
        available_user_domains: app.host.handle_domains.clone(),
    }))
}
