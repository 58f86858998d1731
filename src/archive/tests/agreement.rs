//! Tests that the module agrees with the `zip` crate on sound archives, also with other bytes before and
//! after them.

use std::io::Cursor;

use proptest::{collection::vec, prelude::*, sample::select};
use zip::{CompressionMethod, ZipArchive};

use super::archives::{Wanted, entries, index, sound, span, streamed};
use crate::archive::Entry;

pub(super) fn methods() -> impl Strategy<Value = CompressionMethod> {
    select(vec![CompressionMethod::Stored, CompressionMethod::Deflated, CompressionMethod::Zstd])
}

/// Entries of different names.
pub(super) fn some_entries() -> impl Strategy<Value = Vec<Wanted>> {
    let one = ("[a-zé/. ]{0,12}", vec(any::<u8>(), 0..300), methods(), any::<bool>());
    vec(one, 0..12).prop_map(|entries| {
        let number = |(at, (name, content, method, zip64))| Wanted {
            name: format!("{at}{name}"),
            content,
            method,
            zip64,
        };
        entries.into_iter().enumerate().map(number).collect()
    })
}

proptest! {
    #[test]
    fn walk_and_index_agree_with_the_zip_crate(
        wanted in some_entries(),
        comment in vec(any::<u8>(), 0..100),
        stream in any::<bool>(),
    ) {
        let file = if stream { streamed(&wanted, &comment) } else { sound(&wanted, &comment) };
        let mut theirs = ZipArchive::new(Cursor::new(&file)).unwrap();
        let ours = entries(&file).unwrap();
        let index = index(&file).unwrap();
        prop_assert_eq!(ours.len(), theirs.len());
        prop_assert_eq!(index.len(), theirs.len());
        prop_assert_eq!(index.is_empty(), theirs.is_empty());
        for (at, entry) in ours.iter().enumerate() {
            same(entry, &theirs.by_index_raw(at).unwrap())?;
            prop_assert_eq!(index.find(entry.name), Some(*entry));
        }
        prop_assert_eq!(index.find(b"no such name"), None);
    }
}

proptest! {
    #[test]
    fn bytes_in_front_and_behind_change_nothing_but_the_offsets(
        wanted in some_entries(),
        comment in vec(any::<u8>(), 0..100),
        stream in any::<bool>(),
        front in vec(any::<u8>(), 1..3000),
        behind in vec(any::<u8>(), 0..3000),
    ) {
        prop_assume!(!wanted.is_empty() && !front.starts_with(b"PK"));
        let alone = if stream { streamed(&wanted, &comment) } else { sound(&wanted, &comment) };
        let file = [&front[..], &alone, &behind].concat();
        let mut theirs = ZipArchive::new(Cursor::new(&file)).unwrap();
        let ours = entries(&file).unwrap();
        let index = index(&file).unwrap();
        prop_assert_eq!(span(&file).unwrap().moved, front.len() as i64);
        prop_assert_eq!((ours.len(), index.len()), (theirs.len(), theirs.len()));
        for (at, (entry, alone)) in ours.iter().zip(entries(&alone).unwrap()).enumerate() {
            same(entry, &theirs.by_index_raw(at).unwrap())?;
            prop_assert_eq!(index.find(entry.name), Some(*entry));
            let header_offset = alone.header_offset + front.len() as u64;
            prop_assert_eq!(*entry, Entry { header_offset, ..alone });
        }
    }
}

fn same(ours: &Entry<'_>, theirs: &zip::read::ZipFile<'_, Cursor<&Vec<u8>>>) -> Result<(), TestCaseError> {
    let method = match theirs.compression() {
        CompressionMethod::Stored => 0,
        CompressionMethod::Deflated => 8,
        CompressionMethod::Zstd => 93,
        other => return Err(TestCaseError::fail(format!("{other}"))),
    };
    prop_assert_eq!(ours.name, theirs.name_raw());
    prop_assert_eq!(ours.method, method);
    prop_assert_eq!(ours.crc32, theirs.crc32());
    prop_assert_eq!(ours.compressed_size, theirs.compressed_size());
    prop_assert_eq!(ours.uncompressed_size, theirs.size());
    prop_assert_eq!(ours.header_offset, theirs.header_start());
    prop_assert_eq!(ours.unix_mode, theirs.unix_mode());
    prop_assert_eq!(ours.is_encrypted(), theirs.encrypted());
    prop_assert_eq!(ours.is_directory(), theirs.name_raw().ends_with(b"/"));
    Ok(())
}
