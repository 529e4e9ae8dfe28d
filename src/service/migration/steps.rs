//! The steps of a move up to the point of no return: the account is made, and
//! everything is copied.
//!
//! Steps: <https://atproto.com/guides/account-migration>

use std::sync::Arc;

use ::http::{HeaderValue, header};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::world::crash;

use super::plan::Plan;
use super::proof::Holdings;
use super::side::{CallError, Input, Login, Side, text};
use super::{MoveError, Note, Part, Watcher};

const SIGN_UP: &str = "com.atproto.server.createAccount";
pub const STATUS: &str = "com.atproto.server.checkAccountStatus";
const CAR: &str = "application/vnd.ipld.car";
/// Blobs that are under way at once: each is held in memory.
const BLOBS_AT_ONCE: usize = 4;
/// Missing blobs on a page.
const PAGE: &str = "100";

/// A move: from where, to where.
pub struct Move {
    /// Where the account is.
    pub old: Side,
    /// Where it will be.
    pub new: Side,
    /// Who follows.
    pub watcher: Arc<dyn Watcher>,
}

/// How far an account is at its new server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is being filled, and says nothing to anybody.
    Arriving,
    /// It lives there.
    Active,
}

/// Blobs that the old server should have and does not give.
pub type Lost = Vec<String>;

impl Move {
    /// Logs in at the new server; makes the account, with `invite`, where there
    /// is none yet.
    pub async fn enrol(
        &self,
        plan: &Plan,
        password: &str,
        invite: Option<String>,
    ) -> Result<(), MoveError> {
        let params = [("aud", plan.service_did.as_str()), ("lxm", SIGN_UP)];
        let proof = self.old.query("com.atproto.server.getServiceAuth", &params).await?;
        let mut input = json!({
            "did": plan.did,
            "handle": plan.new_handle,
            "email": plan.email,
            "password": password,
        });
        if let Some(code) = invite {
            input["inviteCode"] = code.into();
        }
        Ok(self.new.enrol(input, text(&proof, "token")?).await?)
    }

    /// Returns whether the new server has the account; logs in there if so.
    pub async fn arrived(&self, did: &str, password: &str) -> Result<bool, MoveError> {
        match self.new.log_in(&Login::of(did, password)).await {
            Ok(_) => Ok(true),
            Err(CallError::Refused(refusal)) => {
                let known = self.new.query("com.atproto.sync.getRepoStatus", &[("did", did)]).await;
                match known {
                    Err(error) if error.is("RepoNotFound") => Ok(false),
                    // It is there, and the password is another one.
                    _ => Err(CallError::Refused(refusal).into()),
                }
            }
            Err(silent) => Err(silent.into()),
        }
    }

    /// Returns how far the account is at the new server.
    pub async fn standing(&self) -> Result<Standing, MoveError> {
        let status = self.new.query(STATUS, &[]).await?;
        Ok(match status["activated"] == true {
            true => Standing::Active,
            false => Standing::Arriving,
        })
    }

    /// Brings repository, blobs and preferences over, and compares both sides.
    /// What was written at the old server meanwhile is brought over as well.
    pub async fn copy(&self, plan: &Plan) -> Result<(Holdings, Holdings), MoveError> {
        let status = self.new.query(STATUS, &[]).await?;
        let records = status["indexedRecords"].as_u64().unwrap_or_default();
        if records != plan.records || records == 0 {
            self.copy_repository(plan).await?;
        }
        let lost = self.copy_rest(plan).await?;
        let (mut there, mut here) = self.holdings(&plan.did).await?;
        if there.records != here.records {
            self.copy_repository(plan).await?;
            self.copy_rest(plan).await?;
            (there, here) = self.holdings(&plan.did).await?;
        }
        for cid in lost {
            self.watcher.notes(Note::Lost { side: self.old.name.clone(), cid });
        }
        Ok((there, here))
    }

    /// Reads what both sides hold.
    pub async fn holdings(&self, did: &str) -> Result<(Holdings, Holdings), MoveError> {
        Ok((Holdings::of(&self.old, did).await?, Holdings::of(&self.new, did).await?))
    }

    async fn copy_repository(&self, plan: &Plan) -> Result<(), MoveError> {
        self.watcher.begins(Part::Records, plan.records);
        let archive = self.old.bytes("com.atproto.sync.getRepo", &[("did", &plan.did)]).await?;
        let input = Input::Bytes(archive.body, HeaderValue::from_static(CAR));
        self.new.procedure("com.atproto.repo.importRepo", input).await?;
        crash::point("migrate: the repository is copied");
        self.watcher.advances(plan.records);
        self.watcher.ends();
        Ok(())
    }

    async fn copy_rest(&self, plan: &Plan) -> Result<Lost, MoveError> {
        let lost = self.copy_blobs(&plan.did).await?;
        let preferences = self.old.query("app.bsky.actor.getPreferences", &[]).await?;
        let input = json!({ "preferences": preferences["preferences"] });
        self.new.procedure("app.bsky.actor.putPreferences", Input::Json(input)).await?;
        Ok(lost)
    }

    async fn copy_blobs(&self, did: &str) -> Result<Lost, MoveError> {
        let status = self.new.query(STATUS, &[]).await?;
        let count = |key: &str| status[key].as_u64().unwrap_or_default();
        self.watcher.begins(Part::Blobs, count("expectedBlobs"));
        self.watcher.advances(count("importedBlobs"));
        let mut lost = Lost::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = vec![("limit", PAGE)];
            params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.new.query("com.atproto.repo.listMissingBlobs", &params).await?;
            let cids = missing(&page);
            let none_missing = cids.is_empty();
            let mut copies = stream::iter(cids)
                .map(|cid| self.copy_blob(did, cid))
                .buffer_unordered(BLOBS_AT_ONCE);
            while let Some(gone) = copies.try_next().await? {
                lost.extend(gone);
                self.watcher.advances(1);
            }
            cursor = page["cursor"].as_str().map(str::to_owned);
            if none_missing || cursor.is_none() {
                self.watcher.ends();
                return Ok(lost);
            }
        }
    }

    /// Returns the CID of a blob that is not to be had any more.
    async fn copy_blob(&self, did: &str, cid: String) -> Result<Option<String>, MoveError> {
        let params = [("did", did), ("cid", cid.as_str())];
        let blob = match self.old.bytes("com.atproto.sync.getBlob", &params).await {
            Ok(blob) => blob,
            Err(CallError::Refused(refusal)) if refusal.status.is_client_error() => {
                match refusal.status == ::http::StatusCode::TOO_MANY_REQUESTS {
                    true => return Err(CallError::Refused(refusal).into()),
                    false => return Ok(Some(cid)),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let kind = blob.headers.get(header::CONTENT_TYPE).cloned();
        let kind = kind.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
        let input = Input::Bytes(blob.body, kind);
        let taken = self.new.procedure("com.atproto.repo.uploadBlob", input).await?;
        match taken["blob"]["ref"]["$link"] == cid.as_str() {
            true => Ok(None),
            false => Err(MoveError::Blob { side: self.old.name.clone(), cid }),
        }
    }
}

fn missing(page: &Value) -> Vec<String> {
    let blobs = page["blobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    blobs.iter().filter_map(|blob| blob["cid"].as_str()).map(str::to_owned).collect()
}
