//! What this server says about itself.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::atproto::syntax::Did;
use crate::http::{Answer, App};
use crate::service::accounts::InviteRule;

/// Answer of `describeServer`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    did: Did,
    available_user_domains: Vec<String>,
    invite_code_required: bool,
    blob_upload_limit: u64,
    links: Links,
    contact: Contact,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms_of_service: Option<String>,
}

#[derive(Serialize)]
struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// `com.atproto.server.describeServer`: the server's DID, handle domains, and
/// rules for new accounts.
pub async fn describe_server(State(app): State<App>) -> Answer<Description> {
    let about = app.about.clone();
    Ok(Json(Description {
        did: app.host.service_did.clone(),
        available_user_domains: app.host.handle_domains.clone(),
        invite_code_required: app.accounts.invites() == InviteRule::Required,
        blob_upload_limit: app.uploads.blob_bytes_max,
        links: Links {
            privacy_policy: about.privacy_policy_url,
            terms_of_service: about.terms_of_service_url,
        },
        contact: Contact { email: about.contact_email },
    }))
}
