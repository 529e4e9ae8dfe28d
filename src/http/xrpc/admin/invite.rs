//! Looking after invite codes.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::Did;
use crate::http::auth::Moderator;
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::xrpc::server::InviteView;
use crate::http::{Answer, App, XrpcError};
use crate::service::invites::InviteOrder;

/// Parameters of `getInviteCodes`.
#[derive(Deserialize)]
pub struct Page {
    sort: String,
    limit: u32,
    cursor: Option<String>,
}

/// Answer of `getInviteCodes`.
#[derive(Serialize)]
pub struct Codes {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    codes: Vec<InviteView>,
}

/// Input of `disableInviteCodes`.
#[derive(Deserialize)]
pub struct Disabled {
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    accounts: Vec<String>,
}

/// Input of `disableAccountInvites` and `enableAccountInvites`.
#[derive(Deserialize)]
pub struct Whose {
    account: Did,
    note: Option<String>,
}

/// `com.atproto.admin.getInviteCodes`: all codes, the newest or the most used
/// first.
pub async fn get_invite_codes(
    State(app): State<App>,
    Moderator: Moderator,
    Params(page): Params<Page>,
) -> Answer<Codes> {
    let order = match page.sort.as_str() {
        "recent" => InviteOrder::Recent,
        "usage" => InviteOrder::Usage,
        other => return Err(XrpcError::invalid_request(format!("unknown sort method: {other}"))),
    };
    let (codes, cursor) = app.invites.list(order, page.cursor.as_deref(), page.limit).await?;
    Ok(Json(Codes { cursor, codes: codes.into_iter().map(InviteView::from).collect() }))
}

/// `com.atproto.admin.disableInviteCodes`: by name, and all of accounts.
pub async fn disable_invite_codes(
    State(app): State<App>,
    Moderator: Moderator,
    Input(disabled): Input<Disabled>,
) -> Result<(), XrpcError> {
    Ok(app.invites.disable(&disabled.codes, &disabled.accounts).await?)
}

/// `com.atproto.admin.disableAccountInvites`: no further codes for an account.
pub async fn disable_account_invites(
    State(app): State<App>,
    Moderator: Moderator,
    Input(whose): Input<Whose>,
) -> Result<(), XrpcError> {
    Ok(app.invites.ban(&whose.account, whose.note.as_deref()).await?)
}

/// `com.atproto.admin.enableAccountInvites`: codes for an account again.
pub async fn enable_account_invites(
    State(app): State<App>,
    Moderator: Moderator,
    Input(whose): Input<Whose>,
) -> Result<(), XrpcError> {
    Ok(app.invites.unban(&whose.account).await?)
}
