//! Tests of front pages.

use super::archives::{Record, index, plain};
use crate::archive::{Index, front_page};

fn with(records: &[Record]) -> Index {
    let header = [&b"PK\x03\x04"[..], &[0; 26]].concat();
    index(&plain(&header, records, |_| ())).unwrap()
}

fn found(names: &[&str]) -> Option<String> {
    let record = |name: &&str| Record { name: name.as_bytes().into(), ..Record::default() };
    front_page(&[&with(&names.iter().map(record).collect::<Vec<_>>())])
}

#[test]
fn the_front_page_is_the_nearest_one_that_can_be_opened() {
    for (names, expected) in [
        (&["a.txt", "d/index.html"][..], Some("d/index.html")),
        (&["htmlcov/z.html", "htmlcov/index.html", "x/y/index.html"], Some("htmlcov/index.html")),
        (&["b.html", "a.HTM", "d/index.html"], Some("a.HTM")),
        (&["report.html", "INDEX.html"], Some("INDEX.html")),
        (&["../index.html", "/index.html", "d/e.html"], Some("d/e.html")),
        (&["index.html/", ".html", "x.htm.txt"], None),
        (&["index"], None),
    ] {
        assert_eq!(found(names).as_deref(), expected, "{names:?}");
    }
    assert_eq!(front_page(&[]), None);
}

#[test]
fn files_beside_an_archive_count_and_links_do_not() {
    let link = Record {
        name: b"index.html".as_slice().into(),
        made_by: 3 << 8,
        external_attributes: 0o120_777 << 16,
        ..Record::default()
    };
    let archive = with(&[link, Record { name: b"d/a.html".as_slice().into(), ..Record::default() }]);
    assert_eq!(front_page(&[&archive]).as_deref(), Some("d/a.html"));
    let beside = with(&[Record { name: b"own.html".as_slice().into(), ..Record::default() }]);
    assert_eq!(front_page(&[&beside, &archive]).as_deref(), Some("own.html"));
}
