//! What a move will do, found out before anything is done.

use serde_json::Value;

use super::MoveError;
use super::side::{Side, text};

const DESCRIBE: &str = "com.atproto.server.describeServer";
const STATUS: &str = "com.atproto.server.checkAccountStatus";

/// Everything about a move that can be known before it.
pub struct Plan {
    /// The account.
    pub did: String,
    /// Its handle at the old server.
    pub old_handle: String,
    /// The one it will have.
    pub new_handle: String,
    /// Its address, which the new server is told.
    pub email: String,
    /// The DID of the new server.
    pub service_did: String,
    /// Whether an account there needs an invite code.
    pub invite: Invite,
    /// How many records there are.
    pub records: u64,
    /// How many blobs.
    pub blobs: u64,
    /// How many preferences.
    pub preferences: usize,
}

/// Whether an account at the new server needs an invite code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Invite {
    /// It does.
    Wanted,
    /// It does not.
    NotWanted,
}

/// What the person said about the move.
pub struct Wishes<'a> {
    /// The handle afterwards.
    pub new_handle: Option<&'a str>,
    /// The address afterwards.
    pub email: Option<&'a str>,
}

impl Plan {
    /// Asks both servers; the account is logged in at the old one.
    pub async fn make(
        old: &Side,
        new: &Side,
        opened: &Value,
        wishes: &Wishes<'_>,
    ) -> Result<Self, MoveError> {
        let (there, here) = (old.query(DESCRIBE, &[]).await?, new.query(DESCRIBE, &[]).await?);
        let old_handle = text(opened, "handle")?.to_owned();
        let new_handle = match wishes.new_handle {
            Some(handle) => handle.to_owned(),
            None => handle_there(&old_handle, &domains(&there), &domains(&here))?,
        };
        let session = old.query("com.atproto.server.getSession", &[]).await?;
        let email = wishes.email.or(session["email"].as_str());
        let email = email.ok_or(MoveError::EmailNeeded)?;
        let status = old.query(STATUS, &[]).await?;
        let preferences = old.query("app.bsky.actor.getPreferences", &[]).await?;
        Ok(Self {
            did: text(opened, "did")?.to_owned(),
            old_handle,
            new_handle,
            email: email.to_owned(),
            service_did: text(&here, "did")?.to_owned(),
            invite: match here["inviteCodeRequired"] == true {
                true => Invite::Wanted,
                false => Invite::NotWanted,
            },
            records: status["indexedRecords"].as_u64().unwrap_or_default(),
            blobs: status["expectedBlobs"].as_u64().unwrap_or_default(),
            preferences: preferences["preferences"].as_array().map_or(0, Vec::len),
        })
    }
}

/// The handle after the move: one under the old server's domains becomes one
/// under the new server's, any other is the person's own and stays.
fn handle_there(handle: &str, old: &[String], new: &[String]) -> Result<String, MoveError> {
    let stays = new.iter().any(|domain| handle.ends_with(domain.as_str()));
    let label = old.iter().find_map(|domain| handle.strip_suffix(domain.as_str()));
    match (stays, label, new.first()) {
        (false, Some(label), Some(domain)) => Ok(format!("{label}{domain}")),
        (false, Some(_), None) => Err(MoveError::HandleNeeded),
        _ => Ok(handle.to_owned()),
    }
}

fn domains(server: &Value) -> Vec<String> {
    let list = server["availableUserDomains"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::handle_there;

    #[test]
    fn a_handle_of_the_old_server_gets_the_new_domain_and_an_own_one_stays() {
        let check = |handle: &str, expected: &str| {
            let domains = |domain: &str| vec![domain.to_owned()];
            let found = handle_there(handle, &domains(".old.test"), &domains(".new.test"));
            assert_eq!(found.ok().as_deref(), Some(expected));
        };
        check("alice.old.test", "alice.new.test");
        check("alice.new.test", "alice.new.test");
        check("alice.example", "alice.example");
    }
}
