//! From a handle to a DID, by asking the world.
//!
//! A TXT record of the name system and a file on the handle's host are asked
//! at the same time; the record wins. What is found is remembered for a while,
//! what is not found for a moment. Accounts of this server are not asked for
//! here: the room above knows them.
//!
//! Spec: <https://atproto.com/specs/handle#handle-resolution>

use std::{sync::Arc, time::Duration};

use url::Url;

use crate::{
    atproto::{
        Moment,
        syntax::{Did, Handle},
    },
    world::{HttpError, World, dns::DnsError, http::Answer},
};

use super::Freshness;

/// How long one way of asking may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a host's file; a DID has at most 2,048.
const FILE_BYTES_MAX: usize = 4 * 1024;
/// Redirects that a host's file may lie behind.
const REDIRECTS_MAX: usize = 3;
/// How long an answer is used without asking again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long an answer is used while nobody can be reached.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is believed that a handle leads nowhere.
const NOWHERE: Duration = Duration::from_secs(30);
/// The least time between two forced questions about one handle.
const RECHECK: Duration = Duration::from_secs(10);
/// Handles that are remembered; about 200 bytes each.
const REMEMBERED_MAX: u64 = 20_000;

/// Asks the world where handles lead, and remembers.
pub(super) struct Handles {
    world: World,
    remembered: moka::sync::Cache<String, Remembered>,
}

#[derive(Clone)]
struct Remembered {
    did: Option<Did>,
    at: Moment,
}

/// A handle leads nowhere, or nobody could be asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HandleError {
    /// It leads to no DID, or to several.
    #[error("the handle leads to no DID")]
    NotFound,
    /// The name system cannot be asked and the host cannot be reached.
    #[error("nobody could be asked about the handle")]
    Dns(#[source] Arc<DnsError>),
    /// Neither has an answer, and the host failed.
    #[error("the handle's host could not be asked")]
    Host(#[source] Arc<HttpError>),
    /// Neither has an answer, and the host says that it fails or is too busy.
    #[error("the handle's host answered with status {0}")]
    HostFails(u16),
}

/// Why a host gave no answer.
enum Unasked {
    /// The guard does not let its address through; asking again would not help.
    Refused,
    /// It may answer another time.
    Failed(Arc<HttpError>),
    /// It says so itself, with this status.
    Fails(u16),
}

impl From<HttpError> for Unasked {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused(_) | HttpError::TooLarge { .. } | HttpError::Redirected => {
                Self::Refused
            }
            error => Self::Failed(Arc::new(error)),
        }
    }
}

impl Handles {
    pub(super) fn new(world: World) -> Self {
        let remembered = moka::sync::Cache::new(REMEMBERED_MAX);
        Self { world, remembered }
    }

    /// Returns where `handle`, in lower case, leads.
    pub(super) async fn resolve(
        &self,
        handle: &Handle,
        freshness: Freshness,
    ) -> Result<Did, HandleError> {
        let remembered = self.remembered.get(handle.as_str());
        if let Some(remembered) = &remembered
            && self.is_good(remembered, freshness)
        {
            return remembered.did.clone().ok_or(HandleError::NotFound);
        }
        let answer = self.ask(handle).await;
        match (&answer, remembered) {
            (Ok(did), _) => self.remember(handle, Some(did.clone())),
            (Err(HandleError::NotFound), _) => self.remember(handle, None),
            // A server that is down does not take the name away, for a while.
            (Err(_), Some(Remembered { did: Some(did), at }))
                if freshness == Freshness::Cached && self.age(at) < USABLE =>
            {
                return Ok(did);
            }
            (Err(_), _) => {}
        }
        answer
    }

    /// Forgets what is known of `handle`.
    pub(super) fn forget(&self, handle: &Handle) {
        self.remembered.invalidate(handle.as_str());
    }

    fn is_good(&self, remembered: &Remembered, freshness: Freshness) -> bool {
        let age = self.age(remembered.at);
        match (freshness, &remembered.did) {
            (Freshness::Now, _) => false,
            (Freshness::Recheck, _) => age < RECHECK,
            (Freshness::Cached, Some(_)) => age < FRESH,
            (Freshness::Cached, None) => age < NOWHERE,
        }
    }

    fn age(&self, at: Moment) -> Duration {
        self.world.clock.now().since(at)
    }

    fn remember(&self, handle: &Handle, did: Option<Did>) {
        let at = self.world.clock.now();
        self.remembered.insert(handle.as_str().to_owned(), Remembered { did, at });
    }

    /// Asks both ways at once; does not wait for the host when the record answers.
    async fn ask(&self, handle: &Handle) -> Result<Did, HandleError> {
        let record = self.ask_record(handle);
        let file = self.ask_host(handle);
        tokio::pin!(record, file);
        let mut file_answer = None;
        let record_answer = loop {
            tokio::select! {
                answer = &mut record => break answer,
                answer = &mut file, if file_answer.is_none() => file_answer = Some(answer),
            }
        };
        let from_record = match record_answer {
            Ok(Some(did)) => return Ok(did),
            Err(HandleError::NotFound) => return Err(HandleError::NotFound),
            other => other.map(|_| ()),
        };
        let from_file = match file_answer {
            Some(answer) => answer,
            None => file.await,
        };
        match (from_file, from_record) {
            (Ok(Some(did)), _) => Ok(did),
            // A name without an address has no host that could be asked again.
            (Ok(None) | Err(Unasked::Refused), Ok(())) => Err(HandleError::NotFound),
            (Err(Unasked::Failed(error)), Ok(())) => Err(HandleError::Host(error)),
            (Err(Unasked::Fails(status)), Ok(())) => Err(HandleError::HostFails(status)),
            (_, Err(error)) => Err(error),
        }
    }

    /// Returns the one DID of the handle's TXT record, `None` without one.
    async fn ask_record(&self, handle: &Handle) -> Result<Option<Did>, HandleError> {
        let name = format!("_atproto.{}", handle.as_str());
        let values = self.world.dns.txt(&name).await;
        let values = values.map_err(|error| HandleError::Dns(Arc::new(error)))?;
        let mut dids: Vec<_> = values.iter().filter_map(|v| v.strip_prefix("did=")).collect();
        dids.sort_unstable();
        dids.dedup();
        match dids[..] {
            [] => Ok(None),
            [did] => Did::new(did.to_owned()).map(Some).map_err(|_| HandleError::NotFound),
            _ => Err(HandleError::NotFound),
        }
    }

    /// Returns the DID in the file on the handle's host, `None` without one. The
    /// media type is not asked for: a file whose first line is a DID means it.
    async fn ask_host(&self, handle: &Handle) -> Result<Option<Did>, Unasked> {
        let url = format!("https://{}/.well-known/atproto-did", handle.as_str());
        let Ok(url) = Url::parse(&url) else { return Ok(None) };
        let request = self.world.http.guarded(url)?;
        let request = request.timeout(ASK_TIMEOUT).size_max(FILE_BYTES_MAX);
        let answer = request.redirects_max(REDIRECTS_MAX).fetch().await?;
        if answer.is_passing_failure() {
            return Err(Unasked::Fails(answer.status.as_u16()));
        }
        Ok(did_of(&answer))
    }
}

fn did_of(answer: &Answer) -> Option<Did> {
    let text = answer.status.is_success().then(|| std::str::from_utf8(&answer.body).ok())??;
    let line = text.trim_start().lines().next()?.trim();
    Did::new(line.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DID: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
    const OTHER: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";
    const FILE: &str = "https://alice.example.com/.well-known/atproto-did";

    fn alice() -> Handle {
        Handle::new("alice.example.com".to_owned()).expect("a handle")
    }

    async fn resolved(handles: &Handles) -> Option<String> {
        let did = handles.resolve(&alice(), Freshness::Cached).await;
        did.ok().map(|did| did.as_str().to_owned())
    }

    #[tokio::test]
    async fn the_record_wins_over_the_file_and_must_be_one() {
        let check = async |txt: &[&str], file: Option<&str>, expected: Option<&str>| {
            let world = World::fake(1);
            world.dns.set_txt("_atproto.alice.example.com", txt);
            if let Some(file) = file {
                world.http.answer(FILE, 200, "text/plain", file.to_owned());
            }
            let found = resolved(&Handles::new(world)).await;
            assert_eq!(found.as_deref(), expected, "{txt:?} {file:?}");
        };
        let record = &format!("did={DID}")[..];
        let other = &format!("did={OTHER}")[..];
        check(&[record], Some(OTHER), Some(DID)).await;
        check(&[record, "v=spf1", record], None, Some(DID)).await;
        check(&[record, other], Some(DID), None).await;
        check(&["did=nonsense"], Some(DID), None).await;
        check(&["did:plc:x"], Some(DID), Some(DID)).await;
        check(&[], Some(DID), Some(DID)).await;
        check(&[], Some(&format!("  {DID} \r\nmore\n")), Some(DID)).await;
        check(&[], Some("<html>"), None).await;
        check(&[], Some(""), None).await;
        check(&[], None, None).await;
    }

    #[tokio::test]
    async fn a_file_may_lie_behind_three_redirects_and_errors_are_no_file() {
        let world = World::fake(1);
        let handles = Handles::new(world.clone());
        world.http.redirect(FILE, "https://www.example.com/1");
        world.http.redirect("https://www.example.com/1", "/2");
        world.http.redirect("https://www.example.com/2", "/3");
        world.http.answer("https://www.example.com/3", 200, "text/plain", DID);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        handles.forget(&alice());
        world.http.redirect("https://www.example.com/3", "/4");
        assert_eq!(resolved(&handles).await, None);
        handles.forget(&alice());
        world.http.answer(FILE, 404, "text/plain", DID);
        assert_eq!(resolved(&handles).await, None);
    }

    #[tokio::test]
    async fn answers_are_remembered_and_absence_only_briefly() {
        let world = World::fake(1);
        let handles = Handles::new(world.clone());
        world.http.answer(FILE, 404, "text/plain", "");
        assert_eq!(resolved(&handles).await, None);
        world.http.answer(FILE, 200, "text/plain", DID);
        assert_eq!(resolved(&handles).await, None);
        world.clock.advance(NOWHERE);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        world.http.answer(FILE, 200, "text/plain", OTHER);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        let now = handles.resolve(&alice(), Freshness::Now).await.expect("found");
        assert_eq!(now.as_str(), OTHER);
        world.clock.advance(FRESH);
        world.http.answer(FILE, 200, "text/plain", DID);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
    }

    #[tokio::test]
    async fn a_host_that_is_down_keeps_its_name_for_a_day() {
        let world = World::fake(1);
        let handles = Handles::new(world.clone());
        world.http.answer(FILE, 200, "text/plain", DID);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        world.clock.advance(USABLE - Duration::from_secs(1));
        for status in [500, 503, 429] {
            world.http.answer(FILE, status, "text/plain", "");
            assert_eq!(resolved(&handles).await.as_deref(), Some(DID), "{status}");
        }
        let now = handles.resolve(&alice(), Freshness::Now).await;
        assert!(matches!(now, Err(HandleError::HostFails(429))), "{now:?}");
        world.http.forget(&FILE.parse().expect("a URL"));
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        let now = handles.resolve(&alice(), Freshness::Now).await;
        assert!(matches!(now, Err(HandleError::Host(_))), "{now:?}");
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(resolved(&handles).await, None);
    }

    #[tokio::test]
    async fn a_host_that_no_longer_has_the_file_has_given_the_name_up() {
        let world = World::fake(1);
        let handles = Handles::new(world.clone());
        world.http.answer(FILE, 200, "text/plain", DID);
        assert_eq!(resolved(&handles).await.as_deref(), Some(DID));
        world.http.answer(FILE, 404, "text/plain", "");
        world.clock.advance(FRESH);
        assert_eq!(resolved(&handles).await, None);
    }
}
