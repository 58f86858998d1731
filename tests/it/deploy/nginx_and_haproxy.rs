//! Requests that a proxy must pass unchanged: large uploads of known and unknown length, rejections of
//! clients that are still sending, encoded slashes, ranges, conditional requests, compressed answers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::fronts::{Front, Kind};
use crate::support::zips;

const UPLOAD: &str = "/api/v4/jobs/1015/artifacts";
const UPLOADED: &str = "/api/v4/projects/demo%2Fsite/jobs/1015/artifacts";
const ALICE: &str = "PRIVATE-TOKEN: glpat-demo-alice";
const RUNNING: &str = "JOB-TOKEN: glcbt-64_demo-upload";

/// The status, the headers' text and the body.
pub(super) struct Got {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Returns the answer as curl sees it; a transfer that breaks fails the test.
pub(super) fn curl(front: &Front, arguments: &[&str], path: &str) -> Got {
    let [head, body] = ["got-head", "got-body"].map(|name| front.folder.path().join(name));
    let mut command = Command::new("curl");
    command.args(["-sS", "-k", "--path-as-is", "-w", "%{http_code}", "-D"]).arg(&head).arg("-o").arg(&body);
    command.args(arguments).arg(format!("{}{path}", front.base_url));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    let status = String::from_utf8_lossy(&output.stdout).parse().unwrap();
    let got = |path: &Path| std::fs::read(path).unwrap_or_default();
    let answer = Got { status, head: String::from_utf8_lossy(&got(&head)).into_owned(), body: got(&body) };
    let _ = std::fs::remove_file(&body);
    answer
}

/// A log, once this is in it: lines are written behind the answer.
fn once_it_says(read: impl Fn() -> String, text: &str) -> String {
    for _ in 0..10_000 {
        let log = read();
        if log.contains(text) {
            return log;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("{text} is not logged: {}", read());
}

/// An archive of more than 10 MB, and the file that curl uploads.
fn archive(front: &Front) -> (Vec<u8>, String) {
    let archive = zips::deflated(&[
        ("a/b c+d%.txt", b"hello"),
        ("a/big.bin", &zips::noise(11_000_000)),
        ("text", &b"again and again ".repeat(5_000)),
    ]);
    let file = front.folder.path().join("up.zip");
    std::fs::write(&file, &archive).unwrap();
    (archive, format!("file=@{}", file.display()))
}

/// All that a proxy could get wrong, once.
fn everything_gets_through(kind: Kind) {
    let front = Front::start(kind);
    let (archive, form) = archive(&front);
    let chunked = ["-H", "Transfer-Encoding: chunked"];
    for length in [&[][..], &chunked] {
        let got = curl(&front, &[&["-H", RUNNING, "-F", &form], length].concat(), UPLOAD);
        assert_eq!((got.status, got.text().as_str()), (201, "201"), "{}", front.log());
    }
    for length in [&[][..], &["-H", "Expect:"], &chunked] {
        for _ in 0..2 {
            let got = curl(&front, &[&["-H", "JOB-TOKEN: wrong", "-F", &form], length].concat(), UPLOAD);
            assert_eq!((got.status, got.text().as_str()), (403, r#"{"message":"403 Forbidden"}"#));
        }
    }
    let get = |arguments: &[&str], path: &str| {
        curl(&front, &[&["-H", ALICE], arguments].concat(), &format!("{UPLOADED}{path}"))
    };
    let whole = get(&[], "");
    assert!(whole.status == 200 && whole.body == archive);
    let part = get(&["-r", "10000000-10000099"], "");
    assert_eq!((part.status, &part.body[..]), (206, &archive[10_000_000..=10_000_099]));
    let tag = whole.header("etag").unwrap();
    assert_eq!(get(&["-H", &format!("If-None-Match: {tag}")], "").status, 304);
    assert_eq!(get(&["-I"], "").header("content-length"), Some(archive.len().to_string().as_str()));
    assert_eq!(get(&[], "/a/b%20c+d%25.txt").text(), "hello");
    let packed = get(&["-H", "Accept-Encoding: gzip"], "/text");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.header("etag").unwrap().starts_with('"'), "a strong tag: {}", packed.head);
    assert_eq!(get(&[], "/text").text(), "again and again ".repeat(5_000));
    assert!(get(&[], "/tree?path=a").text().contains("big.bin"));
    let folder = get(&[], "?path=a").body;
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(folder)).unwrap().len(), 2);
    for outside in ["/../x", "/a/..%2Fb", "//a"] {
        let got = get(&[], outside);
        assert_eq!((got.status, got.header("content-type")), (400, Some("application/json")), "{outside}");
    }
    let by_ref = "/api/v4/projects/demo%2Fsite/jobs/artifacts/feature%2Fnew-look/download?job=build";
    assert_eq!(curl(&front, &[], by_ref).status, 200);
    assert_eq!(get(&["-X", "POST"], "/keep").status, 200);
    assert_eq!(get(&["-X", "DELETE"], "").status, 204);
    assert_eq!((get(&[], "").status, get(&["-X", "POST"], "/keep").status), (404, 404));
}

#[test]
fn everything_gets_through_nginx() {
    everything_gets_through(Kind::Nginx);
}

#[test]
fn everything_gets_through_nginx_with_tls_and_http_2() {
    everything_gets_through(Kind::NginxWithTls);
}

#[test]
fn everything_gets_through_nginx_in_front_of_a_gitlab() {
    everything_gets_through(Kind::NginxBeforeGitlab);
}

#[test]
fn everything_gets_through_haproxy() {
    everything_gets_through(Kind::Haproxy);
}

#[test]
fn everything_gets_through_haproxy_with_tls_and_http_2() {
    everything_gets_through(Kind::HaproxyWithTls);
}

#[test]
fn everything_gets_through_haproxy_in_front_of_a_gitlab() {
    everything_gets_through(Kind::HaproxyBeforeGitlab);
}

#[test]
fn with_one_of_two_nodes_stopped_no_request_fails() {
    for kind in [Kind::Nginx, Kind::Haproxy] {
        let mut front = Front::start(kind);
        let (_, form) = archive(&front);
        let round = |front: &Front| {
            for _ in 0..3 {
                assert_eq!(curl(front, &["-H", RUNNING, "-F", &form], UPLOAD).status, 201, "{}", front.log());
                assert_eq!(curl(front, &["-H", ALICE], &format!("{UPLOADED}/text")).status, 200);
                assert_eq!(curl(front, &["-H", ALICE, "-X", "DELETE"], UPLOADED).status, 204);
            }
        };
        round(&front);
        assert_eq!(front.nodes.remove(0).stop(), Some(0));
        round(&front);
    }
}

#[test]
fn in_front_of_a_gitlab_only_the_paths_of_artifacts_come_here() {
    for kind in [Kind::NginxBeforeGitlab, Kind::HaproxyBeforeGitlab] {
        let front = Front::start(kind);
        for (path, status) in [
            ("/api/v4/projects/1/jobs/artifacts/feature/new-look/download?job=build", 200),
            ("/api/v4/projects/demo%2Fsite/jobs/artifacts/main/raw/README.txt?job=build", 200),
            ("/api/v4/projects/demo%2Fsite/jobs/1003/artifacts", 200),
            ("/api/v4/projects/demo%2Fsite/jobs/1003/artifacts/tree", 200),
            ("/api/v4/projects/1/artifacts", 404),
            ("/api/v4/jobs/1016/artifacts", 401),
            ("/api/v4/jobs/request", 404),
            ("/api/v3/repos/demo/site/actions/artifacts", 200),
            ("/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts", 404),
            ("/-/blobs/x", 403),
            ("/api/registry/v1/projects/1", 404),
        ] {
            let got = curl(&front, &[], path);
            assert_eq!(got.status, status, "{path}");
            assert!(!got.text().starts_with("gitlab: "), "{path}");
        }
        for path in [
            "/",
            "/api/v4/projects/group%2Fartifacts",
            "/api/v4/projects/a%2Fjobs%2F5%2Fartifacts",
            "/api/v4/projects/1/jobs",
            "/api/v4/projects/1/jobs/1003",
            "/api/v4/projects/1/jobs/1003/erase",
            "/api/v4/projects/1/repository/files/a%2Fartifacts/raw",
            "/api/v4/jobs/1015/trace",
            "/api/v4/jobs/request/x",
            "/api/v4/jobs/requests",
            "/demo/site/-/jobs/1003/artifacts/download",
            "/search?q=/api/v4/jobs/1/artifacts",
            "/demo/api/v3/repos",
            "/demo/site/-/blobs/x",
        ] {
            assert_eq!(curl(&front, &[], path).text(), format!("gitlab: GET {path}"));
        }
    }
}

#[test]
fn the_nodes_know_whom_a_request_comes_from() {
    for kind in [Kind::Nginx, Kind::NginxBeforeGitlab, Kind::Haproxy, Kind::HaproxyBeforeGitlab] {
        let front = Front::start(kind);
        let by_another = ["--interface", "127.0.0.2", "-H", "X-Forwarded-For: 203.0.113.9"];
        assert_eq!(curl(&front, &by_another, UPLOADED).status, 404);
        let log = once_it_says(|| front.log_of_nodes(), UPLOADED);
        let line = log.lines().find(|line| line.contains(UPLOADED)).unwrap();
        assert!(line.contains("127.0.0.2") && !line.contains("203.0.113.9"), "{kind:?}: {line}");
    }
}

#[test]
fn addresses_in_answers_are_the_proxys_whatever_a_client_says_of_itself() {
    for kind in [
        Kind::Nginx,
        Kind::NginxWithTls,
        Kind::NginxBeforeGitlab,
        Kind::Haproxy,
        Kind::HaproxyWithTls,
        Kind::HaproxyBeforeGitlab,
    ] {
        let front = Front::start(kind);
        let path = "/api/v4/projects/demo%2Fsite/jobs/1003/artifacts/tree?per_page=1";
        let claims = [
            ["-H", "X-Forwarded-Host: evil.example"],
            ["-H", "X-Forwarded-Proto: gopher"],
            ["-H", "Forwarded: host=evil.example;proto=gopher"],
        ];
        for arguments in [&[][..], &claims.concat()] {
            let got = curl(&front, arguments, path);
            let link = got.header("link").unwrap_or_else(|| panic!("{kind:?}: {}", got.head));
            assert!(link.starts_with(&format!("<{}/api/v4/", front.base_url)), "{kind:?}: {link}");
            assert!(!link.contains("evil"), "{kind:?}: {link}");
        }
    }
}

#[test]
fn a_token_in_the_query_is_not_logged() {
    for kind in [Kind::Nginx, Kind::Haproxy, Kind::HaproxyBeforeGitlab] {
        let front = Front::start(kind);
        let path = format!("{UPLOADED}?private_token=glpat-demo-alice");
        assert_eq!(curl(&front, &[], &path).status, 404);
        let log = once_it_says(|| front.log(), UPLOADED);
        assert!(!log.contains("glpat-demo-alice"), "{log}");
    }
}
