//! Tests of zips of one folder from truncated or damaged archives: nothing damaged looks whole.

use std::{io, ops::Range};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{
    archives::{entries, index, sound, streamed},
    subset::{copy_in_pieces, some_files},
};
use crate::archive::{CorruptEntryError, Subset};

fn damage(file: &[u8], folder: &str) -> String {
    let (copied, ..) = copy_in_pieces(file, folder, 100);
    let error = copied.expect_err("damage was not noticed");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    error.downcast::<CorruptEntryError>().unwrap().to_string()
}

#[test]
fn source_that_ends_early_is_damage() {
    let file = streamed(&some_files(), b"");
    let subset = || Subset::plan(&index(&file).unwrap(), "d").unwrap().unwrap();
    let first = entries(&file).unwrap()[1].header_offset as usize;
    let last = entries(&file).unwrap()[3];
    let least_end = last.header_offset as usize + 30 + last.name.len() + last.compressed_size as usize;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for cut in first..least_end {
        let short = Bytes::copy_from_slice(&file[..cut]);
        let read = move |range: Range<u64>| {
            let start = (range.start as usize).min(short.len());
            stream::iter([Ok(short.slice(start..short.len().min(range.end as usize)))])
        };
        let pieces: Vec<_> = runtime.block_on(subset().into_stream(read).collect());
        let error = pieces.into_iter().next_back().unwrap().unwrap_err();
        assert!(error.to_string().starts_with("archive ends inside the entry (entry \"d/"), "{error}");
    }
}

#[test]
fn damaged_local_header_is_named_with_its_entry() {
    let sound = streamed(&some_files(), b"");
    let offset = entries(&sound).unwrap()[2].header_offset as usize;
    let changed = |at: usize, value: u8| {
        let mut file = sound.clone();
        file[offset + at] = value;
        damage(&file, "d")
    };
    let text = "entry has no local header at its stated offset (entry \"d/a\")";
    assert_eq!(changed(0, b'p'), text);
}

#[test]
fn local_header_that_pushes_the_entry_into_the_directory_is_damage() {
    let mut file = sound(&some_files()[..1], b"");
    file[29] = 0xff;
    assert_eq!(damage(&file, ""), "archive ends inside the entry (entry \"x\")");
}

#[test]
fn failure_of_the_source_is_passed_on_as_it_is() {
    let file = streamed(&some_files(), b"");
    let subset = Subset::plan(&index(&file).unwrap(), "d").unwrap().unwrap();
    let read = |_| stream::iter([Err(io::Error::new(io::ErrorKind::TimedOut, "bucket is gone"))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let pieces: Vec<_> = runtime.block_on(subset.into_stream(read).collect());
    let error = pieces.into_iter().next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "bucket is gone".into()));
}
