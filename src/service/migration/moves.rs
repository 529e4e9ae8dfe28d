//! Moves that people make in their browsers: a form begins each step, a task
//! does it, a page follows.
//!
//! What is kept here is forgotten with the process, and loses nothing: both
//! servers know how far a move is, so a person begins again and goes on. No
//! password is kept, only the sessions at both servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    Directory, Holdings, Invite, Move, MoveError, Note, Part, Patience, Plan, Standing, Watcher,
    Wishes,
};
use crate::service::tasks::Tasks;
use crate::world::World;

/// Moves that are kept at once; beyond, the one that rests longest is forgotten.
const MOVES_MAX: u64 = 64;
/// How long a move is kept that nobody goes on with.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Moves that hold a repository in memory at once; others wait.
const COPIES_AT_ONCE: usize = 1;
/// Blobs that are named as lost; further ones are counted.
const LOST_NAMED_MAX: usize = 100;
/// Bytes of the name of a move.
const ID_BYTES: usize = 16;

/// Keeps the moves of people in browsers.
pub struct Moves {
    world: World,
    directory: Url,
    tasks: Tasks,
    kept: Cache<String, Arc<Moving>>,
    /// Taken by whoever holds repositories in memory.
    copies: Arc<Semaphore>,
}

/// A move that somebody is making.
pub struct Moving {
    /// Its name.
    pub id: String,
    /// The browser that it belongs to.
    pub device: String,
    /// What it will do.
    pub plan: Plan,
    /// Which way it goes.
    pub way: Way,
    journey: Move,
    follower: Arc<Follower>,
    /// Set by the task of a step, read by pages.
    stage: Mutex<Stage>,
}

/// Which way a move goes, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The account comes here.
    In,
    /// It goes away.
    Out,
}

/// How far a move is.
#[derive(Debug, Clone)]
pub enum Stage {
    /// It is planned; nothing was done.
    Planned,
    /// Everything is being copied.
    Copying,
    /// Everything is there; what is left is final.
    Copied {
        /// What both sides hold.
        both: Arc<Both>,
        /// What it takes to go on.
        needs: Needs,
    },
    /// The identity is being changed.
    ChangingOver,
    /// The account lives there.
    Arrived(Arc<Both>),
    /// A step failed; it can be tried again.
    Stopped {
        /// Why.
        why: Arc<MoveError>,
        /// The stage from which it goes on.
        from: Box<Stage>,
    },
}

/// What both sides hold.
#[derive(Debug)]
pub struct Both {
    /// The old server.
    pub old: Holdings,
    /// The new one.
    pub new: Holdings,
}

/// What it takes to point an identity at the new server.
#[derive(Debug, Clone)]
pub enum Needs {
    /// The code that the old server mails.
    Code,
    /// The owner's own document, with this in it.
    Document(String),
    /// Nothing: it points there.
    Nothing,
}

/// How far the step is that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What it is about.
    pub part: Part,
    /// How much there is to do.
    pub total: u64,
    /// How much is done.
    pub done: u64,
}

/// Follows a move for whoever opens its page.
#[derive(Default)]
pub struct Follower {
    step: Mutex<Option<Step>>,
    lost: Mutex<Vec<String>>,
    /// A task is at work, and nobody waits for an answer.
    in_background: AtomicBool,
}

impl Watcher for Follower {
    fn begins(&self, part: Part, total: u64) {
        *self.step.lock() = Some(Step { part, total, done: 0 });
    }

    fn advances(&self, more: u64) {
        if let Some(step) = self.step.lock().as_mut() {
            step.done += more;
        }
    }

    fn ends(&self) {
        *self.step.lock() = None;
    }

    fn notes(&self, note: Note) {
        if let Note::Lost { cid, .. } = note {
            let mut lost = self.lost.lock();
            if lost.len() < LOST_NAMED_MAX && !lost.contains(&cid) {
                lost.push(cid);
            }
        }
    }

    fn patience(&self) -> Patience {
        match self.in_background.load(Ordering::Relaxed) {
            true => Patience::Long,
            false => Patience::None,
        }
    }
}

impl Moving {
    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage.lock().clone()
    }

    /// How far the step is that is under way.
    pub fn step(&self) -> Option<Step> {
        *self.follower.step.lock()
    }

    /// The CIDs of blobs that the old server does not give.
    pub fn lost(&self) -> Vec<String> {
        self.follower.lost.lock().clone()
    }

    /// What the old server is called.
    pub fn from(&self) -> &str {
        &self.journey.old.name
    }

    /// What the new server is called.
    pub fn to(&self) -> &str {
        &self.journey.new.name
    }

    /// Whether an account at the new server needs an invite code.
    pub fn needs_invite(&self) -> Invite {
        self.plan.invite
    }

    /// Goes to `next` from a stage that lets it; a form that is sent twice
    /// begins nothing twice.
    fn enter(&self, next: Stage, fits: impl Fn(&Stage) -> bool) -> bool {
        let mut stage = self.stage.lock();
        let resting = match &*stage {
            Stage::Stopped { from, .. } => from,
            stage => stage,
        };
        let goes = fits(resting);
        if goes {
            *stage = next;
        }
        goes
    }
}

impl Moves {
    /// Makes the service; identities are asked for at `directory`.
    pub fn new(world: World, directory: Url, tasks: Tasks) -> Self {
        let kept = Cache::builder().max_capacity(MOVES_MAX).time_to_idle(KEPT).build();
        Self { world, directory, tasks, kept, copies: Arc::new(Semaphore::new(COPIES_AT_ONCE)) }
    }

    /// Plans a move for a browser. The account is logged in at the old server,
    /// whose answer to that is `opened`.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub async fn plan(
        &self,
        device: &str,
        (way, journey, follower): (Way, Move, Arc<Follower>),
        (opened, wishes): (&serde_json::Value, &Wishes<'_>),
    ) -> Result<Arc<Moving>, MoveError> {
        let plan = Plan::make(&journey.old, &journey.new, opened, wishes).await?;
        let id = self.world.entropy.token_hex(ID_BYTES);
        let stage = Mutex::new(Stage::Planned);
        let device = device.to_owned();
        let moving =
            Arc::new(Moving { id: id.clone(), device, plan, way, journey, follower, stage });
        self.kept.insert(id, moving.clone());
        Ok(moving)
    }

    /// Finds a move of a browser.
    pub fn find(&self, id: &str, device: &str) -> Option<Arc<Moving>> {
        self.kept.get(id).filter(|moving| moving.device == device)
    }

    /// Copies everything, in a task. With the password for the new server, and an
    /// invite code where it wants one.
    pub fn copy(&self, moving: &Arc<Moving>, password: String, invite: Option<String>) {
        if !moving.enter(Stage::Copying, |stage| matches!(stage, Stage::Planned)) {
            return;
        }
        let (task, copies) = (moving.clone(), self.copies.clone());
        self.tasks.run("copy an account", async move {
            let copied = task.in_background(task.copied(&copies, &password, invite)).await;
            *task.stage.lock() = match copied {
                Ok((both, needs)) => Stage::Copied { both, needs },
                Err(error) => stopped(error, Stage::Planned),
            };
            Ok(())
        });
    }

    /// Has the old server mail the code.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub async fn send_code(&self, moving: &Moving) -> Result<(), MoveError> {
        moving.journey.ask_for_code().await
    }

    /// Points the identity at the new server, activates the account there and
    /// rests it at the old one, in a task.
    pub fn change_over(&self, moving: &Arc<Moving>, code: String) {
        let before = moving.stage();
        if !moving.enter(Stage::ChangingOver, |stage| matches!(stage, Stage::Copied { .. })) {
            return;
        }
        let from = match before {
            Stage::Stopped { from, .. } => *from,
            stage => stage,
        };
        let (task, copies, world) = (moving.clone(), self.copies.clone(), self.world.clone());
        let directory = self.directory.clone();
        self.tasks.run("move an account", async move {
            let directory = Directory { http: &world.http, url: &directory };
            let arrived = task.in_background(task.arrived(&copies, &code, &directory)).await;
            *task.stage.lock() = match arrived {
                Ok(both) => Stage::Arrived(both),
                Err(error) => stopped(error, from),
            };
            Ok(())
        });
    }
}

impl Moving {
    async fn in_background<T>(&self, step: impl Future<Output = T>) -> T {
        self.follower.in_background.store(true, Ordering::Relaxed);
        let outcome = step.await;
        self.follower.in_background.store(false, Ordering::Relaxed);
        outcome
    }

    async fn copied(
        &self,
        copies: &Semaphore,
        password: &str,
        invite: Option<String>,
    ) -> Result<(Arc<Both>, Needs), MoveError> {
        let (journey, plan) = (&self.journey, &self.plan);
        if !journey.arrived(&plan.did, password).await? {
            journey.enrol(plan, password, invite).await?;
        }
        let _memory = copies.acquire().await;
        let (old, new) = match journey.standing().await? {
            Standing::Arriving => journey.copy(plan).await?,
            Standing::Active => journey.holdings(&plan.did).await?,
        };
        if old.records != new.records || old.preferences != new.preferences {
            return Err(MoveError::Different);
        }
        Ok((Arc::new(Both { old, new }), self.needs().await?))
    }

    async fn needs(&self) -> Result<Needs, MoveError> {
        let did = &self.plan.did;
        if self.journey.leads_there().await? {
            return Ok(Needs::Nothing);
        }
        match did.starts_with("did:web:") {
            true => Ok(Needs::Document(self.journey.document_to_write(did).await?)),
            false => Ok(Needs::Code),
        }
    }

    async fn arrived(
        &self,
        copies: &Semaphore,
        code: &str,
        directory: &Directory<'_>,
    ) -> Result<Arc<Both>, MoveError> {
        let (journey, did) = (&self.journey, &self.plan.did);
        match self.needs().await? {
            Needs::Nothing => {}
            Needs::Document(_) => return Err(MoveError::DocumentUnchanged),
            Needs::Code => journey.change_identity(did, code, directory).await?,
        }
        journey.change_over(journey.standing().await?).await?;
        let _memory = copies.acquire().await;
        let (old, new) = journey.holdings(did).await?;
        Ok(Arc::new(Both { old, new }))
    }
}

fn stopped(why: MoveError, from: Stage) -> Stage {
    Stage::Stopped { why: Arc::new(why), from: Box::new(from) }
}
