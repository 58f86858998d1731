//! The search for files by name in the newest archives of a project.

use super::{html, link, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::MAINTAINER;
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    a_file_is_found_by_its_name_in_the_archives_of_a_project,
    only_what_one_may_read_and_is_there_is_searched,
    a_search_is_bounded_and_says_so,
    a_job_says_how_many_files_its_archives_hold,
);

fn a_file_is_found_by_its_name_in_the_archives_of_a_project(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&zips::deflated(&[("dist/App-1.0.exe", b"hello"), ("dist/a.txt", b"a"), ("b.txt", b"b")]))
        .job(11, "broken")
        .archive(b"this is no zip")
        .pipeline(101, "other")
        .job(20, "build")
        .archive(&zips::deflated(&[("app-2.0.exe", b"hello world")]))
        .load(&gateway);
    let list = open(&gateway, "", "/group/app/-/artifacts");
    assert!(html(&list).contains("name=\"file\"") && list.text().contains("in the newest 100 archives"));
    let found = open(&gateway, "", "/group/app/-/artifacts?file=APP-");
    let text = html(&found);
    assert!(text.contains(
        "2 files found. 2 archives were looked into, of the newest 100. 1 archive could not be read."
    ));
    let rows: Vec<&str> = text.split("<th scope=\"row\">").skip(1).collect();
    assert!(
        rows[0].contains("app-2.0.exe") && rows[0].contains("11 B") && rows[0].contains(">other<"),
        "{text}"
    );
    assert!(rows[1].contains("5 B") && rows[1].contains("/-/jobs/10\">build</a>"), "{text}");
    let file = open(&gateway, "", &link(text, "dist/App-1.0.exe"));
    assert!(html(&file).contains("<h1>App-1.0.exe</h1>"));
    let folder = open(&gateway, "", &link(text, "dist/"));
    assert!(html(&folder).contains("a.txt") && !folder.text().contains("b.txt"));
    let none = open(&gateway, "", "/group/app/-/artifacts?file=%3Cb%3E");
    let said = "No file that could be looked at has <q>&#60;b&#62;</q> in its path";
    assert!(html(&none).contains(said), "an archive cannot be read: {}", none.text());
    assert_eq!(link(none.text(), "All artifacts"), "/group/app/-/artifacts");
    assert!(html(&open(&gateway, "", "/group/app/-/artifacts?file=")).contains("<h1>Artifacts</h1>"));
}

fn only_what_one_may_read_and_is_there_is_searched(gateway: Gateway) {
    let zip = |name: &str| zips::deflated(&[(name, b"x")]);
    Fixture::project("group/app")
        .public()
        .members()
        .keep_latest(false)
        .pipeline(100, "main")
        .job(10, "open")
        .archive(&zip("wanted-open"))
        .job(11, "private")
        .archive(&zip("wanted-private"))
        .accessibility("maintainer")
        .job(12, "old")
        .archive(&zip("wanted-old"))
        .expire_in("1 hour")
        .and_project("group/other")
        .public()
        .pipeline(200, "main")
        .job(20, "other")
        .archive(&zip("wanted-other"))
        .load(&gateway);
    gateway.advance_clock(3600);
    let names = |token: &str| {
        let page = open(&gateway, token, "/group/app/-/artifacts?file=wanted");
        let rows = html(&page).split("<th scope=\"row\">").skip(1);
        rows.map(|row| row.split("</a>").next().unwrap().rsplit('>').next().unwrap().to_owned())
            .collect::<Vec<String>>()
    };
    assert_eq!(names(""), ["wanted-open"]);
    assert_eq!(names(MAINTAINER), ["wanted-private", "wanted-open"]);
}

fn a_search_is_bounded_and_says_so(gateway: Gateway) {
    let many: Vec<String> = (0..300).map(|number| format!("file-{number}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let mut fixture = Fixture::project("group/app").public().pipeline(100, "main");
    fixture = fixture.job(1, "oldest").archive(&zips::deflated(&[("rare", b"x")]));
    for id in 2..=101 {
        fixture = fixture.job(id, &format!("job {id}")).archive(&zips::deflated(&[("common", b"x")]));
    }
    fixture
        .and_project("group/large")
        .public()
        .pipeline(200, "main")
        .job(200, "a")
        .archive(&zips::deflated(&many))
        .load(&gateway);
    let rare = open(&gateway, "", "/group/app/-/artifacts?file=rare");
    assert!(html(&rare).contains("No file has"), "the archive is the 101st: {}", rare.text());
    let large = open(&gateway, "", "/group/large/-/artifacts?file=file-");
    assert!(html(&large).contains("There are more than the 200 files that are shown"));
    assert_eq!(large.text().matches("<th scope=\"row\">").count(), 200);
}

fn a_job_says_how_many_files_its_archives_hold(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&zips::deflated(&[("d/", b""), ("d/a.txt", b"a"), ("b.txt", b"b")]))
        .load(&gateway);
    let page = open(&gateway, "", "/group/app/-/jobs/10");
    let files = "<td data-label=\"Files\" class=\"number\">2</td>";
    assert!(html(&page).contains(files), "{}", page.text());
}
