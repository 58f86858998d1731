//! Opens every entry of arbitrary bytes and reads it to its end, or to its first error, or
//! to a MiB; a small one also in one go, with the same outcome. The first byte chooses how the source is
//! cut into pieces.
#![no_main]

use std::io;

use artigate::archive::{EntryMeta, Index, Limits, Located, locate, open, packed_range, unpack, walk};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;
use tokio_util::io::StreamReader;

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, file)) = input.split_first() else {
        return;
    };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    for entry in entries(file).into_iter().take(50) {
        runtime.block_on(read(file, entry, usize::from(piece_bytes) * 4 + 1));
    }
});

fn entries(file: &[u8]) -> Vec<EntryMeta> {
    let Ok(Located::Found(span)) = locate(file, file.len() as u64, &Limits::default()) else {
        return Vec::new();
    };
    let directory = &file[span.start as usize..][..span.bytes as usize];
    let Ok(index) = Index::build(directory, &span) else {
        return Vec::new();
    };
    let mut entries = Vec::new();
    let walked = walk(directory, &span, |entry| {
        entries.extend(index.find(entry.name).map(EntryMeta::from));
        Ok(())
    });
    assert!(walked.is_ok() && entries.len() == index.len());
    entries
}

async fn read(file: &[u8], entry: EntryMeta, piece_bytes: usize) {
    let at_once = at_once(&file[entry.header_offset as usize..], &entry);
    let rest = Bytes::copy_from_slice(&file[entry.header_offset as usize..]);
    let pieces: Vec<io::Result<Bytes>> = (0..rest.len())
        .step_by(piece_bytes)
        .map(|at| Ok(rest.slice(at..rest.len().min(at + piece_bytes))))
        .collect();
    let stated = entry.unpacked_bytes;
    let Ok(mut pieces) = open(StreamReader::new(stream::iter(pieces)), entry) else {
        return;
    };
    let (mut total, mut whole) = (0, Vec::new());
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            assert!(total < stated || stated == 0);
            assert!(pieces.next().await.is_none());
            return;
        };
        assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
        total += piece.len() as u64;
        whole.extend_from_slice(&piece);
        if total > 1 << 20 {
            return;
        }
    }
    assert_eq!(total, stated);
    assert!(at_once.is_none_or(|at_once| at_once.is_ok_and(|bytes| bytes == whole)));
}

/// A small entry in one go; what comes of it has the length and the CRC-32 that were stated.
fn at_once(rest: &[u8], entry: &EntryMeta) -> Option<io::Result<Vec<u8>>> {
    let unpacked = match packed_range(entry, rest) {
        Ok(packed) => unpack(entry, &rest[packed?]).transpose()?,
        Err(error) => Err(error),
    };
    if let Ok(bytes) = &unpacked {
        assert_eq!((bytes.len() as u64, crc32fast::hash(bytes)), (entry.unpacked_bytes, entry.crc32));
    }
    Some(unpacked)
}
