//! The point of no return: the account's identity comes to name the new server.

use serde_json::{Value, json};
use url::Url;

use crate::world::crash;
use crate::world::http::Outbound;

use super::MoveError;
use super::side::{Input, text};
use super::steps::{Move, STATUS, Standing};

const RECOMMENDED: &str = "com.atproto.identity.getRecommendedDidCredentials";
/// Keys that may change an identity; the directory takes no more.
const ROTATION_KEYS_MAX: usize = 10;

/// The directory of did:plc, asked for what an identity says now.
pub struct Directory<'a> {
    /// The way out.
    pub http: &'a Outbound,
    /// Where it is.
    pub url: &'a Url,
}

impl Move {
    /// Returns whether the identity names the new server already.
    pub async fn leads_there(&self) -> Result<bool, MoveError> {
        let status = self.new.query(STATUS, &[]).await?;
        Ok(status["validDid"] == true)
    }

    /// Has the old server mail the code without which it signs nothing.
    pub async fn ask_for_code(&self) -> Result<(), MoveError> {
        let nsid = "com.atproto.identity.requestPlcOperationSignature";
        self.old.procedure(nsid, Input::None).await?;
        Ok(())
    }

    /// Changes a did:plc identity: the old server signs, the new one submits.
    pub async fn change_identity(
        &self,
        did: &str,
        code: &str,
        directory: &Directory<'_>,
    ) -> Result<(), MoveError> {
        let mut wanted = self.new.query(RECOMMENDED, &[]).await?;
        let leaving = self.old.query(RECOMMENDED, &[]).await?;
        let current = directory.state(did).await?;
        wanted["rotationKeys"] = rotation_keys(&current, &leaving, &wanted);
        wanted["token"] = code.into();
        let nsid = "com.atproto.identity.signPlcOperation";
        let signed = self.old.procedure(nsid, Input::Json(wanted)).await?;
        crash::point("migrate: the operation is signed");
        let input = json!({ "operation": signed["operation"] });
        let nsid = "com.atproto.identity.submitPlcOperation";
        self.new.procedure(nsid, Input::Json(input)).await?;
        crash::point("migrate: the identity has changed");
        Ok(())
    }

    /// What the owner of a did:web identity has to write into its document.
    pub async fn document_to_write(&self, did: &str) -> Result<String, MoveError> {
        let wanted = self.new.query(RECOMMENDED, &[]).await?;
        let key = text(&wanted["verificationMethods"], "atproto")?;
        let key = key.strip_prefix("did:key:").unwrap_or(key);
        let parts = json!({
            "alsoKnownAs": wanted["alsoKnownAs"],
            "verificationMethod": [{
                "id": format!("{did}#atproto"),
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": key,
            }],
            "service": [{
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": wanted["services"]["atproto_pds"]["endpoint"],
            }],
        });
        Ok(format!("{parts:#}"))
    }

    /// The new account speaks, and the old one falls silent.
    pub async fn change_over(&self, there: Standing) -> Result<(), MoveError> {
        if there == Standing::Arriving {
            self.new.procedure("com.atproto.server.activateAccount", Input::None).await?;
            crash::point("migrate: the new account speaks");
        }
        let old = self.old.query(STATUS, &[]).await?;
        if old["activated"] == true {
            let input = Input::Json(json!({}));
            self.old.procedure("com.atproto.server.deactivateAccount", input).await?;
            crash::point("migrate: the old account is silent");
        }
        Ok(())
    }
}

impl Directory<'_> {
    async fn state(&self, did: &str) -> Result<Value, MoveError> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{did}/data", url.path().trim_end_matches('/')));
        let answer = self.http.trusted(url).fetch().await.map_err(MoveError::Directory)?;
        answer.json().map_err(MoveError::Directory)
    }
}

/// The new server's keys, after those that are neither server's: a key that
/// people keep themselves is how they get an identity back, so it stays, and
/// stays before the server's.
fn rotation_keys(current: &Value, leaving: &Value, wanted: &Value) -> Value {
    let keys = |of: &Value| of["rotationKeys"].as_array().cloned().unwrap_or_default();
    let (leaving, wanted) = (keys(leaving), keys(wanted));
    let own =
        keys(current).into_iter().filter(|key| !leaving.contains(key) && !wanted.contains(key));
    let room = ROTATION_KEYS_MAX.saturating_sub(wanted.len());
    let own: Vec<Value> = own.take(room).collect();
    own.into_iter().chain(wanted).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::rotation_keys;

    #[test]
    fn a_key_of_ones_own_stays_and_the_old_servers_goes() {
        let of = |keys: &[&str]| json!({ "rotationKeys": keys });
        let keys = rotation_keys(&of(&["mine", "old"]), &of(&["old"]), &of(&["new"]));
        assert_eq!(keys, json!(["mine", "new"]));
        let again = rotation_keys(&of(&["mine", "new"]), &of(&["old"]), &of(&["new"]));
        assert_eq!(again, json!(["mine", "new"]));
    }
}
