//! Looking accounts up, and setting what their owners cannot.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::atproto::Moment;
use crate::atproto::syntax::{AtIdentifier, Did, Handle};
use crate::http::auth::{Admin, Moderator};
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::xrpc::server::InviteView;
use crate::http::{Answer, App, XrpcError};
use crate::service::identity::AskedBy;
use crate::store::accounts::{Account, AccountId};

/// An account as the operator sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    did: Did,
    handle: Handle,
    email: String,
    indexed_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<Moment>,
    invites: Vec<InviteView>,
    invites_disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_note: Option<String>,
}

/// Puts together what the operator sees of an account.
async fn view(app: &App, account: Account) -> Result<AccountView, XrpcError> {
    let invites = app.invites.of_account(&account.did).await?;
    let ban = app.invites.ban_of(account.id).await?;
    Ok(AccountView {
        did: account.did,
        handle: account.handle,
        email: account.email,
        indexed_at: account.created_at,
        email_confirmed_at: account.email_confirmed_at,
        deactivated_at: account.deactivated_at,
        invites: invites.into_iter().map(InviteView::from).collect(),
        invites_disabled: ban.is_some(),
        invite_note: ban.and_then(|ban| ban.note),
    })
}

async fn views(app: &App, accounts: Vec<Account>) -> Result<Vec<AccountView>, XrpcError> {
    let mut views = Vec::with_capacity(accounts.len());
    for account in accounts {
        views.push(view(app, account).await?);
    }
    Ok(views)
}

/// Parameters of `getAccountInfo`.
#[derive(Deserialize)]
pub struct One {
    did: Did,
}

/// Parameters of `getAccountInfos`.
#[derive(Deserialize)]
pub struct Several {
    dids: Vec<Did>,
}

/// Answer of `getAccountInfos`.
#[derive(Serialize)]
pub struct Infos {
    infos: Vec<AccountView>,
}

/// Parameters of `searchAccounts`.
#[derive(Deserialize)]
pub struct Search {
    email: Option<String>,
    cursor: Option<String>,
    limit: u32,
}

/// Answer of `searchAccounts`.
#[derive(Serialize)]
pub struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    accounts: Vec<AccountView>,
}

/// Input of `updateAccountEmail`.
#[derive(Deserialize)]
pub struct NewEmail {
    account: AtIdentifier,
    email: String,
}

/// Input of `updateAccountHandle`.
#[derive(Deserialize)]
pub struct NewHandle {
    did: Did,
    handle: String,
}

/// Input of `updateAccountPassword`.
#[derive(Deserialize)]
pub struct NewPassword {
    did: Did,
    password: String,
}

/// `com.atproto.admin.getAccountInfo`: one account.
pub async fn get_account_info(
    State(app): State<App>,
    Moderator: Moderator,
    Params(one): Params<One>,
) -> Answer<AccountView> {
    let account = app.accounts.look_up(&AtIdentifier::Did(one.did)).await?;
    Ok(Json(view(&app, account).await?))
}

/// `com.atproto.admin.getAccountInfos`: those of several that are here.
pub async fn get_account_infos(
    State(app): State<App>,
    Moderator: Moderator,
    Params(several): Params<Several>,
) -> Answer<Infos> {
    let found = app.accounts.look_up_all(&several.dids).await?;
    Ok(Json(Infos { infos: views(&app, found).await? }))
}

/// `com.atproto.admin.searchAccounts`: by e-mail address, or all in the order
/// in which they came; the cursor is a place in that order.
pub async fn search_accounts(
    State(app): State<App>,
    Admin: Admin,
    Params(search): Params<Search>,
) -> Answer<Found> {
    let after = search.cursor.as_deref().unwrap_or("0").parse();
    let after = after.map_err(|_| XrpcError::invalid_request("Malformed cursor"))?;
    let email = search.email.as_deref();
    let found = app.accounts.search(email, AccountId(after), search.limit).await?;
    let is_full = found.len() >= search.limit as usize;
    let last = found.last().filter(|_| is_full);
    let cursor = last.map(|account| account.id.0.to_string());
    Ok(Json(Found { cursor, accounts: views(&app, found).await? }))
}

/// `com.atproto.admin.updateAccountEmail`: sets the address.
pub async fn update_account_email(
    State(app): State<App>,
    Admin: Admin,
    Input(new): Input<NewEmail>,
) -> Result<(), XrpcError> {
    Ok(app.accounts.set_email(&new.account, &new.email).await?)
}

/// `com.atproto.admin.updateAccountHandle`: sets the handle, a reserved one too.
pub async fn update_account_handle(
    State(app): State<App>,
    Admin: Admin,
    Input(new): Input<NewHandle>,
) -> Result<StatusCode, XrpcError> {
    app.identity.update_handle(&new.did, &new.handle, AskedBy::Operator).await?;
    Ok(StatusCode::OK)
}

/// `com.atproto.admin.updateAccountPassword`: sets the password and ends all
/// sessions.
pub async fn update_account_password(
    State(app): State<App>,
    Admin: Admin,
    Input(new): Input<NewPassword>,
) -> Result<(), XrpcError> {
    Ok(app.accounts.set_password(&AtIdentifier::Did(new.did), &new.password).await?)
}
