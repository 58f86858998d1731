//! Tests of packed directories, as read by the `zip` crate and by this module.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use zip::ZipArchive;

use super::archives::{entries, index};
use crate::archive::pack_directory;

fn packed(directory: &std::path::Path) -> Vec<u8> {
    let mut archive = Vec::new();
    pack_directory(directory, &mut archive).unwrap();
    archive
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_file_comes_out_as_it_went_in_and_in_the_same_order_again(
        files in btree_map("[a-d]{1,2}(/[a-d.é -]{1,2}x){0,2}", vec(any::<u8>(), 0..2000), 0..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut written = BTreeMap::new();
        for (path, content) in files {
            let place = folder.path().join(&path);
            // One that a directory is called already, or that a file is on the way to, is left out.
            if fs::create_dir_all(place.parent().unwrap()).is_ok() && fs::write(&place, &content).is_ok() {
                written.insert(path, content);
            }
        }
        let archive = packed(folder.path());
        prop_assert!(packed(folder.path()) == archive);
        let mut theirs = ZipArchive::new(Cursor::new(&archive)).unwrap();
        let names: Vec<Vec<u8>> = entries(&archive).unwrap().iter().map(|entry| entry.name.to_vec()).collect();
        prop_assert!(names.is_sorted(), "{names:?}");
        for at in 0..theirs.len() {
            let mut entry = theirs.by_index(at).unwrap();
            if entry.is_dir() {
                continue;
            }
            let name = entry.name().unwrap().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            prop_assert_eq!(written.remove(&name), Some(content));
        }
        prop_assert!(written.is_empty(), "{written:?}");
    }
}

#[test]
fn a_file_of_more_than_4_gib_has_64_bit_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let size = (4 << 30) + 1;
    File::create(folder.path().join("large")).unwrap().set_len(size).unwrap();
    fs::write(folder.path().join("small"), "behind it").unwrap();
    let archive = packed(folder.path());
    let found = index(&archive).unwrap();
    assert_eq!(found.find(b"large").unwrap().uncompressed_size, size);
    assert_eq!(found.find(b"small").unwrap().uncompressed_size, 9);
    let mut theirs = ZipArchive::new(Cursor::new(&archive)).unwrap();
    assert_eq!(theirs.by_name("large").unwrap().size(), size);
    let mut text = String::new();
    theirs.by_name("small").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "behind it");
}

/// Takes so many bytes and fails from then on.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_target_that_is_full_and_a_directory_that_is_none_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), [7; 100]).unwrap();
    for room in [0, 10, 60, 120] {
        assert!(pack_directory(folder.path(), Full(room)).is_err(), "{room}");
    }
    assert!(pack_directory(folder.path(), Full(1000)).is_ok());
    assert!(pack_directory(&folder.path().join("file"), Full(1000)).is_err());
    assert!(pack_directory(&folder.path().join("missing"), Full(1000)).is_err());
}
