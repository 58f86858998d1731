//! Tests of the windows of zstd frames, and of the time that they take: bounded, whatever the frames state.

use futures_util::StreamExt;
use zip::CompressionMethod::Stored;

use super::reading::{one, read_whole, source};
use crate::archive::{EntryMeta, open};

/// A zstd frame without its content's size, of 128 KiB blocks that repeat one byte, each followed by empty
/// blocks.
fn runs(window_log: u8, blocks: usize, empty_blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    for _ in 0..blocks {
        frame.extend([1 << 1, 0, 0x10, b'z']);
        frame.extend([0; 3].repeat(empty_blocks));
    }
    frame.extend([1, 0, 0]);
    frame
}

fn of_runs(compressed: &[u8], uncompressed_size: usize) -> (Vec<u8>, EntryMeta) {
    let (file, entry) = one(b"abc", Stored);
    let header = &file[..30 + entry.name.len()];
    let crc32 = crc32fast::hash(&vec![b'z'; uncompressed_size]);
    let (compressed_size, uncompressed_size) = (compressed.len() as u64, uncompressed_size as u64);
    let entry = EntryMeta { method: 93, crc32, compressed_size, uncompressed_size, ..entry };
    ([header, compressed].concat(), entry)
}

#[test]
fn a_zstd_window_is_bounded_unless_the_content_needs_no_more() {
    const BLOCK: usize = 128 << 10;
    for (window_log, blocks, readable) in [
        (17, 1, true),
        (25, 2, true),
        (31, 3, true),
        (31, 64, true),
        (23, 80, true),
        (24, 80, false),
        (31, 80, false),
    ] {
        let (file, entry) = of_runs(&runs(window_log, blocks, 1), blocks * BLOCK);
        let (bytes, error) = read_whole(&file, &entry);
        assert_eq!(
            (error.is_none(), bytes.len() == blocks * BLOCK),
            (readable, readable),
            "{window_log}, {blocks}"
        );
        if let Some(error) = error {
            assert!(error.to_string().starts_with("entry needs a zstd window of "), "{error}");
        }
    }
}

#[test]
fn a_further_frame_gets_no_larger_window_than_the_first() {
    const BLOCK: usize = 128 << 10;
    let compressed = [runs(17, 1, 0), runs(24, 70, 0)].concat();
    let (file, entry) = of_runs(&compressed, 71 * BLOCK);
    let (bytes, error) = read_whole(&file, &entry);
    assert!(bytes.len() <= BLOCK && error.unwrap().to_string().contains("16 MiB"));
}

#[test]
fn compressed_bytes_that_unpack_to_nothing_let_others_have_a_turn() {
    let (file, entry) = of_runs(&runs(17, 1, 2_000_000), 128 << 10);
    let mut pieces = open(source(&file, &[1 << 20]), entry).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let turns = runtime.block_on(async {
        let mut turns = 0_u32;
        while let Some(piece) = futures_util::future::poll_fn(|cx| {
            let next = pieces.poll_next_unpin(cx);
            turns += u32::from(next.is_pending());
            next
        })
        .await
        {
            piece.unwrap();
        }
        turns
    });
    // Six megabytes came in six pieces; all other turns were given of its own accord.
    assert!(turns > 20, "{turns}");
}
