//! What an account has just written, for answers of an AppView that has not
//! seen it yet.
//!
//! An AppView says with each answer up to which revision it knows the asking
//! account's repository. Where that is behind, the account's newest posts and
//! its profile are put into the answer here. It is found without a cost to
//! writes: a record knows its revision, and the keys of posts are made of time,
//! so the newest posts are the last keys of one collection. A post under an
//! older key, or a change of an old one, is therefore left to the AppView.
//!
//! [`patch`] and [`views`] are pure: JSON in, JSON out. How an answer comes in
//! and goes out is not known here.

pub mod patch;
pub mod views;

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    atproto::{
        Moment, data,
        syntax::{Did, Nsid, RecordPath, Tid},
        tid,
    },
    store::{
        Db, StoreError, accounts, heads,
        records::{self, Order, Page, Record},
    },
};

pub use patch::{Kind, Query};

/// Posts that are looked at, the newest of an account: more than anybody writes
/// while an AppView is a little late.
const POSTS_MAX: u32 = 20;
/// Records among which one must be known to the AppView.
const KNOWN_LOOKED_AT_MAX: u32 = 100;

const POST: &str = "app.bsky.feed.post";
const PROFILE: &str = "app.bsky.actor.profile/self";

/// Views of records that posts embed, by their address.
pub type Quotes = HashMap<String, Value>;

/// A post that the AppView does not know.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its address.
    pub uri: String,
    /// The CID of its record.
    pub cid: String,
    /// When it was written here.
    pub at: Moment,
    /// The record.
    pub record: Value,
}

/// What an account has written that the AppView does not know.
#[derive(Clone, Debug)]
pub struct Local {
    /// Whose it is.
    pub did: String,
    /// Its handle.
    pub handle: String,
    /// The profile, known to the AppView or not.
    pub profile: Option<Value>,
    /// When the profile was written, where the AppView does not know it.
    pub profile_at: Option<Moment>,
    /// The posts, the newest first.
    pub posts: Vec<Post>,
    /// Where pictures are: this server.
    pub origin: String,
}

impl Local {
    /// When the oldest of it was written.
    pub fn oldest_at(&self) -> Option<Moment> {
        self.posts.iter().map(|post| post.at).chain(self.profile_at).min()
    }
}

/// Finds what the account of `did` has written after `rev`, the revision that
/// an AppView knows; nothing where that is all, or where the AppView knows
/// another repository than ours.
///
/// # Errors
/// [`StoreError`] of the engine.
pub async fn since(
    db: &Db,
    origin: &str,
    did: &Did,
    rev: &Tid,
) -> Result<Option<Local>, StoreError> {
    let Some(account) = accounts::find_by_did(db, did).await? else { return Ok(None) };
    let Some(head) = heads::find(db, account.id).await? else { return Ok(None) };
    if head.rev.as_str() <= rev.as_str() {
        return Ok(None);
    }
    // An AppView that knows none of our records is not late: it may know the
    // repository from before it moved here.
    if !records::knows_any(db, account.id, rev, KNOWN_LOOKED_AT_MAX).await? {
        return Ok(None);
    }
    let collection = Nsid::new(POST.to_owned()).expect("a literal of the right form");
    let page = Page { order: Order::Descending, after: None, limit: POSTS_MAX };
    let posts = records::list(db, account.id, &collection, &page).await?;
    let path: RecordPath = PROFILE.parse().expect("a literal of the right form");
    let profile = records::find_shown(db, account.id, &path).await?;
    let is_new = |record: &Record| record.rev.as_str() > rev.as_str();
    let local = Local {
        did: did.as_str().to_owned(),
        handle: account.handle.as_str().to_owned(),
        profile_at: profile.as_ref().filter(|record| is_new(record)).map(written_at),
        profile: profile.as_ref().and_then(json),
        posts: posts.iter().filter(|record| is_new(record)).filter_map(|r| post(did, r)).collect(),
        origin: origin.to_owned(),
    };
    Ok(Some(local).filter(|local| local.oldest_at().is_some()))
}

fn post(did: &Did, record: &Record) -> Option<Post> {
    Some(Post {
        uri: format!("at://{}/{}", did.as_str(), record.path),
        cid: record.cid.to_string(),
        at: written_at(record),
        record: json(record)?,
    })
}

fn json(record: &Record) -> Option<Value> {
    data::Value::decode(&record.value).ok().map(|value| value.to_json())
}

/// Revisions are made of time.
fn written_at(record: &Record) -> Moment {
    Moment::from_unix_ms(i64::try_from(tid::micros_of(&record.rev) / 1_000).unwrap_or(0))
}
