//! Tests of listings against a model that is simple and slow.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
    ops::Range,
    time::Instant,
};

use proptest::{collection::vec, prelude::*, sample::select};
use zip::ZipArchive;

use super::archives::{Record, directory, index, plain, span_at};
use crate::archive::{Index, ListingEntry};

const ALL: Range<usize> = 0..usize::MAX;

fn record(name: &[u8]) -> Record {
    Record { name: name.into(), ..Record::default() }
}

fn unix(name: &str, mode: u32) -> Record {
    Record { made_by: 3 << 8, external_attributes: mode << 16, ..record(name.as_bytes()) }
}

/// All records point at the one local header that is there.
fn archive_of(records: &[Record]) -> Vec<u8> {
    let header = [&b"PK\x03\x04"[..], &[0; 26]].concat();
    plain(if records.is_empty() { b"" } else { &header }, records, |_| ())
}

fn index_of(records: &[Record]) -> Index {
    index(&archive_of(records)).unwrap()
}

fn named(names: &[&str]) -> Index {
    index_of(&names.iter().map(|name| record(name.as_bytes())).collect::<Vec<_>>())
}

fn paths(index: &Index, folder: &str, recursive: bool) -> Option<Vec<String>> {
    let listing = index.list(folder, recursive, ALL)?;
    assert_eq!(listing.total, listing.items.len());
    Some(listing.items.into_iter().map(|item| item.path).collect())
}

fn may_be_shown(name: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(name) else {
        return false;
    };
    let inside = ["\0", "//", "/./", "/../"].iter().any(|bad| name.contains(bad));
    let first = ["/", "./", "../"].iter().any(|bad| name.starts_with(bad));
    let last = ["/.", "/.."].iter().any(|bad| name.ends_with(bad));
    !inside && !first && !last && !["", ".", ".."].contains(&name)
}

/// All paths of an archive, with the lengths of entries.
fn model(file: &[u8]) -> BTreeMap<String, Option<u64>> {
    let mut archive = ZipArchive::new(Cursor::new(file)).unwrap();
    let mut paths = BTreeMap::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).unwrap();
        if !may_be_shown(entry.name_raw()) {
            continue;
        }
        let name = str::from_utf8(entry.name_raw()).unwrap();
        for (slash, _) in name.match_indices('/') {
            paths.entry(name[..=slash].to_owned()).or_default();
        }
        paths.insert(name.to_owned(), Some(entry.size()));
    }
    paths
}

fn expected(model: &BTreeMap<String, Option<u64>>, folder: &str, recursive: bool) -> Option<Vec<String>> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    if !prefix.is_empty() && !model.contains_key(&prefix) {
        return None;
    }
    let below = model.keys().filter(|path| path.len() > prefix.len() && path.starts_with(&prefix));
    let child = |path: &&String| !path[prefix.len()..].trim_end_matches('/').contains('/');
    if recursive {
        return Some(below.cloned().collect());
    }
    let (folders, files): (Vec<&String>, Vec<&String>) = below.filter(child).partition(|p| p.ends_with('/'));
    Some(folders.into_iter().chain(files).cloned().collect())
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    let segments = ["a", "a-b", "a0", "b", "é", "è", "a", "b", "a.b", ".", "..", "", "\0"];
    let name = (vec(select(segments.to_vec()), 1..5), any::<bool>());
    let joined = name.prop_map(|(segments, slash)| segments.join("/") + if slash { "/" } else { "" });
    vec(joined, 0..30)
}

proptest! {
    #[test]
    fn listings_agree_with_a_naive_model(
        names in some_names(),
        window in (0..12_usize, 0..12_usize),
    ) {
        let sized = |(at, name): (usize, &String)| Record { uncompressed: at as u32, ..record(name.as_bytes()) };
        let unique: BTreeSet<&String> = names.iter().collect();
        let records: Vec<Record> = unique.into_iter().rev().enumerate().map(sized).collect();
        let file = archive_of(&records);
        let (model, index) = (model(&file), index(&file).unwrap());
        let model_folders = model.keys().filter_map(|path| path.strip_suffix('/'));
        let folders: BTreeSet<&str> = model_folders.chain(["", "a", "b/a", "é", "a/a", "x"]).collect();
        for folder in folders {
            for recursive in [true, false] {
                let expected = expected(&model, folder, recursive);
                prop_assert_eq!(paths(&index, folder, recursive), expected.clone());
                prop_assert_eq!(paths(&index, &format!("{folder}/"), recursive), expected.clone());
                let Some(expected) = expected else { continue };
                let page = index.list(folder, recursive, window.0..window.0 + window.1).unwrap();
                prop_assert_eq!(page.total, expected.len());
                let shown = expected.iter().skip(window.0).take(window.1);
                prop_assert!(page.items.iter().map(|item| &item.path).eq(shown));
                for item in page.items {
                    let size = model[&item.path].filter(|_| !item.is_directory).unwrap_or(0);
                    prop_assert_eq!(item.size_bytes, size);
                    prop_assert_eq!(item.is_directory, item.path.ends_with('/'));
                    let name = item.path.trim_end_matches('/').rsplit('/').next();
                    prop_assert_eq!(Some(&*item.name), name);
                }
            }
        }
    }
}

#[test]
fn folders_come_first_and_each_once_whatever_stands_between_in_byte_order() {
    let index = named(&["a-b", "a0", "a/x", "a/y/z", "a", "a-b/c", "b/"]);
    assert_eq!(paths(&index, "", false).unwrap(), ["a-b/", "a/", "b/", "a", "a-b", "a0"]);
    let all = ["a", "a-b", "a-b/", "a-b/c", "a/", "a/x", "a/y/", "a/y/z", "a0", "b/"];
    assert_eq!(paths(&index, "", true).unwrap(), all);
    assert_eq!(paths(&index, "a", false).unwrap(), ["a/y/", "a/x"]);
}

#[test]
fn empty_archive_has_an_empty_root_and_nothing_else() {
    let index = named(&[]);
    for root in ["", "/"] {
        assert_eq!(paths(&index, root, false).unwrap(), [""; 0]);
        assert_eq!(paths(&index, root, true).unwrap(), [""; 0]);
    }
    assert_eq!(paths(&index, "a", false), None);
}

#[test]
fn path_of_a_file_or_of_nothing_is_no_folder() {
    let index = named(&["a/b", "a/empty/", "c"]);
    for missing in ["c", "c/", "a/b", "a/b/", "x", "a/", "a//", "/a", "a/b/c", ".", ".."] {
        assert_eq!(paths(&index, missing, false).is_some(), missing == "a/", "{missing}");
    }
    assert_eq!(paths(&index, "a/empty", true).unwrap(), [""; 0]);
}

#[test]
fn names_that_are_no_plain_paths_are_left_out_with_all_they_imply() {
    let names =
        ["x/../y", "/etc/passwd", "./a", "../b", "c//d", "e/./f", "g/.", "h/..", ".", "..", "", "i\0/j"];
    let mut records: Vec<Record> = names.iter().map(|name| record(name.as_bytes())).collect();
    records.extend([record(b"k/\xff/l"), record(b"m/\xff"), record(b"m/n")]);
    let index = index_of(&records);
    assert_eq!(paths(&index, "", true).unwrap(), ["m/", "m/n"]);
    assert_eq!(paths(&index, "", false).unwrap(), ["m/"]);
    for folder in ["x", "x/..", "c", "e", "g", "h", "k", "i\0", ".", ".."] {
        assert_eq!(paths(&index, folder, true), None, "{folder}");
    }
}

#[test]
fn first_of_several_entries_with_one_name_is_shown_once() {
    let sized = |name: &str, uncompressed| Record { uncompressed, ..unix(name, 0o100_600 + uncompressed) };
    let index = index_of(&[sized("a", 1), sized("d/", 2), sized("a", 3), sized("d/", 4), sized("a", 5)]);
    for recursive in [true, false] {
        let mut items = index.list("", recursive, ALL).unwrap().items;
        items.sort_by(|one, other| one.path.cmp(&other.path));
        let shown: Vec<(&str, u64, u32)> =
            items.iter().map(|item| (&*item.path, item.size_bytes, item.mode)).collect();
        assert_eq!(shown, [("a", 1, 0o100_601), ("d/", 0, 0o040_602)]);
    }
}

#[test]
fn modes_are_the_entries_own_with_a_type_that_agrees_with_the_name() {
    let index = index_of(&[
        unix("dir/", 0o040_700),
        unix("dir/bare", 0o644),
        unix("dir/fifo", 0o010_600),
        unix("dir/link", 0o120_755),
        unix("dir/set-user-id", 0o104_755),
        unix("file-by-name", 0o040_755),
        unix("folder-by-name/", 0o100_644),
        unix("implied/x", 0o100_755),
        unix("no-mode", 0),
        unix("no-mode-either/", 0),
    ]);
    let items = index.list("", true, ALL).unwrap().items;
    let shown: Vec<(&str, u32)> = items.iter().map(|item| (&*item.path, item.mode)).collect();
    let expected = [
        ("dir/", 0o040_700),
        ("dir/bare", 0o100_644),
        ("dir/fifo", 0o100_600),
        ("dir/link", 0o120_777),
        ("dir/set-user-id", 0o104_755),
        ("file-by-name", 0o100_755),
        ("folder-by-name/", 0o040_644),
        ("implied/", 0o040_755),
        ("implied/x", 0o100_755),
        ("no-mode", 0o100_644),
        ("no-mode-either/", 0o040_755),
    ];
    assert_eq!(shown, expected);
    assert!(items.iter().all(|item| item.is_directory == item.path.ends_with('/')));
}

#[test]
fn item_tells_name_and_path() {
    let index = index_of(&[Record { uncompressed: 7, ..record(b"a/b/c.txt") }]);
    let item = |name: &str, path: &str, is_directory, size_bytes, mode| ListingEntry {
        name: name.into(),
        path: path.into(),
        is_directory,
        size_bytes,
        mode,
    };
    assert_eq!(index.list("a", false, ALL).unwrap().items, [item("b", "a/b/", true, 0, 0o040_755)]);
    assert_eq!(
        index.list("a/b", false, ALL).unwrap().items,
        [item("c.txt", "a/b/c.txt", false, 7, 0o100_644)]
    );
}

#[test]
fn window_past_the_end_is_empty_and_the_total_stays() {
    let index = named(&["a/x", "b", "c"]);
    for (recursive, total) in [(false, 3), (true, 4)] {
        for window in [total..9, 100..200, 1..1, usize::MAX..usize::MAX] {
            let page = index.list("", recursive, window).unwrap();
            assert_eq!((page.total, page.items.len()), (total, 0));
        }
    }
}

/// Names that are deep and long, each different from the first byte on: nearly every slash of
/// some 65 MB implies a folder.
#[test]
fn hostile_depth_costs_one_look_at_the_names() {
    let records: Vec<Record> = (0..1000)
        .map(|n| {
            let mut name = format!("{n:04}").into_bytes();
            name.extend(b"/a".repeat(32_000));
            record(&name)
        })
        .collect();
    let directory = directory(&records);
    let span = span_at(30, directory.len(), 1000);
    let index = Index::build(&directory, &span).unwrap();
    let begun = Instant::now();
    let page = index.list("", true, 20_000_000..20_000_020).unwrap();
    println!("recursive: {:?}", begun.elapsed());
    assert_eq!((page.total, page.items.len()), (32_001_000, 20));
    let begun = Instant::now();
    let page = index.list("", false, 0..20).unwrap();
    println!("children: {:?}", begun.elapsed());
    assert_eq!((page.total, &*page.items[19].path), (1000, "0019/"));
}
