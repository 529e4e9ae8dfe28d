//! Whole repositories that come in.

use axum::extract::State;

use crate::http::auth::Auth;
use crate::http::input::Upload;
use crate::http::{App, XrpcError};
use crate::service::repos::Owner;

/// `com.atproto.repo.importRepo`: takes a repository from elsewhere in the
/// place of the account's.
pub async fn import_repo(
    State(app): State<App>,
    Auth(actor): Auth,
    upload: Upload,
) -> Result<(), XrpcError> {
    let owner = Owner { account: actor.account, did: actor.did };
    app.imports.import(&owner, upload.into_stream()).await?;
    Ok(())
}
