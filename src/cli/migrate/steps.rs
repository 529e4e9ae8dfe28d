//! The steps of a move up to the point of no return: the account is made, and
//! everything is copied.
//!
//! Nothing is remembered between two runs. Both servers know how far the move
//! is, and each step asks them first and does what is still to do, so a run
//! that was killed is continued by running the command again.
//!
//! Steps: <https://atproto.com/guides/account-migration>

use ::http::{HeaderValue, header};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::world::crash;

use super::plan::Plan;
use super::progress::Progress;
use super::proof::Holdings;
use super::side::{CallError, Input, Side, text};

const SIGN_UP: &str = "com.atproto.server.createAccount";
pub(super) const STATUS: &str = "com.atproto.server.checkAccountStatus";
const CAR: &str = "application/vnd.ipld.car";
/// Blobs that are under way at once: each is held in memory.
const BLOBS_AT_ONCE: usize = 4;
/// Missing blobs on a page.
const PAGE: &str = "100";

/// A move: from where, to where.
pub(super) struct Move {
    pub(super) old: Side,
    pub(super) new: Side,
}

/// How far an account is at its new server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is being filled, and says nothing to anybody.
    Arriving,
    /// It lives there.
    Active,
}

/// Blobs that the old server should have and does not give.
pub(super) type Lost = Vec<String>;

impl Move {
    /// Logs in at the new server; makes the account, with `invite`, where there
    /// is none yet.
    pub(super) async fn enrol(
        &self,
        plan: &Plan,
        password: &str,
        invite: Option<String>,
    ) -> Result<(), Failure> {
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
    pub(super) async fn arrived(&self, did: &str, password: &str) -> Result<bool, Failure> {
        match self.new.log_in(did, password).await {
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
    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        let status = self.new.query(STATUS, &[]).await?;
        Ok(match status["activated"] == true {
            true => Standing::Active,
            false => Standing::Arriving,
        })
    }

    /// Brings repository, blobs and preferences over, and compares both sides.
    /// What was written at the old server meanwhile is brought over as well.
    pub(super) async fn copy(&self, plan: &Plan) -> Result<(Holdings, Holdings), Failure> {
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
            eprintln!("  {} does not give the blob {cid}; it cannot come along", self.old.name);
        }
        Ok((there, here))
    }

    /// Reads what both sides hold.
    pub(super) async fn holdings(&self, did: &str) -> Result<(Holdings, Holdings), Failure> {
        Ok((Holdings::of(&self.old, did).await?, Holdings::of(&self.new, did).await?))
    }

    async fn copy_repository(&self, plan: &Plan) -> Result<(), Failure> {
        let mut progress = Progress::new("records", plan.records);
        let archive = self.old.bytes("com.atproto.sync.getRepo", &[("did", &plan.did)]).await?;
        let input = Input::Bytes(archive.body, HeaderValue::from_static(CAR));
        self.new.procedure("com.atproto.repo.importRepo", input).await?;
        crash::point("migrate: the repository is copied");
        progress.advance(plan.records);
        progress.end();
        Ok(())
    }

    async fn copy_rest(&self, plan: &Plan) -> Result<Lost, Failure> {
        let lost = self.copy_blobs(&plan.did).await?;
        let preferences = self.old.query("app.bsky.actor.getPreferences", &[]).await?;
        let input = json!({ "preferences": preferences["preferences"] });
        self.new.procedure("app.bsky.actor.putPreferences", Input::Json(input)).await?;
        Ok(lost)
    }

    async fn copy_blobs(&self, did: &str) -> Result<Lost, Failure> {
        let status = self.new.query(STATUS, &[]).await?;
        let count = |key: &str| status[key].as_u64().unwrap_or_default();
        let mut progress = Progress::new("blobs", count("expectedBlobs"));
        progress.advance(count("importedBlobs"));
        let mut lost = Lost::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = vec![("limit", PAGE)];
            params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.new.query("com.atproto.repo.listMissingBlobs", &params).await?;
            let cids = missing(&page);
            let mut copies = stream::iter(&cids)
                .map(|cid| self.copy_blob(did, cid))
                .buffer_unordered(BLOBS_AT_ONCE);
            while let Some(gone) = copies.try_next().await? {
                lost.extend(gone);
                progress.advance(1);
            }
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cids.is_empty() || cursor.is_none() {
                progress.end();
                return Ok(lost);
            }
        }
    }

    /// Returns the CID of a blob that is not to be had any more.
    async fn copy_blob(&self, did: &str, cid: &str) -> Result<Option<String>, Failure> {
        let params = [("did", did), ("cid", cid)];
        let blob = match self.old.bytes("com.atproto.sync.getBlob", &params).await {
            Ok(blob) => blob,
            Err(CallError::Refused(refusal)) if refusal.status.is_client_error() => {
                match refusal.status == ::http::StatusCode::TOO_MANY_REQUESTS {
                    true => return Err(CallError::Refused(refusal).into()),
                    false => return Ok(Some(cid.to_owned())),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let kind = blob.headers.get(header::CONTENT_TYPE).cloned();
        let kind = kind.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
        let input = Input::Bytes(blob.body, kind);
        let taken = self.new.procedure("com.atproto.repo.uploadBlob", input).await?;
        match taken["blob"]["ref"]["$link"] == *cid {
            true => Ok(None),
            false => Err(format!("{} gives other bytes for the blob {cid}", self.old.name).into()),
        }
    }
}

fn missing(page: &Value) -> Vec<String> {
    let blobs = page["blobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    blobs.iter().filter_map(|blob| blob["cid"].as_str()).map(str::to_owned).collect()
}
