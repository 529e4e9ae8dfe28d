//! Both homes keep the same promises.

use futures_util::TryStreamExt;
use tempfile::TempDir;

use super::*;

fn did() -> Did {
    Did::new("did:plc:ewvi7nxzyoun6zhxrhs64oiz".to_owned()).expect("a DID")
}

async fn homes() -> (TempDir, [BlobBytes; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = BlobBytes::disk(folder.path().join("blobs")).await.expect("a home on disk");
    (folder, [disk, BlobBytes::memory()])
}

async fn upload(home: &BlobBytes, bytes: &[u8]) -> Uploaded {
    let mut upload = home.begin(&did()).await.expect("begun");
    for chunk in bytes.chunks(1000) {
        upload.write(chunk).await.expect("written");
    }
    assert_eq!(upload.size_bytes(), bytes.len() as u64);
    upload.finish().await.expect("finished")
}

async fn read(home: &BlobBytes, cid: Cid, range: Option<Range<u64>>) -> Option<Vec<u8>> {
    let open = home.open(&did(), cid, range).await.expect("no fault")?;
    let chunks: Vec<Bytes> = open.bytes.try_collect().await.expect("readable");
    Some(chunks.concat())
}

#[tokio::test]
async fn a_blob_is_there_from_keep_to_delete() {
    let (_folder, homes) = homes().await;
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let cid = Cid::of_raw(&bytes);
    for home in homes {
        let uploaded = upload(&home, &bytes).await;
        assert_eq!((uploaded.cid, uploaded.size_bytes), (cid, 300_000));
        assert_eq!(uploaded.head, bytes[..HEAD_BYTES]);
        assert_eq!(read(&home, cid, None).await, None, "it has no place yet");

        home.keep(uploaded).await.expect("kept");
        home.keep(upload(&home, &bytes).await).await.expect("kept again");
        assert_eq!(read(&home, cid, None).await.as_ref(), Some(&bytes));
        assert_eq!(home.list(&did()).await.expect("listed"), [cid]);

        home.delete(&did(), cid).await.expect("deleted");
        home.delete(&did(), cid).await.expect("deleted again");
        assert_eq!(read(&home, cid, None).await, None);
        assert_eq!(home.list(&did()).await.expect("listed"), []);
    }
}

#[tokio::test]
async fn a_range_is_cut_at_the_end() {
    let (_folder, homes) = homes().await;
    for home in homes {
        let uploaded = upload(&home, b"0123456789").await;
        let cid = uploaded.cid;
        home.keep(uploaded).await.expect("kept");
        for (range, expected) in
            [(0..4, "0123"), (4..10, "456789"), (8..99, "89"), (10..99, ""), (50..99, "")]
        {
            let part = read(&home, cid, Some(range)).await.expect("is there");
            assert_eq!(part, expected.as_bytes());
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_or_cut_short_leaves_nothing() {
    let (folder, [disk, _]) = homes().await;
    let uploads = folder.path().join("blobs/uploads");
    let count = || std::fs::read_dir(&uploads).expect("a folder").count();
    let mut begun = disk.begin(&did()).await.expect("begun");
    begun.write(b"half").await.expect("written");
    assert_eq!(count(), 1);
    drop(begun);
    drop(upload(&disk, b"whole, but not kept").await);
    assert_eq!(count(), 0);

    std::fs::write(uploads.join("1-1"), b"of a process that was killed").expect("written");
    BlobBytes::disk(folder.path().join("blobs")).await.expect("opened again");
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn a_very_long_did_has_a_folder_too() {
    let (_folder, [disk, _]) = homes().await;
    let long = Did::new(format!("did:web:{}", "a".repeat(1500))).expect("a DID");
    let mut upload = disk.begin(&long).await.expect("begun");
    upload.write(b"x").await.expect("written");
    disk.keep(upload.finish().await.expect("finished")).await.expect("kept");
    assert_eq!(disk.list(&long).await.expect("listed"), [Cid::of_raw(b"x")]);
}
