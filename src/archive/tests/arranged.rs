//! Arranged folders: order, search, and folders of several indexes.

use proptest::prelude::*;

use super::*;
use crate::archive::{AssembledFile, Assembly};

fn index(files: &[(&str, u64)]) -> Index {
    let file = |(path, size): &(&str, u64)| AssembledFile {
        path: (*path).to_owned(),
        size: *size,
        crc32: 0,
        modified_unix_seconds: *size as i64,
    };
    Assembly::plan(files.iter().map(file).collect()).index().unwrap()
}

fn names(folder: &ArrangedFolder) -> Vec<&str> {
    folder.items.iter().map(|item| item.name.as_str()).collect()
}

fn arranged(index: &Index, arrangement: Arrangement) -> ArrangedFolder {
    ArrangedFolder::of(&[index], &arrangement).unwrap()
}

#[test]
fn folders_come_first_and_numbers_count_by_their_value() {
    let index = index(&[("b10", 1), ("b9", 3), ("A", 2), ("z/x", 9), ("a/y", 1), ("README.md", 0)]);
    let all = Arrangement { window: 0..100, ..Arrangement::default() };
    let folder = arranged(&index, all.clone());
    assert_eq!(names(&folder), ["a", "z", "A", "b9", "b10", "README.md"]);
    assert_eq!((folder.total, folder.files, folder.size_bytes), (6, 4, 6));
    assert_eq!(folder.readme.as_deref(), Some("README.md"));
    let by_size = Arrangement { order: ItemOrder::Size, descending: true, ..all.clone() };
    assert_eq!(names(&arranged(&index, by_size)), ["z", "a", "b9", "A", "b10", "README.md"]);
    let page = Arrangement { window: 3..5, ..all };
    assert_eq!(names(&arranged(&index, page)), ["b9", "b10"]);
}

#[test]
fn a_search_finds_files_below_the_folder_by_any_part_of_their_path() {
    let index = index(&[("d/Sub/Report.html", 1), ("d/other", 1), ("report", 1)]);
    let search = |folder: &str, text: &str| {
        let search = Some(text.to_owned());
        let wanted = Arrangement { folder: folder.into(), search, window: 0..10, ..Arrangement::default() };
        ArrangedFolder::of(&[&index], &wanted)
    };
    assert_eq!(names(&search("d", "report").unwrap()), ["Sub/Report.html"]);
    assert_eq!(names(&search("", "sub/rep").unwrap()), ["d/Sub/Report.html"]);
    assert_eq!(search("d", "nothing").unwrap().total, 0);
    assert!(search("none", "report").is_none());
}

#[test]
fn an_earlier_index_comes_before_a_later_one() {
    let (one, other) = (index(&[("d/a", 1)]), index(&[("d/a", 2), ("d/b", 2), ("c", 2)]));
    let wanted = Arrangement { folder: "d".into(), window: 0..10, ..Arrangement::default() };
    let folder = ArrangedFolder::of(&[&one, &other], &wanted).unwrap();
    let shown: Vec<_> = folder.items.iter().map(|item| (item.name.as_str(), item.size_bytes)).collect();
    assert_eq!(shown, [("a", 1), ("b", 2)]);
    assert_eq!(ArrangedFolder::neighbours(&[&one, &other], "d/a"), (None, Some("d/b".into())));
    assert_eq!(ArrangedFolder::nearest(&[&one, &other], "d/x/y"), "d/");
    assert_eq!(ArrangedFolder::nearest(&[&one], "x/y"), "");
}

proptest! {
    #[test]
    fn pages_of_any_order_are_the_list_in_parts(
        paths in proptest::collection::btree_set("[ab1]{1,3}(/[ab2]{1,2}){0,2}", 0..20),
        descending: bool,
        size in 1usize..5,
    ) {
        let files: Vec<(&str, u64)> = paths.iter().map(|path| (path.as_str(), path.len() as u64)).collect();
        let index = index(&files);
        for order in [ItemOrder::Name, ItemOrder::Size, ItemOrder::Modified] {
            let of = |window| Arrangement { order, descending, window, ..Arrangement::default() };
            let all = arranged(&index, of(0..100));
            let total = all.total;
            let parts = (0..total.div_ceil(size)).flat_map(|number| {
                arranged(&index, of(number * size..(number + 1) * size)).items
            });
            prop_assert_eq!(parts.collect::<Vec<_>>(), all.items);
        }
    }

    #[test]
    fn the_natural_order_is_an_order(mut names in proptest::collection::vec("[aB0-2]{0,4}", 3)) {
        names.sort_by(|one, other| natural(one, other));
        prop_assert!(natural(&names[0], &names[2]) != Ordering::Greater);
        prop_assert_eq!(natural(&names[0], &names[1]), natural(&names[1], &names[0]).reverse());
    }
}
