//! Disks that do not answer: under the store, and under SQLite's files.

use std::io::Read;
use std::net::TcpStream;

use crate::support::disk::{Disk, LARGE_BYTES};
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::http_client::{Answer, Request, read_answer};
use crate::support::until;

/// More than there are threads that wait for the store's disk, and connections to the database.
const CROWD: usize = 150;

fn is_unavailable(answer: &Answer) {
    let body = r#"{"message":"503 Service Unavailable"}"#;
    assert_eq!((answer.status, answer.header("retry-after"), answer.text()), (503, Some("5"), body));
}

fn ask(disk: &Disk, path: &str) -> TcpStream {
    Request::new(disk.serving.address(), "GET", path).private_token(fixtures::ADMIN).connect()
}

fn lives(disk: &Disk) {
    for _ in 0..20 {
        assert_eq!(disk.get("/-/liveness").error(), (200, r#"{"status":"ok"}"#));
        assert_eq!(disk.get("/-/health").text(), "artigate OK");
    }
}

#[test]
fn a_store_whose_disk_does_not_answer_refuses_its_readers_in_time_and_everything_else_goes_on() {
    let disk = Disk::under("artigate-data/blobs", &[("ARTIGATE_STORAGE__TIMEOUT", "1")]);
    let paths = [
        ARCHIVE.to_owned(),
        format!("{ARCHIVE}/a.txt"),
        format!("{ARCHIVE}/tree"),
        format!("{ARCHIVE}/large"),
    ];
    for path in &paths {
        assert_eq!(disk.get(path).status, 200, "{path}");
    }
    let mut under_way = ask(&disk, ARCHIVE);
    under_way.read_exact(&mut [0; 1]).unwrap();
    disk.stops();
    let crowd: Vec<TcpStream> = (0..CROWD).map(|number| ask(&disk, &paths[number % paths.len()])).collect();
    lives(&disk);
    for path in ["/api/v4/projects", "/api/v4/projects/1/jobs", "/api/v4/projects/1/jobs/10"] {
        assert_eq!(disk.get(path).status, 200, "{path}");
    }
    let keep = Request::new(disk.serving.address(), "POST", &format!("{ARCHIVE}/keep"));
    assert_eq!(keep.private_token(fixtures::ADMIN).send().status, 200, "facts are changed");
    for stream in crowd {
        is_unavailable(&read_answer(stream, false).unwrap());
    }
    let ready = disk.get("/-/readiness");
    assert_eq!(
        ready.error(),
        (503, r#"{"db_check":[{"status":"ok"}],"status":"failed","store_check":[{"status":"failed"}]}"#)
    );
    lives(&disk);
    let mut rest = Vec::new();
    let _ = under_way.read_to_end(&mut rest);
    assert!(rest.len() < LARGE_BYTES, "what has begun is cut off");
    disk.goes_on();
    until(10_000, "readiness is as it should be", || disk.get("/-/readiness").status == 200);
    for path in &paths {
        assert_eq!(disk.get(path).status, 200, "{path}");
    }
    assert_eq!(disk.serving.stop(), Some(0));
}

#[test]
fn a_database_whose_disk_does_not_answer_refuses_its_readers_in_time_and_the_node_lives_on() {
    let disk = Disk::under("artigate-data/artigate.db", &[("ARTIGATE_DATABASE__TIMEOUT", "1")]);
    let (downloads, lists) =
        ([ARCHIVE.to_owned(), format!("{ARCHIVE}/a.txt")], ["/api/v4/projects", "/api/v4/projects/1/jobs"]);
    for path in downloads.iter().map(String::as_str).chain(lists) {
        assert_eq!(disk.get(path).status, 200, "{path}");
    }
    disk.stops();
    let crowd: Vec<TcpStream> =
        (0..CROWD).map(|number| ask(&disk, &downloads[number % downloads.len()])).collect();
    lives(&disk);
    for stream in crowd {
        is_unavailable(&read_answer(stream, false).unwrap());
    }
    for path in lists {
        is_unavailable(&disk.get(path));
    }
    let ready = disk.get("/-/readiness");
    assert_eq!(
        ready.error(),
        (503, r#"{"db_check":[{"status":"failed"}],"status":"failed","store_check":[{"status":"ok"}]}"#)
    );
    lives(&disk);
    disk.goes_on();
    until(10_000, "readiness is as it should be", || disk.get("/-/readiness").status == 200);
    for path in downloads.iter().map(String::as_str).chain(lists) {
        assert_eq!(disk.get(path).status, 200, "{path}");
    }
    assert_eq!(disk.serving.stop(), Some(0));
}
