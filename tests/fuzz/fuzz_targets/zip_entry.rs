//! Opens every entry of arbitrary bytes and reads it to its end, or to its first error, or
//! to a MiB; a small one also in one go, with the same outcome; and copies them all into another zip.
//! The first byte chooses how the source is cut into pieces, the second how many bytes lie in front.
#![no_main]

use std::io;
use std::ops::Range;

use artigate::archive::{
    ArchiveError, EntryMeta, Index, Limits, Located, Span, Subset, compressed_range, decompress, locate,
    open, walk,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;
use tokio_util::io::StreamReader;

fuzz_target!(|input: &[u8]| {
    let Some((&[piece_bytes, front], file)) = input.split_first_chunk() else {
        return;
    };
    let file = &[&vec![b'#'; usize::from(front)], file].concat()[..];
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    for entry in entries(file).into_iter().take(50) {
        runtime.block_on(read(file, entry, usize::from(piece_bytes) * 4 + 1));
    }
    if let Some((_, index)) = index(file) {
        runtime.block_on(copy(file, index));
    }
});

fn index(file: &[u8]) -> Option<(Span, Index)> {
    let Ok(Located::Found(span)) = locate(file, file.len() as u64, &Limits::default()) else {
        return None;
    };
    let directory = &file[span.start as usize..][..span.bytes as usize];
    Some((span, Index::build(directory, &span).ok()?))
}

/// The copy has the stated length, or ends with an error before it. Where it is whole, it is an archive
/// again, without an oddity.
async fn copy(file: &[u8], index: Index) {
    let Ok(Some(subset)) = Subset::plan(&index, "") else {
        return;
    };
    let stated = subset.size_bytes();
    let file = Bytes::copy_from_slice(file);
    let read = |range: Range<u64>| stream::iter([Ok(file.slice(range.start as usize..range.end as usize))]);
    let pieces: Vec<io::Result<Bytes>> = subset.into_stream(read).collect().await;
    let copied: Vec<u8> = pieces.iter().flatten().flatten().copied().collect();
    if pieces.iter().any(Result::is_err) {
        assert!((copied.len() as u64) < stated);
        return;
    }
    assert_eq!(copied.len() as u64, stated);
    // An entry may hold what would make the rest its comment.
    if locate(&copied, stated, &Limits::default()) != Err(ArchiveError::EndRecordInComment) {
        let (span, index) = self::index(&copied).expect("an archive");
        assert_eq!((span.moved, index.len() as u64), (0, span.entries));
    }
}

fn entries(file: &[u8]) -> Vec<EntryMeta> {
    let Some((span, index)) = index(file) else {
        return Vec::new();
    };
    let directory = &file[span.start as usize..][..span.bytes as usize];
    let mut entries = Vec::new();
    let walked = walk(directory, &span, |entry| {
        entries.extend(index.find(entry.name).map(EntryMeta::from));
        Ok(())
    });
    assert!(walked.is_ok() && entries.len() == index.len());
    entries
}

async fn read(file: &[u8], entry: EntryMeta, piece_bytes: usize) {
    if entry.oddity.is_some() {
        let name = entry.name.clone();
        assert!(open(tokio::io::empty(), entry).is_err(), "{name:?}");
        return;
    }
    let at_once = at_once(&file[entry.header_offset as usize..], &entry);
    let rest = Bytes::copy_from_slice(&file[entry.header_offset as usize..]);
    let pieces: Vec<io::Result<Bytes>> = (0..rest.len())
        .step_by(piece_bytes)
        .map(|at| Ok(rest.slice(at..rest.len().min(at + piece_bytes))))
        .collect();
    let stated = entry.uncompressed_size;
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
    let unpacked = match compressed_range(entry, rest) {
        Ok(packed) => decompress(entry, &rest[packed?]).transpose()?,
        Err(error) => Err(error),
    };
    if let Ok(bytes) = &unpacked {
        assert_eq!((bytes.len() as u64, crc32fast::hash(bytes)), (entry.uncompressed_size, entry.crc32));
    }
    Some(unpacked)
}
