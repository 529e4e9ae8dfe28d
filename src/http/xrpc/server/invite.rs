//! Invite codes, made by the administrator.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::syntax::Did;
use crate::http::auth::Admin;
use crate::http::input::Input;
use crate::http::{Answer, App, XrpcError};
use crate::service::invites::Wanted;

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
