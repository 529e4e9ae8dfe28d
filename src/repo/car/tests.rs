//! Archives survive any cut of the stream, and nothing but archives does.

use super::*;
use crate::atproto::Cid;

const LIMITS: Limits = Limits { block_bytes_max: 1_000, total_bytes_max: 100_000, blocks_max: 100 };

/// An archive, its root and its blocks.
type Sample = (Vec<u8>, Cid, Vec<(Cid, Vec<u8>)>);

fn sample() -> Sample {
    let blocks: Vec<(Cid, Vec<u8>)> = [&b"\xa0"[..], &[7; 300], b"", b"\xa0"]
        .iter()
        .map(|block| (Cid::of_dag_cbor(block), block.to_vec()))
        .collect();
    let root = blocks[0].0;
    let mut archive = header(Some(&root));
    for (cid, block) in &blocks {
        let before = archive.len();
        push_block(&mut archive, cid, block);
        assert_eq!(archive.len() - before, block_bytes(block.len()));
    }
    (archive, root, blocks)
}

/// Reads `archive` in pieces of `piece` bytes.
fn read(archive: &[u8], piece: usize, limits: Limits) -> Result<(Vec<Cid>, Vec<Block>), CarError> {
    let mut reader = Reader::new(limits);
    let mut blocks = Vec::new();
    for piece in archive.chunks(piece) {
        reader.push(piece)?;
        while let Some(block) = reader.next_block()? {
            blocks.push(block);
        }
    }
    Ok((reader.finish()?, blocks))
}

#[test]
fn blocks_come_back_whatever_the_pieces() {
    let (archive, root, expected) = sample();
    for piece in [1, 2, 7, 64, 10_000] {
        let (roots, blocks) = read(&archive, piece, LIMITS).expect("an archive");
        assert_eq!(roots, [root]);
        assert_eq!(blocks.len(), expected.len());
        for (block, (cid, bytes)) in blocks.iter().zip(&expected) {
            assert_eq!((&block.cid, &block.bytes[..]), (cid, &bytes[..]));
            let start = block.offset as usize;
            assert_eq!(&archive[start..start + bytes.len()], &bytes[..]);
        }
    }
}

#[test]
fn the_header_is_the_well_known_one() {
    let cid = Cid::of_dag_cbor(b"\xa0");
    let mut expected = b"\x3a\xa2\x65roots\x81\xd8\x2a\x58\x25\x00".to_vec();
    expected.extend_from_slice(cid.as_bytes());
    expected.extend_from_slice(b"\x67version\x01");
    assert_eq!(header(Some(&cid)), expected);
    let (roots, blocks) = read(&header(None), 3, LIMITS).expect("an archive without roots");
    assert!(roots.is_empty() && blocks.is_empty());
}

#[test]
fn an_archive_that_is_cut_off_is_refused() {
    let (archive, ..) = sample();
    let whole = archive.len();
    for end in [0, 1, 30, whole - 1, whole - 20] {
        assert_eq!(read(&archive[..end], 50, LIMITS), Err(CarError::CutOff), "{end}");
    }
}

#[test]
fn a_wrong_hash_is_refused() {
    let (mut archive, ..) = sample();
    let cid = Cid::of_dag_cbor(b"one");
    push_block(&mut archive, &cid, b"two");
    assert_eq!(read(&archive, 50, LIMITS), Err(CarError::Hash { cid }));
}

#[test]
fn limits_are_kept_before_bytes_are() {
    let (archive, ..) = sample();
    let check = |limits, error| assert_eq!(read(&archive, 10, limits), Err(error));
    check(
        Limits { block_bytes_max: 199, ..LIMITS },
        CarError::BlockTooLarge { size_bytes: 300, max_bytes: 199 },
    );
    check(Limits { total_bytes_max: 100, ..LIMITS }, CarError::TooLarge { max_bytes: 100 });
    check(Limits { blocks_max: 3, ..LIMITS }, CarError::TooManyBlocks { max_blocks: 3 });
    // A length of almost 2^63 is refused on sight.
    let mut bomb = header(None);
    bomb.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert!(matches!(read(&bomb, 10, LIMITS), Err(CarError::BlockTooLarge { .. })));
    assert_eq!(read(&[0xff, 0x7f, 0], 10, LIMITS), Err(CarError::HeaderTooLarge));
}

#[test]
fn what_is_no_archive_is_refused() {
    let start = header(None);
    let after = |rest: &[u8]| [&start[..], rest].concat();
    for (bytes, error) in [
        (b"\x01\xa0".to_vec(), CarError::Header),
        (b"\x11\xa2\x65roots\x80\x67version\x02".to_vec(), CarError::Header),
        (b"\x00".to_vec(), CarError::Header),
        (after(&[0x80, 0x00]), CarError::Varint { at: start.len() as u64 }),
        (after(&[0x00]), CarError::BlockCid { at: start.len() as u64 }),
        (after(&[0x03, 1, 2, 3]), CarError::BlockCid { at: start.len() as u64 }),
    ] {
        assert_eq!(read(&bytes, 100, LIMITS), Err(error), "{bytes:?}");
    }
}

#[test]
fn a_block_of_another_hash_is_skipped() {
    let (mut archive, _, expected) = sample();
    // CIDv1, raw, identity hash of two bytes, then the block itself.
    archive.extend_from_slice(&[8, 0x01, 0x55, 0x00, 0x02, b'h', b'i', b'h', b'i']);
    let (_, blocks) = read(&archive, 50, LIMITS).expect("an archive");
    assert_eq!(blocks.len(), expected.len());
}
