//! Lexicons of others, looked up where their authority publishes them.
//!
//! The name leads to a domain, the domain's DNS to a DID, the DID to the server
//! that keeps its repository, and that server's proof to the record: nobody on
//! the way needs to be believed.
//!
//! Spec: <https://atproto.com/specs/lexicon#lexicon-publication-and-resolution>

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::identity::{Freshness, Identity};
use crate::atproto::Cid;
use crate::atproto::data::cbor_to_json;
use crate::atproto::syntax::{Did, Nsid};
use crate::repo::car::Limits;
use crate::repo::commit::Commit;
use crate::repo::{BlockMap, Blocks, proof};
use crate::world::World;

/// The collection in which lexicons are published.
const COLLECTION: &str = "com.atproto.lexicon.schema";
/// How a DNS value begins that names the DID.
const DID_PREFIX: &str = "did=";
/// Time for the proof.
const TIME_MAX: Duration = Duration::from_secs(5);
/// How much of a proof is taken: a lexicon has at most 1 MB, its path some
/// dozens of nodes.
const PROOF: Limits =
    Limits { block_bytes_max: 1_100_000, total_bytes_max: 2_000_000, blocks_max: 200 };

/// Looks lexicons up; cheap to clone.
#[derive(Clone)]
pub struct Lexicons {
    world: World,
    identity: Arc<Identity>,
}

/// A lexicon that was found, with what proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Who published it.
    pub did: Did,
    /// The record.
    pub cid: Cid,
    /// What it says.
    pub document: Value,
}

/// Why a lexicon was not found. The text is for the developer of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lexicon {nsid} cannot be resolved: {why}")]
pub struct LexiconError {
    /// Its name.
    pub nsid: String,
    /// What went wrong.
    pub why: String,
}

impl Lexicons {
    /// Makes the service.
    pub fn new(world: World, identity: Arc<Identity>) -> Self {
        Self { world, identity }
    }

    /// Looks a lexicon up, past all memory but that of its publisher's identity.
    ///
    /// # Errors
    /// [`LexiconError`].
    // spec: lexicon#lexicon-publication-and-resolution
    pub async fn resolve(&self, nsid: &Nsid) -> Result<Published, LexiconError> {
        let fail = |why: String| LexiconError { nsid: nsid.as_str().to_owned(), why };
        let did = self.authority(nsid).await.map_err(fail)?;
        self.record(&did, nsid).await.map_err(fail)
    }

    /// The DID that the domain of a name's authority is under.
    async fn authority(&self, nsid: &Nsid) -> Result<Did, String> {
        let domain = authority_domain(nsid);
        let values = self.world.dns.txt(&format!("_lexicon.{domain}")).await;
        let values = values.map_err(|error| format!("_lexicon.{domain}: {error}"))?;
        let mut dids = values.iter().filter_map(|value| value.strip_prefix(DID_PREFIX));
        match (dids.next(), dids.next()) {
            (Some(did), None) => {
                Did::new(did.to_owned()).map_err(|_| format!("_lexicon.{domain} names no DID"))
            }
            (None, _) => Err(format!("_lexicon.{domain} has no TXT value did=")),
            _ => Err(format!("_lexicon.{domain} names more than one DID")),
        }
    }

    async fn record(&self, did: &Did, nsid: &Nsid) -> Result<Published, String> {
        let document = self.identity.document(did, Freshness::Cached).await;
        let document = document.map_err(|error| error.to_string())?;
        let server = document.pds_endpoint().ok_or("its publisher has no server")?;
        let key = document.signing_key().ok_or("its publisher has no signing key")?;
        let url = proof_url(server, did, nsid).ok_or("its publisher's server has no address")?;
        let request = self.world.http.guarded(url).map_err(|error| error.to_string())?;
        let size_max = usize::try_from(PROOF.total_bytes_max).unwrap_or(usize::MAX);
        let answer = request.timeout(TIME_MAX).size_max(size_max).fetch().await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("its publisher's server answers {}", answer.status.as_u16()));
        }
        let broken = |error: &dyn std::fmt::Display| format!("its proof is broken: {error}");
        let (roots, blocks) =
            BlockMap::read_car(&answer.body, PROOF).map_err(|error| broken(&error))?;
        let root = roots.first().ok_or("its proof has no root")?;
        let block = |cid: &Cid| blocks.block(cid).ok().flatten().ok_or("its proof lacks a block");
        let commit = Commit::decode(&block(root)?).map_err(|error| broken(&error))?;
        if commit.did() != did || commit.verify(key).is_err() {
            return Err("its proof is not signed by its publisher".to_owned());
        }
        let path = format!("{COLLECTION}/{}", nsid.as_str());
        let cid = proof::record_in(&blocks, &commit.data(), &path);
        let cid = cid.map_err(|error| broken(&error))?.ok_or("there is no such record")?;
        let mut json = String::new();
        cbor_to_json(&block(&cid)?, &mut json).map_err(|error| broken(&error))?;
        let document: Value = serde_json::from_str(&json).map_err(|error| broken(&error))?;
        let field = |name: &str| document.get(name).and_then(Value::as_str);
        if field("$type") != Some(COLLECTION) || field("id") != Some(nsid.as_str()) {
            return Err("the record is not the lexicon of this name".to_owned());
        }
        Ok(Published { did: did.clone(), cid, document })
    }
}

/// The domain of a name's authority: all but the last part, backwards.
fn authority_domain(nsid: &Nsid) -> String {
    let parts: Vec<&str> = nsid.as_str().rsplit('.').skip(1).collect();
    parts.join(".").to_ascii_lowercase()
}

fn proof_url(server: &str, did: &Did, nsid: &Nsid) -> Option<Url> {
    let mut url = Url::parse(server).ok()?.join("/xrpc/com.atproto.sync.getRecord").ok()?;
    url.query_pairs_mut()
        .append_pair("did", did.as_str())
        .append_pair("collection", COLLECTION)
        .append_pair("rkey", nsid.as_str());
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_a_name_is_all_but_its_last_part() {
        let check = |nsid: &str, expected: &str| {
            let nsid = Nsid::new(nsid.to_owned()).expect("an NSID");
            assert_eq!(authority_domain(&nsid), expected);
        };
        check("app.bsky.feed.post", "feed.bsky.app");
        check("com.example.basic", "example.com");
    }
}
