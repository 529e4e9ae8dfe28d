//! Invite codes: made by the administrator, listed for their owner.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::Moment;
use crate::atproto::syntax::{AtIdentifier, Did};
use crate::http::auth::{Admin, Auth};
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::invites::{Used, Wanted};

/// Who gets codes that are for nobody in particular.
const ADMIN: &str = "admin";

/// Input of `createInviteCode`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OneCode {
    use_count: i64,
    for_account: Option<Did>,
}

/// Answer of `createInviteCode`.
#[derive(Serialize)]
pub struct Code {
    code: String,
}

/// Input of `createInviteCodes`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SomeCodes {
    code_count: i64,
    use_count: i64,
    for_accounts: Option<Vec<Did>>,
}

/// Answer of `createInviteCodes`.
#[derive(Serialize)]
pub struct Codes {
    codes: Vec<AccountCodes>,
}

/// The codes of one account.
#[derive(Serialize)]
struct AccountCodes {
    account: String,
    codes: Vec<String>,
}

/// `com.atproto.server.createInviteCode`: one code.
pub async fn create_invite_code(
    State(app): State<App>,
    Admin: Admin,
    Input(wanted): Input<OneCode>,
) -> Answer<Code> {
    let uses = wanted.use_count;
    let codes = app.invites.create(&[wanted.for_account], Wanted { codes: 1, uses }).await?;
    let code = codes.into_iter().flatten().next();
    let code = code.ok_or_else(|| XrpcError::internal("no invite code was made"))?;
    Ok(Json(Code { code }))
}

/// `com.atproto.server.createInviteCodes`: some codes for each of some accounts.
pub async fn create_invite_codes(
    State(app): State<App>,
    Admin: Admin,
    Input(wanted): Input<SomeCodes>,
) -> Answer<Codes> {
    let accounts: Vec<Option<Did>> = match wanted.for_accounts {
        None => vec![None],
        Some(accounts) => accounts.into_iter().map(Some).collect(),
    };
    let numbers = Wanted { codes: wanted.code_count, uses: wanted.use_count };
    let made = app.invites.create(&accounts, numbers).await?;
    let codes = accounts.iter().zip(made).map(|(account, codes)| AccountCodes {
        account: account.as_ref().map_or(ADMIN, |did| did.as_str()).to_owned(),
        codes,
    });
    Ok(Json(Codes { codes: codes.collect() }))
}

/// A code with its uses.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteView {
    code: String,
    available: i64,
    disabled: bool,
    for_account: String,
    created_by: String,
    created_at: Moment,
    uses: Vec<UseView>,
}

/// A use of a code.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UseView {
    used_by: Did,
    used_at: Moment,
}

impl From<Used> for InviteView {
    fn from(used: Used) -> Self {
        let Used { invite, uses } = used;
        let uses = uses.into_iter();
        Self {
            code: invite.code,
            // What it was made for; what is left follows from its uses.
            available: invite.uses_max,
            disabled: invite.disabled_at.is_some(),
            for_account: invite.for_account,
            created_by: invite.created_by,
            created_at: invite.created_at,
            uses: uses.map(|one| UseView { used_by: one.used_by, used_at: one.used_at }).collect(),
        }
    }
}

/// Parameters of `getAccountInviteCodes`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Own {
    include_used: bool,
    create_available: bool,
}

/// Answer of `getAccountInviteCodes`.
#[derive(Serialize)]
pub struct OwnCodes {
    codes: Vec<InviteView>,
}

/// `com.atproto.server.getAccountInviteCodes`: what the account may give to
/// others: codes that are not disabled, and used-up ones where they are wanted;
/// what it has earned meanwhile is made, unless that is not wanted.
pub async fn get_account_invite_codes(
    State(app): State<App>,
    Auth(actor): Auth,
    Params(own): Params<Own>,
) -> Answer<OwnCodes> {
    let codes = match own.create_available {
        true => {
            let account = app.accounts.look_up(&AtIdentifier::Did(actor.did)).await?;
            app.invites.earned_by(&account).await?
        }
        false => app.invites.of_account(&actor.did).await?,
    };
    let codes = codes.into_iter().filter(|used| {
        used.invite.disabled_at.is_none() && (own.include_used || used.invite.uses_left > 0)
    });
    Ok(Json(OwnCodes { codes: codes.map(InviteView::from).collect() }))
}
