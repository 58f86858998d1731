//! Finds, walks and indexes the directory of arbitrary bytes, alone and with other bytes in front
//! and behind, which must not bring another directory to light. The first two bytes choose how much of
//! the end is at hand at first, so that the way back to a ZIP64 record is taken too; the next two how
//! many bytes lie in front and behind.
#![no_main]

use std::cell::Cell;
use std::io;
use std::ops::Range;

use artigate::archive::{
    ArchiveError, Directory, DirectoryError, Index, Limits, Located, Span, TAIL_BYTES, locate,
    read_directory, walk,
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;

const LIMITS: Limits = Limits { entries: 10_000, directory_bytes: 1 << 20, uncompressed_size: None };

fuzz_target!(|input: &[u8]| {
    let Some((&[low, high, front, behind], file)) = input.split_first_chunk() else {
        return;
    };
    let tail_bytes = usize::from(u16::from_le_bytes([low, high]));
    let alone = span(file, tail_bytes);
    if let Ok(span) = &alone {
        exercise(file, span, &input[..2]);
    }

    let front = vec![b'#'; usize::from(front)];
    let moved = [&front, file].concat();
    if let (Ok(alone), Ok(there)) = (&alone, span(&moved, usize::MAX)) {
        let bytes = front.len() as u64;
        let expected = Span { start: alone.start + bytes, moved: alone.moved + bytes as i64, ..*alone };
        assert!(there == expected || there == Span { moved: there.moved, ..expected });
    }
    let surrounded = [&moved[..], &vec![0; usize::from(behind) * 64]].concat();
    if let Ok(directory) = fetch(&surrounded) {
        exercise(&surrounded, &directory.span, &input[..2]);
    }
});

fn exercise(file: &[u8], span: &Span, other_name: &[u8]) {
    assert!(span.entries <= LIMITS.entries && span.bytes <= LIMITS.directory_bytes);
    let directory = &file[span.start as usize..][..span.bytes as usize];
    let mut entries = Vec::new();
    let walked = walk(directory, span, |entry| {
        assert!(entry.oddity.is_some() || entry.header_offset + 30 + entry.compressed_size <= span.start);
        entries.push(entry);
        Ok(())
    });
    assert!(entries.len() as u64 <= LIMITS.entries);
    let built = Index::build(directory, span);
    assert_eq!(walked.err(), built.as_ref().err().cloned());
    let Ok(index) = built else {
        return;
    };
    assert_eq!(index.len(), entries.len());
    assert_eq!(index.len() as u64 % 65_536, span.entries % 65_536);
    assert!(index.heap_bytes() as u64 <= span.bytes + 52 * index.len() as u64);
    for entry in &entries {
        let first = entries.iter().take(50).find(|first| first.name == entry.name);
        assert!(first.is_none_or(|first| index.find(entry.name) == Some(*first)));
        assert_eq!(index.find(entry.name).map(|found| found.name), Some(entry.name));
    }
    assert!(index.find(other_name).is_none_or(|entry| entry.name == other_name));
}

fn span(file: &[u8], tail_bytes: usize) -> Result<Span, ArchiveError> {
    let mut from = file.len().saturating_sub(tail_bytes);
    loop {
        match locate(&file[from..], file.len() as u64, &LIMITS)? {
            Located::Found(span) => return Ok(span),
            Located::NeedFrom(offset) => {
                assert!((offset as usize) < from);
                from = offset as usize;
            }
        }
    }
}

/// The directory as the gateway fetches it, in a few reads.
fn fetch(file: &[u8]) -> Result<Directory, DirectoryError> {
    let (reads, total) = (Cell::new(0), Cell::new(0));
    let read = async |range: Range<u64>| -> io::Result<Bytes> {
        reads.set(reads.get() + 1);
        total.set(total.get() + range.end - range.start);
        Ok(Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]))
    };
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let found = runtime.block_on(read_directory(read, file.len() as u64, &LIMITS, None));
    assert!(reads.get() <= 7 && total.get() <= 4 * TAIL_BYTES + LIMITS.directory_bytes);
    found
}
