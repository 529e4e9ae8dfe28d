//! The check of blobs: rows, references and bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{Depth, Fault, Report, Scene};
use crate::{
    atproto::{Cid, Codec},
    store::{
        StoreError,
        accounts::Account,
        blobs::{self, Blob, BlobPage, Removal},
    },
};

/// How old a blob may be to which nothing refers: the sweep takes it after a
/// day, and a server may have been off for another.
const YOUNG: Duration = Duration::from_secs(48 * 3600);
/// Blobs that are listed at once.
const PAGE: u32 = 1000;

/// Checks the blobs of an account.
pub(super) async fn check(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
) -> Result<(), StoreError> {
    let rows = rows(scene, account).await?;
    let mut referred = BTreeSet::new();
    let mut refs = blobs::stream_refs(&scene.snapshot, account.id);
    while let Some(reference) = refs.try_next().await? {
        referred.insert(reference.cid);
    }
    drop(refs);
    report.blobs += rows.len() as u64;
    report.blobs_awaited += referred.iter().filter(|cid| !rows.contains_key(cid)).count() as u64;
    for blob in rows.values() {
        let state = (blob.temporary_at, referred.contains(&blob.cid));
        let detail = match state {
            (Some(_), true) => "is temporary, and a record refers to it",
            (None, false) if blob.taken_down_at.is_none() => {
                "is permanent, and nothing refers to it"
            }
            (Some(at), false) if at < scene.now.minus(YOUNG) => "was not swept in time",
            _ => continue,
        };
        report.find(account.did.as_str(), Fault::BlobStray, format!("{} {detail}", blob.cid));
    }
    check_files(scene, report, account, &rows).await
}

async fn rows(scene: &Scene<'_>, account: &Account) -> Result<BTreeMap<Cid, Blob>, StoreError> {
    let mut rows = BTreeMap::new();
    let mut page = BlobPage { after: None, limit: PAGE };
    loop {
        let some = blobs::list_in(&scene.snapshot, account.id, &page).await?;
        page.after = some.last().map(|blob| blob.cid);
        if page.after.is_none() {
            return Ok(rows);
        }
        rows.extend(some.into_iter().map(|blob| (blob.cid, blob)));
    }
}

/// Compares the rows with the bytes. The bytes are those of now, not of the
/// snapshot: what differs is looked up again.
async fn check_files(
    scene: &Scene<'_>,
    report: &mut Report,
    account: &Account,
    rows: &BTreeMap<Cid, Blob>,
) -> Result<(), StoreError> {
    let files: BTreeSet<Cid> = scene.store.blobs.list(&account.did).await?.into_iter().collect();
    for cid in files.iter().filter(|cid| !rows.contains_key(cid)) {
        let removal = Removal { did: account.did.clone(), cid: *cid };
        let known = blobs::find(&scene.store.db, account.id, *cid).await?.is_some()
            || blobs::is_removal_due(&scene.store.db, &removal).await?;
        report.files_left_over += u64::from(!known);
    }
    for blob in rows.values() {
        let damage = match (files.contains(&blob.cid), scene.depth) {
            (true, Depth::Quick) => None,
            (true, Depth::Deep) => read(scene, account, blob).await?,
            (false, _) => Some((Fault::BlobMissing, "is not on disk".to_owned())),
        };
        let Some((fault, detail)) = damage else { continue };
        if blobs::find(&scene.store.db, account.id, blob.cid).await?.is_some() {
            report.find(account.did.as_str(), fault, format!("{} {detail}", blob.cid));
        }
    }
    Ok(())
}

/// Reads a blob, and says what is wrong with it.
async fn read(
    scene: &Scene<'_>,
    account: &Account,
    blob: &Blob,
) -> Result<Option<(Fault, String)>, StoreError> {
    let opened = scene.store.blobs.open(&account.did, blob.cid, None).await?;
    let Some(mut opened) = opened else {
        return Ok(Some((Fault::BlobMissing, "is not on disk".to_owned())));
    };
    let mut digest = Sha256::new();
    while let Some(chunk) = opened.bytes.try_next().await? {
        digest.update(&chunk);
    }
    let found = Cid::from_digest(Codec::Raw, digest.finalize().into());
    let size = i64::try_from(opened.size_bytes).unwrap_or(i64::MAX);
    Ok(match found == blob.cid && size == blob.size_bytes {
        true => None,
        false => Some((Fault::BlobDamaged, format!("has {size} bytes with the CID {found}"))),
    })
}
