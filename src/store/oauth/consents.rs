//! What an account has agreed to before, app by app.

use crate::atproto::Moment;
use crate::store::{
    AccountId, Batch, Db, StoreError,
    engine::{BadColumn, Row, Sql},
};

/// What an account has agreed to.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// Who agreed.
    pub account: AccountId,
    /// The app.
    pub client_id: String,
    /// The scopes.
    pub scope: String,
    /// When.
    pub given_at: Moment,
}

static PUT: Sql = Sql::new(
    "INSERT INTO oauth_consents (account_id, client_id, scope, given_at)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (account_id, client_id) DO UPDATE
     SET scope = excluded.scope, given_at = excluded.given_at",
);

/// Remembers what an account agreed to, in the place of what it did before.
pub fn put(batch: &mut Batch, consent: &Consent) {
    let statement = PUT
        .bind(consent.account)
        .bind(&consent.client_id)
        .bind(&consent.scope)
        .bind(consent.given_at);
    batch.add(statement);
}

static FIND: Sql = Sql::new(
    "SELECT account_id, client_id, scope, given_at
     FROM oauth_consents WHERE account_id = $1 AND client_id = $2",
);

fn consent(row: &Row<'_>) -> Result<Consent, BadColumn> {
    Ok(Consent {
        account: row.at(0)?,
        client_id: row.at(1)?,
        scope: row.at(2)?,
        given_at: row.at(3)?,
    })
}

/// Finds what an account has agreed to.
pub async fn find(
    db: &Db,
    account: AccountId,
    client_id: &str,
) -> Result<Option<Consent>, StoreError> {
    db.row(FIND.bind(account).bind(client_id), consent).await
}

static DELETE: Sql =
    Sql::new("DELETE FROM oauth_consents WHERE account_id = $1 AND client_id = $2");

/// Forgets what an account has agreed to.
pub fn delete(batch: &mut Batch, account: AccountId, client_id: &str) {
    batch.add(DELETE.bind(account).bind(client_id));
}
