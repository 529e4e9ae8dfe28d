//! Finding an account by whatever its owner or an operator calls it.

use crate::atproto::syntax::{Did, normalize_handle};
use crate::store::accounts::{self, Account};
use crate::store::{Db, StoreError, emails};

/// Finds an account by its handle, its DID or its e-mail address, in any case.
///
/// # Errors
/// The store's.
pub async fn find_named(db: &Db, name: &str) -> Result<Option<Account>, StoreError> {
    let name = name.trim();
    if name.contains('@') && !name.starts_with('@') {
        return emails::find(db, name).await;
    }
    if let Ok(did) = Did::new(name.to_owned()) {
        return accounts::find_by_did(db, &did).await;
    }
    match normalize_handle(name.trim_start_matches('@')) {
        Ok(handle) => accounts::find_by_handle(db, &handle).await,
        Err(_) => Ok(None),
    }
}
