//! curl: uploads, resumed and partial downloads, conditional requests, compressed answers.

use std::path::Path;
use std::process::Command;

use super::{read, run};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;

/// Fetches to a file; the answer's status, the number of bytes received and `Content-Encoding`.
fn fetch(target: &Path, arguments: &[&str], url: &str) -> (u16, usize, String) {
    let said = run(Command::new("curl")
        .args(["-sS", "--fail", "-w", "%{http_code} %{size_download} %header{content-encoding}", "-o"])
        .arg(target)
        .args(arguments)
        .arg(url));
    let mut words = said.split(' ');
    let mut next = || words.next().unwrap_or_default();
    (next().parse().unwrap(), next().parse().unwrap(), next().to_owned())
}

on_both_databases!(
    curl_uploads_with_and_without_a_known_length_and_downloads,
    curl_shows_a_refusal_while_it_still_uploads
);

fn curl_uploads_with_and_without_a_known_length_and_downloads(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let archive = zips::deflated(&[("a/b.bin", &zips::noise(3 << 20))]);
    let file = gateway.write_file("up.zip", &archive);
    let base = format!("{}/api/v4", gateway.base_url());
    let form = format!("file=@{}", file.display());
    // Larger than a megabyte: curl asks with Expect: 100-continue first.
    let sent = run(Command::new("curl").args([
        "-sS",
        "--fail",
        "-H",
        &format!("JOB-TOKEN: {}", fixtures::RUNNING),
        "-F",
        &form,
        &format!("{base}/jobs/20/artifacts?expire_in=1+week"),
    ]));
    assert_eq!(sent, "201");
    let sent = run(Command::new("curl").args([
        "-sS",
        "--fail",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        &format!("JOB-TOKEN: {}", fixtures::RUNNING),
        "-F",
        &form,
        &format!("{base}/jobs/20/artifacts"),
    ]));
    assert_eq!(sent, "201");
    let down = gateway.path().join("down");
    std::fs::create_dir(&down).unwrap();
    run(Command::new("curl").current_dir(&down).args([
        "-sS",
        "--fail",
        "-OJ",
        "-H",
        &format!("PRIVATE-TOKEN: {}", fixtures::REPORTER),
        &format!("{base}/projects/group%2Fproject/jobs/20/artifacts"),
    ]));
    assert!(read(&down, "up.zip") == archive, "saved under the name that it was uploaded with");
    run(Command::new("curl")
        .args(["-sS", "--fail", "-o"])
        .arg(gateway.path().join("one"))
        .arg(format!("{base}/projects/group%2Fproject/jobs/20/artifacts/a/b.bin")));
    assert!(read(gateway.path(), "one") == zips::noise(3 << 20));
    run(Command::new("unzip").args(["-tq"]).arg(down.join("up.zip")));
}

fn curl_shows_a_refusal_while_it_still_uploads(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let file = gateway.write_file("big", &zips::noise(8 << 20));
    let form = format!("file=@{}", file.display());
    for _ in 0..5 {
        let said = run(Command::new("curl").args([
            "-sS",
            "-w",
            " %{http_code}",
            "-H",
            "JOB-TOKEN: wrong",
            "-F",
            &form,
            &format!("{}/api/v4/jobs/20/artifacts", gateway.base_url()),
        ]));
        assert_eq!(said, r#"{"message":"403 Forbidden"} 403"#);
    }
}

#[test]
fn a_large_file_streams_through_curl_in_full() {
    let gateway = Gateway::on_sqlite();
    let content = [vec![0; 40 << 20], zips::noise(4 << 20)].concat();
    fixtures::small(&gateway, &zips::deflated(&[("big", &content)]));
    let target = gateway.path().join("big");
    run(Command::new("curl").args(["-sS", "--fail", "-o"]).arg(&target).arg(format!(
        "{}{}/big",
        gateway.base_url(),
        fixtures::ARCHIVE
    )));
    assert!(read(gateway.path(), "big") == content);
}

#[test]
fn curl_resumes_an_archive_where_it_was_cut_off() {
    let gateway = Gateway::on_sqlite();
    let archive = zips::deflated(&[("a", &zips::noise(3 << 20))]);
    fixtures::small(&gateway, &archive);
    let target = gateway.write_file("down.zip", &archive[..1_000_000]);
    let url = format!("{}{}", gateway.base_url(), fixtures::ARCHIVE);
    let resumed = fetch(&target, &["-C", "-"], &url);
    assert_eq!(resumed, (206, archive.len() - 1_000_000, String::new()));
    assert!(read(gateway.path(), "down.zip") == archive);
}

#[test]
fn curl_fetches_a_part_of_a_single_file() {
    let gateway = Gateway::on_sqlite();
    let content = zips::noise(100_000);
    fixtures::small(&gateway, &zips::deflated(&[("a/b.bin", &content)]));
    let url = format!("{}{}/a/b.bin", gateway.base_url(), fixtures::ARCHIVE);
    for (range, expected) in [("100-199", &content[100..200]), ("-50", &content[99_950..])] {
        // A part is never packed, whatever the client would take.
        let got = fetch(&gateway.path().join("part"), &["--compressed", "-r", range], &url);
        assert_eq!(got, (206, expected.len(), String::new()));
        assert!(read(gateway.path(), "part") == *expected, "{range}");
    }
}

#[test]
fn curl_does_not_fetch_again_what_it_has() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &zips::deflated(&[("a/b.txt", &b"again and again ".repeat(1000))]));
    let [first, second, tag] = ["first", "second", "tag"].map(|name| gateway.path().join(name));
    let (second_name, tag_name) = (second.to_str().unwrap(), tag.to_str().unwrap());
    for path in ["", "/a/b.txt"] {
        for packed in [&[] as &[&str], &["--compressed"]] {
            let url = format!("{}{}{path}", gateway.base_url(), fixtures::ARCHIVE);
            let with = |arguments: &[&'static str]| [packed, arguments].concat();
            // -R gives the file the time that the server said.
            assert_eq!(fetch(&first, &with(&["-R"]), &url).0, 200);
            let newer_only = ["-z", first.to_str().unwrap()];
            assert_eq!(fetch(&second, &[packed, &newer_only].concat(), &url), (304, 0, String::new()));
            assert_eq!(fetch(&second, &with(&["-z", "2001-01-01"]), &url).0, 200);

            assert_eq!(fetch(&second, &[packed, &["--etag-save", tag_name]].concat(), &url).0, 200);
            let same_tag = [packed, &["--etag-compare", tag_name]].concat();
            assert_eq!(fetch(&first, &same_tag, &url), (304, 0, String::new()));
            std::fs::write(&tag, "\"another\"\n").unwrap();
            assert_eq!(fetch(&first, &same_tag, &url).0, 200);
            assert!(read(gateway.path(), "first") == read(gateway.path(), second_name));
        }
    }
}

#[test]
fn curl_unpacks_a_single_file_that_came_packed() {
    let gateway = Gateway::on_sqlite();
    let content = b"again and again ".repeat(10_000);
    fixtures::small(&gateway, &zips::deflated(&[("a/b.txt", &content)]));
    let url = format!("{}{}/a/b.txt", gateway.base_url(), fixtures::ARCHIVE);
    let (status, received, coding) = fetch(&gateway.path().join("file"), &["--compressed"], &url);
    assert_eq!((status, coding.as_str()), (200, "gzip"));
    assert!(received < content.len() / 10, "{received} bytes were received");
    assert!(read(gateway.path(), "file") == content);
    let plain = fetch(&gateway.path().join("file"), &[], &url);
    assert_eq!(plain, (200, content.len(), String::new()));
    assert!(read(gateway.path(), "file") == content);
}
