//! One like, repost, follow or block for each subject.
//!
//! A client that presses the button twice, or on two devices, makes two records
//! that say the same. Creating one deletes the older ones of the same collection
//! and subject in the same commit, the deletions first, as the official server
//! does; only for `createRecord`, and not where the client said
//! `validate: false`.
//!
//! Which records point at a subject is kept beside the records, since reading
//! all likes of somebody for each new one would cost as much as their history is
//! long. The index of an account is made when its first such record is created
//! (after an import, anew) and is in step from then on: with each record that is
//! written or deleted, one row of 16 bytes and a path.

use sha2::{Digest, Sha256};

use crate::{
    atproto::{
        data::Value,
        syntax::{Nsid, RecordPath},
    },
    repo::write::{Action, WRITES_MAX, Write},
    store::{
        Batch, RunError, StoreError,
        records::{self, Record},
        subjects::{self, SubjectDigest},
    },
};

use super::{Owner, RepoError, Repos, pipeline::Planned, warm::AtHead};

/// Where a record says what it points at.
#[derive(Clone, Copy)]
enum Pointer {
    /// `subject` is a DID.
    Did,
    /// `subject` is a strong reference; its `uri` counts, not its version.
    Reference,
}

/// The collections in which one record a subject is enough.
const COLLECTIONS: [(&str, Pointer); 4] = [
    ("app.bsky.feed.like", Pointer::Reference),
    ("app.bsky.feed.repost", Pointer::Reference),
    ("app.bsky.graph.block", Pointer::Did),
    ("app.bsky.graph.follow", Pointer::Did),
];
/// Records that are read at once while an index is made.
const PAGE_RECORDS: u32 = 1_000;

/// What happens to older records that point where a new one points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twins {
    /// They stay.
    Stay,
    /// They go, in the same commit.
    Go,
}

/// What stands for the thing that a record points at, if it is of a collection
/// in which that counts.
pub(in crate::service) fn subject_of(collection: &Nsid, record: &Value) -> Option<SubjectDigest> {
    let pointer = pointer_of(collection)?;
    let subject = record.get("subject")?;
    let subject = match pointer {
        Pointer::Did => subject.as_text()?,
        Pointer::Reference => subject.get("uri")?.as_text()?,
    };
    let digest = Sha256::new_with_prefix(collection.as_str()).chain_update([0]);
    let digest = digest.chain_update(subject).finalize();
    digest.first_chunk().copied()
}

fn pointer_of(collection: &Nsid) -> Option<Pointer> {
    let found = COLLECTIONS.iter().find(|(nsid, _)| *nsid == collection.as_str());
    found.map(|(_, pointer)| *pointer)
}

fn subject_of_stored(record: &Record) -> Result<Option<SubjectDigest>, StoreError> {
    let value = Value::decode(&record.value).map_err(|error| StoreError::Corrupt {
        table: "records".to_owned(),
        key: record.path.to_string(),
        what: error.to_string(),
    })?;
    Ok(subject_of(&record.path.collection, &value))
}

impl Repos {
    /// Puts the deletions of older records in front of those writes that are to
    /// be the only ones of their subject. The account's lock must be held.
    pub(super) async fn without_twins(
        &self,
        owner: &Owner,
        seen: &AtHead,
        planned: Vec<Planned>,
    ) -> Result<Vec<Planned>, RepoError> {
        let mut all = Vec::with_capacity(planned.len());
        for write in planned.iter().filter(|planned| planned.twins == Twins::Go) {
            let Some(subject) = write.subject else { continue };
            let older = self.pointing_at(owner, subject).await?.into_iter();
            let older = older.filter(|path| {
                *path != write.write.path && seen.tree.get(&path.to_string()).is_some()
            });
            // More than fit into a commit cannot come from clients' mistakes;
            // the next one takes the rest.
            all.extend(older.take(WRITES_MAX - 1).map(Planned::deletion));
        }
        all.extend(planned);
        Ok(all)
    }

    /// Keeps the index in step with `planned`. The account's lock must be held.
    pub(super) async fn subject_changes(
        &self,
        owner: &Owner,
        planned: &[Planned],
        batch: &mut Batch,
    ) -> Result<(), RepoError> {
        for Planned { write, subject, .. } in planned {
            if pointer_of(&write.path.collection).is_none() {
                continue;
            }
            if !matches!(write.action, Action::Create(_)) {
                self.unpoint(owner, &write.path, batch).await?;
            }
            if let Some(subject) = subject {
                subjects::insert(batch, owner.account, *subject, &write.path);
            }
        }
        Ok(())
    }

    async fn unpoint(
        &self,
        owner: &Owner,
        path: &RecordPath,
        batch: &mut Batch,
    ) -> Result<(), RepoError> {
        let Some(record) = records::find(&self.store.db, owner.account, path).await? else {
            return Ok(());
        };
        if let Some(subject) = subject_of_stored(&record)? {
            subjects::delete(batch, owner.account, subject, path);
        }
        Ok(())
    }

    async fn pointing_at(
        &self,
        owner: &Owner,
        subject: SubjectDigest,
    ) -> Result<Vec<RecordPath>, RepoError> {
        let db = &self.store.db;
        if let Some(paths) = subjects::list(db, owner.account, subject).await? {
            return Ok(paths);
        }
        self.make_index(owner).await?;
        Ok(subjects::list(db, owner.account, subject).await?.unwrap_or_default())
    }

    /// Reads all records that point at something. Each page is stored by
    /// itself: the index counts only once the last step has said that it is
    /// complete.
    async fn make_index(&self, owner: &Owner) -> Result<(), RepoError> {
        for (collection, _) in COLLECTIONS {
            let collection = nsid(collection);
            let mut after = None;
            loop {
                let (db, page) = (&self.store.db, (after.as_ref(), PAGE_RECORDS));
                let records = records::list_all(db, owner.account, &collection, page).await?;
                let Some(last) = records.last() else { break };
                after = Some(last.path.clone());
                let mut batch = Batch::new();
                for record in &records {
                    if let Some(subject) = subject_of_stored(record)? {
                        subjects::insert(&mut batch, owner.account, subject, &record.path);
                    }
                }
                self.run(batch).await?;
            }
        }
        let mut batch = Batch::new();
        subjects::complete(&mut batch, owner.account, self.world.clock.now());
        self.run(batch).await
    }

    async fn run(&self, batch: Batch) -> Result<(), RepoError> {
        match self.store.db.run(batch).await {
            Ok(()) => Ok(()),
            Err(RunError::Unmet(unmet)) => Err(StoreError::Unexpected(unmet).into()),
            Err(RunError::Store(error)) => Err(error.into()),
        }
    }
}

impl Planned {
    pub(super) fn deletion(path: RecordPath) -> Self {
        let write = Write { path, action: Action::Delete };
        Self { write, blobs: Vec::new(), subject: None, twins: Twins::Stay }
    }
}

fn nsid(text: &str) -> Nsid {
    Nsid::new(text.to_owned()).expect("the collections here are valid NSIDs")
}
