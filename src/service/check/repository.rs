//! The check of a repository: its records, its head, its key, its log.

use std::collections::HashSet;

use futures_util::TryStreamExt;

use super::{Depth, Fault, Report, Scene, log::Link};
use crate::service::repos::subjects::subject_of;
use crate::{
    atproto::{Cid, crypto::PublicKey, data::Value, syntax::RecordPath},
    repo::{commit::Commit, tree::Builder},
    store::{
        StoreError,
        accounts::{Account, Status},
        blobs::{self, BlobRefRow},
        heads::{self, Head},
        keys,
        records::{self, RecordValue},
        subjects::{self, SubjectDigest},
    },
};

/// Checks the repository of an account, of which the log ends at `logged`.
pub(super) async fn check(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
    logged: Option<&Link>,
) -> Result<(), StoreError> {
    let did = account.did.as_str();
    let Some(head) = heads::find_in(&scene.snapshot, account.id).await? else {
        report.find(did, Fault::RepositoryMissing, "it has no head");
        return Ok(());
    };
    check_head(scene, report, account, &head).await?;
    check_tree(scene, report, account, &head).await?;
    if scene.depth == Depth::Deep {
        check_values(scene, report, account).await?;
    }
    if let Some(logged) = logged {
        // A repository that moves in is told when its account is activated.
        let told = account.status() == Status::Active;
        if told && logged.commit != head.commit_cid {
            let (log, head) = (logged.rev.as_str(), head.rev.as_str());
            let detail = format!("the log ends at rev {log}, the head is at rev {head}");
            report.find(did, Fault::LogUnfinished, detail);
        }
    }
    Ok(())
}

/// Compares the head with its signed commit, and that with the key.
async fn check_head(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
    head: &Head,
) -> Result<(), StoreError> {
    let did = account.did.as_str();
    let commit = match Commit::decode(&head.commit_bytes) {
        Ok(commit) => commit,
        Err(error) => {
            report.find(did, Fault::HeadDiffers, error);
            return Ok(());
        }
    };
    let says = (commit.cid(), commit.data(), commit.rev(), commit.did());
    if says != (head.commit_cid, head.data, &head.rev, &account.did) {
        report.find(did, Fault::HeadDiffers, format!("its commit is {}", commit.cid()));
    }
    let Some(key) = keys::find_in(&scene.snapshot, account.id).await? else {
        report.find(did, Fault::KeyMissing, "there is no row");
        return Ok(());
    };
    match PublicKey::from_did_key(&key.did_key) {
        Err(error) => report.find(did, Fault::KeyMissing, error),
        Ok(public) => {
            if commit.verify(&public).is_err() {
                report.find(did, Fault::SignatureWrong, format!("the key is {}", key.did_key));
            }
        }
    }
    Ok(())
}

/// Builds the tree from the records and compares it with the signed one.
async fn check_tree(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
    head: &Head,
) -> Result<(), StoreError> {
    let did = account.did.as_str();
    let mut builder = Builder::new();
    let mut entries = records::stream_entries(&scene.snapshot, account.id);
    while let Some(entry) = entries.try_next().await? {
        report.records += 1;
        if let Err(error) = builder.push(&entry.path, entry.cid) {
            report.find(did, Fault::RecordWrong, format!("{}: {error}", entry.path));
        }
        if entry.rev.as_str() > head.rev.as_str() {
            let detail = format!("{} is of rev {}, after the head", entry.path, entry.rev);
            report.find(did, Fault::RecordWrong, detail);
        }
    }
    let root = builder.finish().root();
    if root != head.data {
        let detail = format!("the records give {root}, the head signs {}", head.data);
        report.find(did, Fault::TreeDiffers, detail);
    }
    Ok(())
}

/// Reads every record, and compares the references with what the records say.
async fn check_values(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
) -> Result<(), StoreError> {
    let did = account.did.as_str();
    let kept = blobs::stream_refs(&scene.snapshot, account.id);
    let mut kept: HashSet<BlobRefRow> = kept.try_collect().await?;
    let pointing = index(scene, account).await?;
    let mut values = records::stream_values(&scene.snapshot, account.id, None);
    while let Some(record) = values.try_next().await? {
        let value = match Value::decode(&record.value) {
            Ok(value) if record.cid.matches(&record.value) => value,
            Ok(_) => {
                let detail = format!("{} is not {}", record.path, record.cid);
                report.find(did, Fault::RecordDamaged, detail);
                continue;
            }
            Err(error) => {
                report.find(did, Fault::RecordDamaged, format!("{}: {error}", record.path));
                continue;
            }
        };
        check_references(report, account, (&record, &value), &mut kept);
        let collection = record.path.parse::<RecordPath>().ok().map(|path| path.collection);
        let subject = collection.and_then(|collection| subject_of(&collection, &value));
        if let (Some(subject), Some(pointing)) = (subject, &pointing)
            && !pointing.contains(&(subject, record.path.clone()))
        {
            report.find(did, Fault::SubjectMissing, &record.path);
        }
    }
    for BlobRefRow { path, cid } in kept {
        let detail = format!("{path} is said to refer to {cid}, and does not");
        report.find(did, Fault::ReferencesDiffer, detail);
    }
    Ok(())
}

/// Reads what the account's records point at; nothing where that was not written
/// down yet. A row too many names a record that is gone, which does no harm.
async fn index(
    scene: &Scene<'_>,
    account: &Account,
) -> Result<Option<HashSet<(SubjectDigest, String)>>, StoreError> {
    match subjects::is_complete(&scene.snapshot, account.id).await? {
        true => Ok(Some(subjects::stream(&scene.snapshot, account.id).try_collect().await?)),
        false => Ok(None),
    }
}

/// Takes the references of one record out of `kept`.
fn check_references(
    report: &mut Report,
    account: &Account,
    (record, value): (&RecordValue, &Value),
    kept: &mut HashSet<BlobRefRow>,
) {
    let row = |cid| BlobRefRow { path: record.path.clone(), cid };
    let said: HashSet<Cid> = value.blobs().iter().map(|blob| blob.cid).collect();
    for cid in said {
        if !kept.remove(&row(cid)) {
            let detail = format!("{} refers to {cid}, which no row says", record.path);
            report.find(account.did.as_str(), Fault::ReferencesDiffer, detail);
        }
    }
    // References of the old shape may be kept, after an import.
    for blob in value.legacy_blobs() {
        if let Ok(cid) = blob.cid.parse() {
            kept.remove(&row(cid));
        }
    }
}
