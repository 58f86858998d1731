//! Tests of hostile archives: no bytes make the module panic, loop, or take more memory than their length
//! allows.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::{collection::vec, prelude::*, sample::Index as Pick};
use tokio_util::io::StreamReader;

use super::{
    agreement::some_entries,
    archives::{End, Record, directory_of, entries, sound, span_from, streamed, zip64},
};
use crate::archive::{Entry, Index, Limits, Subset, open};

const LIMITS: Limits = Limits { entries: 1000, directory_bytes: 64 * 1024, uncompressed_size: None };

/// Does all that a caller may do with a file, and checks the bounds on the way.
fn exercise(file: &[u8], tail_bytes: usize) {
    let Ok(span) = span_from(file, tail_bytes, &LIMITS) else {
        return;
    };
    assert!(span.entries <= LIMITS.entries && span.bytes <= LIMITS.directory_bytes);
    assert!(span.start + span.bytes <= file.len() as u64);
    let Ok(index) = Index::build(directory_of(file, &span), &span).map(Arc::new) else {
        return;
    };
    assert!(index.heap_bytes() as u64 <= span.bytes + 52 * span.entries);
    visit(file, &index, "");
    for entry in entries(file).unwrap_or_default() {
        assert_eq!(index.find(entry.name).unwrap().name, entry.name);
        read(file, entry);
        let folder = String::from_utf8_lossy(entry.name);
        visit(file, &index, folder.rsplit_once('/').map_or("", |(folder, _)| folder));
    }
}

/// Lists a folder and copies it.
fn visit(file: &[u8], index: &Arc<Index>, folder: &str) {
    let all = index.list(folder, true, 0..usize::MAX);
    let children = index.list(folder, false, 0..usize::MAX);
    assert_eq!(all.is_some(), children.is_some());
    for listing in [&all, &children].into_iter().flatten() {
        assert_eq!(listing.total, listing.items.len());
    }
    let Ok(subset) = Subset::plan(index, folder) else {
        return;
    };
    assert!(all.is_none() || subset.is_some(), "what is listed is copied");
    let Some(subset) = subset else {
        return;
    };
    let stated = subset.size_bytes();
    let file = Bytes::copy_from_slice(file);
    let read = |range: Range<u64>| stream::iter([Ok(file.slice(range.start as usize..range.end as usize))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let pieces: Vec<_> = runtime.block_on(subset.into_stream(read).collect());
    let total: usize = pieces.iter().flatten().map(Bytes::len).sum();
    let is_whole = pieces.iter().all(Result::is_ok);
    assert!(if is_whole { total as u64 == stated } else { (total as u64) < stated });
}

/// Reads an entry to its end or its first error, up to a MiB of it.
fn read(file: &[u8], entry: Entry<'_>) {
    let packed = Bytes::copy_from_slice(&file[entry.header_offset as usize..]);
    let source = StreamReader::new(stream::iter([Ok::<_, std::io::Error>(packed)]));
    let Ok(mut pieces) = open(source, entry.into()) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut total = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            total += piece.len();
            assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
            assert!(total as u64 <= entry.uncompressed_size);
            if total > 1 << 20 {
                break;
            }
        }
    });
}

/// A sound archive with an exotic end: a ZIP64 record with private data.
fn with_zip64_end() -> Vec<u8> {
    let record = Record { name: b"a".into(), ..Record::default() };
    zip64(&[0; 30], &[record], &[7; 40], End::all_ones(), |_| ())
}

proptest! {
    #[test]
    fn any_bytes_are_borne(mut file in vec(any::<u8>(), 0..400), tail in 0..500_usize) {
        exercise(&file, tail);
        file.extend(End::default().plain(b""));
        exercise(&file, tail);
    }

    #[test]
    fn any_change_of_a_sound_archive_is_borne(
        wanted in some_entries(),
        stream in any::<bool>(),
        tail in 22..2000_usize,
        at in any::<Pick>(),
        value in any::<u8>(),
    ) {
        let mut file = if stream { streamed(&wanted, b"note") } else { sound(&wanted, b"") };
        let at = at.index(file.len());
        file[at] = value;
        exercise(&file, tail);
    }

    #[test]
    fn any_cut_and_any_splice_is_borne(
        wanted in some_entries(),
        from in any::<Pick>(),
        to in any::<Pick>(),
        splice in vec(any::<u8>(), 0..20),
    ) {
        let mut file = sound(&wanted, b"");
        let (from, to) = (from.index(file.len()), to.index(file.len()));
        let cut: Range<usize> = from.min(to)..from.max(to);
        file.splice(cut, splice);
        exercise(&file, 4000);
    }

    #[test]
    fn any_two_changes_of_a_zip64_end_are_borne(
        tail in 22..300_usize,
        changes in vec((any::<Pick>(), any::<u8>()), 0..3),
    ) {
        let mut file = with_zip64_end();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        exercise(&file, tail);
    }
}

#[test]
fn every_single_byte_of_a_small_archive_may_take_every_value() {
    let file = with_zip64_end();
    for at in 0..file.len() {
        for value in 0..=u8::MAX {
            let mut changed = file.clone();
            changed[at] = value;
            exercise(&changed, 60);
        }
    }
}
