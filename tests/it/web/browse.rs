//! Folders of archives, as people look into them.

use super::{html, link, links, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips::{self, Entry};

const BROWSE: &str = "/group/project/-/jobs/10/artifacts/browse/";

fn with(archive: &[u8]) -> Gateway {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, archive);
    gateway
}

/// The text of the first cells of a table's rows.
fn names(text: &str) -> Vec<String> {
    let cells = text.split("<th scope=\"row\">").skip(1);
    let bare = cells.map(|cell| {
        let cell = cell.split("</th>").next().unwrap();
        let cell = cell.split("</a>").next().unwrap();
        cell.rsplit_once('>').map_or(cell, |(_, name)| name).to_owned()
    });
    bare.collect()
}

#[test]
fn a_folder_is_sorted_and_searched_on_the_server() {
    let gateway = with(&zips::packed(
        zip::CompressionMethod::Stored,
        &[
            ("b10.txt", b"1"),
            ("b9.txt", b"333"),
            ("d/deep/Report.html", b"22"),
            ("d/x", b""),
            ("a.txt", b"4444"),
        ],
    ));
    let page = open(&gateway, "", BROWSE);
    assert_eq!(names(html(&page)), ["d/", "a.txt", "b9.txt", "b10.txt"]);
    assert!(page.text().contains("1 folder, 3 files, 8 B."), "{}", page.text());
    let by_size = open(&gateway, "", &link(page.text(), "Size"));
    assert_eq!(names(html(&by_size)), ["d/", "b10.txt", "b9.txt", "a.txt"]);
    assert!(by_size.text().contains("aria-sort=\"ascending\""));
    let largest = open(&gateway, "", &link(by_size.text(), "Size"));
    assert_eq!(names(html(&largest)), ["d/", "a.txt", "b9.txt", "b10.txt"]);
    assert!(largest.text().contains("aria-sort=\"descending\""));
    let by_name = open(&gateway, "", &link(largest.text(), "Name"));
    assert_eq!(names(html(&by_name)), ["d/", "a.txt", "b9.txt", "b10.txt"]);
    let found = open(&gateway, "", &format!("{BROWSE}?search=report"));
    assert_eq!(names(html(&found)), ["d/deep/Report.html"]);
    assert_eq!(open(&gateway, "", &link(found.text(), "d/deep/Report.html")).status, 200);
    let none = open(&gateway, "", &format!("{BROWSE}?search=%3Cb%3E"));
    assert!(
        html(&none).contains("<q>&#60;b&#62;</q>") || none.text().contains("<q>&lt;b&gt;</q>"),
        "{}",
        none.text()
    );
    let folder = open(&gateway, "", &format!("{BROWSE}d/"));
    let zip = gateway.get(&link(html(&folder), "Download this folder")).send();
    assert_eq!((zip.status, &zip.body[..2]), (200, &b"PK"[..]));
}

#[test]
fn a_path_is_a_folder_a_file_or_nothing() {
    let gateway = with(&zips::deflated(&[("d/e/x.txt", b"x"), ("empty", b"")]));
    let leads = |path: &str| {
        let answer = open(&gateway, "", &format!("/group/project/-/jobs/10/artifacts/{path}"));
        (answer.status, answer.header("location").unwrap_or_default().to_owned())
    };
    let to = |path: &str| (302, format!("/group/project/-/jobs/10/artifacts/{path}"));
    assert_eq!(leads("browse"), to("browse/"));
    assert_eq!(leads("browse/d/e?sort=size"), to("browse/d/e/?sort=size"));
    assert_eq!(leads("browse/d/e/x.txt"), to("view/d/e/x.txt"));
    assert_eq!(leads("view/d/e"), to("browse/d/e/"));
    assert_eq!(leads("view/d/"), to("browse/d/"));
    assert_eq!(leads("browse/..%2Fx/").0, 400);
    for (missing, nearest) in
        [("browse/d/no/x/", "browse/d/"), ("view/d/e/no", "browse/d/e/"), ("view/no", "browse/")]
    {
        let answer = open(&gateway, "", &format!("/group/project/-/jobs/10/artifacts/{missing}"));
        assert_eq!(answer.status, 404, "{missing}");
        super::is_page(&answer);
        let nearest = format!("/group/project/-/jobs/10/artifacts/{nearest}");
        assert!(links(answer.text()).contains(&nearest), "{missing}: {}", answer.text());
    }
}

#[test]
fn hostile_names_are_text_and_their_links_open_exactly_them() {
    let names: Vec<Vec<u8>> = [
        "\"><img src=x onerror=alert(1)>.html",
        "javascript:alert(1)",
        "a?b#c%2F&.txt",
        "..a",
        "new\nline.txt",
        "right\u{202e}txt.exe",
        "-rf",
        "&lt;b&gt;",
        " ",
        "tab\there",
        "{{ 7 * 7 }}",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .chain([
        vec![b'l'; 1500],
        vec![b'k'; 4096],
        b"\xff\xfe.txt".to_vec(),
        b"../up".to_vec(),
        b"/abs".to_vec(),
    ])
    .collect();
    let entries: Vec<Entry> = names
        .iter()
        .enumerate()
        .map(|(number, name)| Entry::stored(name, format!("content {number}").as_bytes()))
        .collect();
    let gateway = with(&zips::by_hand(&entries));
    let page = open(&gateway, "", BROWSE);
    let text = html(&page);
    assert!(text.contains("3 entries of the archive cannot be shown"), "{text}");
    assert!(text.contains("its path is too long to be opened"), "{text}");
    assert!(!text.contains("<img"), "{text}");
    let prefix = "/group/project/-/jobs/10/artifacts/view/";
    let opened: Vec<String> = links(text).into_iter().filter(|address| address.starts_with(prefix)).collect();
    assert_eq!(opened.len(), 12, "{opened:?}");
    let mut contents = Vec::new();
    for address in opened {
        let shown = open(&gateway, "", &address);
        let shown = html(&shown).to_owned();
        assert!(!shown.contains("<img src=x"), "{shown}");
        let content = shown.split("content ").nth(1).unwrap_or_else(|| panic!("{address}: {shown}"));
        contents.push(content.split('<').next().unwrap().parse::<usize>().unwrap());
        let raw = gateway.get(&link(&shown, "Download")).send();
        assert_eq!(raw.text(), format!("content {}", contents.last().unwrap()), "{address}");
    }
    contents.sort_unstable();
    assert_eq!(contents, (0..12).collect::<Vec<_>>());
}

/// The folder `dir`, with so many files of up to six bytes.
fn with_many_files(count: usize) -> Gateway {
    let files: Vec<(String, Vec<u8>)> =
        (0..count).map(|number| (format!("dir/file-{number:05}.txt"), vec![b'x'; number % 7])).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    with(&zips::packed(zip::CompressionMethod::Stored, &files))
}

/// Their names, the largest first, and those of one size in the order of their names.
fn by_size(count: usize) -> Vec<String> {
    let mut numbers: Vec<usize> = (0..count).collect();
    numbers.sort_by_key(|number| (std::cmp::Reverse(number % 7), *number));
    numbers.into_iter().map(|number| format!("file-{number:05}.txt")).collect()
}

#[test]
fn a_folder_of_fifty_thousand_files_comes_in_pages() {
    let gateway = with_many_files(50_000);
    let folder = format!("{BROWSE}dir/");
    let first = open(&gateway, "", &folder);
    assert_eq!(names(html(&first)).len(), 500);
    assert!(first.body.len() < 300_000, "{} bytes", first.body.len());
    assert!(first.text().contains("1–500 of 50000"));
    let last = open(&gateway, "", &format!("{folder}?page=100"));
    assert_eq!(names(html(&last)).last().unwrap(), "file-49999.txt");
    let found = open(&gateway, "", &format!("{folder}?search=file-49999"));
    assert_eq!(names(html(&found)), ["file-49999.txt"]);
    let by_size = open(&gateway, "", &format!("{folder}?sort=size&order=desc&page=2"));
    assert_eq!(names(html(&by_size)).len(), 500);
    assert!(by_size.text().matches("<td class=\"number\">6 B</td>").count() >= 500);
    let beyond = open(&gateway, "", &format!("{folder}?page=9999"));
    assert!(html(&beyond).contains("This folder is empty") || names(beyond.text()).is_empty());
}

#[test]
fn the_pages_of_a_sorted_folder_have_each_of_its_files_once_and_in_order() {
    let gateway = with_many_files(6_200);
    let mut page = open(&gateway, "", &format!("{BROWSE}dir/?sort=size&order=desc"));
    let mut seen = names(html(&page));
    while page.text().contains(">Next page<") {
        page = open(&gateway, "", &link(page.text(), "Next page"));
        seen.extend(names(html(&page)));
    }
    assert_eq!(seen, by_size(6_200));
}

#[test]
fn a_page_of_fifty_thousand_sorted_files_has_those_of_its_place() {
    let gateway = with_many_files(50_000);
    let sorted = by_size(50_000);
    for number in [1, 2, 14, 15, 16, 50, 72, 99, 100] {
        let page = open(&gateway, "", &format!("{BROWSE}dir/?sort=size&order=desc&page={number}"));
        assert_eq!(names(html(&page)), sorted[(number - 1) * 500..number * 500], "page {number}");
    }
}

#[test]
fn an_archive_that_cannot_be_read_says_why_and_stays_a_download() {
    let gateway = with(b"this is no zip");
    let page = open(&gateway, "", BROWSE);
    assert_eq!(page.status, 422);
    super::is_page(&page);
    assert!(page.text().contains("This cannot be shown: "), "{}", page.text());
    let whole = gateway.get(&link(page.text(), "Download the archive")).send();
    assert_eq!((whole.status, whole.text()), (200, "this is no zip"));
    assert!(html(&open(&gateway, "", "/group/project/-/jobs/10")).contains("Download"));
}

#[test]
fn entries_that_cannot_be_read_are_marked_and_the_rest_is_there() {
    let mut encrypted = Entry::stored("secret.txt", b"x");
    encrypted.flags = 1;
    let mut unknown = Entry::stored("odd.txt", b"x");
    unknown.method = 97;
    let mut damaged = Entry::stored("bad.txt", b"hello");
    damaged.crc32 ^= 1;
    let gateway = with(&zips::by_hand(&[encrypted, unknown, damaged, Entry::stored("good.txt", b"fine")]));
    let page = open(&gateway, "", BROWSE);
    assert!(html(&page).contains("entry is encrypted"), "{}", page.text());
    assert!(page.text().contains("compression method 97"));
    for name in ["secret.txt", "odd.txt", "bad.txt"] {
        let answer = open(&gateway, "", &format!("/group/project/-/jobs/10/artifacts/view/{name}"));
        assert_eq!(answer.status, 422, "{name}");
        super::is_page(&answer);
        assert!(
            links(answer.text()).contains(&"/group/project/-/jobs/10/artifacts/download".to_owned()),
            "{name}"
        );
    }
    assert!(html(&open(&gateway, "", &link(page.text(), "good.txt"))).contains("fine"));
}

/// A job with an archive, single files and an archive that its uploader named.
fn with_everything() -> Gateway {
    let gateway = Gateway::on_sqlite();
    gateway.write_file(
        "archive.zip",
        &zips::deflated(&[("a.txt", b"of the archive"), ("d/x", b"of the archive")]),
    );
    gateway.write_file("own.txt", b"of its own");
    gateway.write_file("named.zip", &zips::deflated(&[("a.txt", b"of the named one"), ("f/b.txt", b"b")]));
    gateway.load(
        "projects: [{id: 1, path: group/project, visibility: public, pipelines: [{id: 100, ref: main, sha: a, \
         status: success, jobs: [{id: 10, name: build, status: success, artifacts: [{file: archive.zip}, \
         {path: d/x, file: own.txt}, {path: e/y.txt, file: own.txt}, {name: extra, file: named.zip}]}, \
         {id: 11, name: files, status: success, artifacts: [{path: only/here.txt, file: own.txt}]}]}]}]",
    );
    gateway
}

#[test]
fn files_beside_an_archive_are_in_one_folder_with_its_entries() {
    let gateway = with_everything();
    let page = open(&gateway, "", BROWSE);
    assert_eq!(names(html(&page)), ["d/", "e/", "a.txt"]);
    for (path, content) in [("a.txt", "of the archive"), ("d/x", "of its own"), ("e/y.txt", "of its own")] {
        let shown = open(&gateway, "", &format!("/group/project/-/jobs/10/artifacts/view/{path}"));
        assert!(html(&shown).contains(content), "{path}");
        assert_eq!(gateway.get(&link(shown.text(), "Download")).send().text(), content, "{path}");
    }
    let alone = open(&gateway, "", "/group/project/-/jobs/11/artifacts/browse/only/");
    assert_eq!(names(html(&alone)), ["here.txt"]);
    assert!(html(&open(&gateway, "", &link(alone.text(), "here.txt"))).contains("of its own"));
}

#[test]
fn every_archive_of_a_job_can_be_looked_into() {
    let gateway = with_everything();
    let job = open(&gateway, "", "/group/project/-/jobs/10");
    let text = html(&job);
    let row = text.split("<tr>").find(|row| row.contains(">extra<")).unwrap();
    let page = open(&gateway, "", &link(row, "Browse"));
    assert_eq!(names(html(&page)), ["f/", "a.txt"]);
    let shown = open(&gateway, "", &link(page.text(), "a.txt"));
    assert!(html(&shown).contains("of the named one"));
    assert_eq!(open(&gateway, "", &link(shown.text(), "Download")).text(), "of the named one");
    let folder = open(&gateway, "", &link(page.text(), "f/"));
    assert_eq!(names(html(&folder)), ["b.txt"]);
    let zip = open(&gateway, "", &link(folder.text(), "Download this folder"));
    assert_eq!((zip.status, &zip.body[..2]), (200, &b"PK"[..]));
    let whole = open(&gateway, "", &link(row, "Download"));
    assert_eq!((whole.status, &whole.body[..2]), (200, &b"PK"[..]));
    assert!(whole.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(open(&gateway, "", &format!("{BROWSE}?artifact=999")).status, 404);
}

#[test]
fn two_archives_are_compared_by_their_directories() {
    let gateway = Gateway::on_sqlite();
    let before = zips::deflated(&[("same", b"1"), ("changed", b"1"), ("gone", b"1")]);
    let after = zips::deflated(&[("same", b"1"), ("changed", b"22"), ("new", b"1")]);
    Fixture::project("group/project")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&before)
        .pipeline(200, "main")
        .job(20, "build")
        .archive(&after)
        .job(21, "lint")
        .load(&gateway);
    let base = "/group/project/-/jobs/20/artifacts/compare";
    assert!(html(&open(&gateway, "", base)).contains("name=\"other\""));
    let lead = open(&gateway, "", &format!("{base}?other=10"));
    assert_eq!(lead.header("location"), Some(&*format!("{base}/10")));
    let page = open(&gateway, "", &format!("{base}/10"));
    assert!(html(&page).contains("1 added, 1 removed, 1 changed, 1 the same"), "{}", page.text());
    assert_eq!(names(page.text()), ["changed", "gone", "new"]);
    assert_eq!(link(page.text(), "gone"), "/group/project/-/jobs/10/artifacts/view/gone");
    assert!(html(&open(&gateway, "", &format!("{base}/20"))).contains("are the same"));
    let lines = open(&gateway, "", &link(page.text(), "lines"));
    assert!(html(&lines).contains("- 1</span>") && lines.text().contains("+ 22</span>"), "{}", lines.text());
    assert_eq!(open(&gateway, "", &format!("{base}/10/gone")).status, 404);
    assert_eq!(open(&gateway, "", &format!("{base}/21")).status, 404);
    assert_eq!(open(&gateway, "", &format!("{base}/99")).status, 404);
}
