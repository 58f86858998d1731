//! A server with its blobs in a bucket: its requests to the bucket, its redirects, and its answers when the
//! bucket fails.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::program::artigate;
use crate::support::bucket::{self, Fault, Proxy, Seen, Stub};
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form};
use crate::support::zips;

/// A gateway whose bucket is behind a proxy.
fn behind_a_proxy() -> (Gateway, Proxy) {
    let proxy = Proxy::start();
    let gateway = Gateway::in_a_bucket(proxy.address, |_| {});
    (gateway, proxy)
}

fn redirecting() -> Gateway {
    Gateway::in_a_bucket(bucket::server(), |settings| settings.direct_download = true)
}

fn upload(gateway: &Gateway, content: &[u8]) -> Answer {
    gateway
        .post(UPLOAD)
        .job_token(RUNNING)
        .chunked_form(Form::default().file("artifacts.zip", content))
        .send()
}

/// More entries than fit into the part of an archive that is usually fetched first.
fn many_entries() -> Vec<u8> {
    let names: Vec<String> = (0..5_000).map(|number| format!("some/folder/file-{number:05}")).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), &b"content of a file"[..])).collect();
    zips::deflated(&files)
}

fn ranged_gets(seen: &[Seen]) -> usize {
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.range.is_some()), "{seen:?}");
    seen.len()
}

#[test]
fn everything_a_directory_serves_a_bucket_serves() {
    let gateway = Gateway::in_a_bucket(bucket::server(), |_| {});
    fixtures::small(&gateway, b"");
    let big = zips::noise(9 << 20);
    let archive = zips::deflated(&[("a/small.txt", b"hello"), ("a/big.bin", &big), ("other", b"x")]);
    assert_eq!(upload(&gateway, &archive).error(), (201, "201"));
    let whole = gateway.get(UPLOADED).send();
    assert!(whole.complete && whole.body == archive);
    assert_eq!(gateway.get(&format!("{UPLOADED}/a/small.txt")).send().text(), "hello");
    assert!(gateway.get(&format!("{UPLOADED}/a/big.bin")).send().body == big);
    let part = gateway.get(&format!("{UPLOADED}/a/big.bin")).header("Range", "bytes=9000000-9000099").send();
    assert_eq!((part.status, &part.body[..]), (206, &big[9_000_000..9_000_100]));
    let part = gateway.get(UPLOADED).header("Range", "bytes=-100").send();
    assert_eq!((part.status, &part.body[..]), (206, &archive[archive.len() - 100..]));
    let folder = gateway.get(&format!("{UPLOADED}?path=a")).send();
    assert!(folder.complete);
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(folder.body)).unwrap().len(), 2);
    assert!(gateway.get(&format!("{UPLOADED}/tree?path=a")).send().text().contains("big.bin"));
    assert_eq!(upload(&gateway, &archive).status, 201, "the same again");
    assert_eq!(upload(&gateway, b"other").status, 400);
}

#[test]
fn a_single_file_costs_two_reads_when_cold_and_one_when_warm() {
    let (gateway, proxy) = behind_a_proxy();
    fixtures::small(&gateway, b"");
    assert_eq!(upload(&gateway, &many_entries()).status, 201);
    gateway.load(&format!("projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: a, status: success, jobs: [{{id: 10, name: build, status: success, artifacts: [{{file: {}}}]}}]}}]}}]",
        gateway.write_file("many.zip", &many_entries()).display()));
    for path in [UPLOADED, ARCHIVE] {
        proxy.take_seen();
        for (number, expected) in [(7, 2), (7, 1), (4_999, 1), (0, 1)] {
            let answer = gateway.get(&format!("{path}/some/folder/file-{number:05}")).send();
            assert_eq!((answer.status, answer.text()), (200, "content of a file"));
            assert_eq!(ranged_gets(&proxy.take_seen()), expected, "file {number}");
        }
        assert_eq!(gateway.get(&format!("{path}/tree?per_page=1")).send().status, 200);
        assert_eq!(gateway.head(&format!("{path}/some/folder/file-00001")).send().status, 200);
        assert_eq!(gateway.head(path).send().status, 200);
        assert_eq!(proxy.take_seen(), [], "what the index knows is not asked again");
        assert_eq!(gateway.get(path).send().status, 200);
        assert_eq!(ranged_gets(&proxy.take_seen()), 1);
    }
}

#[test]
fn whoever_follows_redirects_is_sent_to_the_bucket() {
    let gateway = redirecting();
    let archive = zips::deflated(&[("a/b.txt", b"hello")]);
    fixtures::small(&gateway, &archive);
    assert_eq!(upload(&gateway, &archive).status, 201);
    let by_ref = "/api/v4/projects/1/jobs/artifacts/main/download?job=build";
    for (path, head) in [(ARCHIVE, false), (by_ref, false), (ARCHIVE, true)] {
        let request = if head { gateway.head(path) } else { gateway.get(path) };
        let answer = request.send();
        assert_eq!((answer.status, answer.header("cache-control")), (302, Some("no-store")), "{path}");
        let address = answer.header("location").unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "-D", "-"]).args(if head { &["-I"][..] } else { &[] }).arg(address);
        let got = curl.output().unwrap();
        assert!(got.status.success(), "{path}: {}", String::from_utf8_lossy(&got.stderr));
        let printed = String::from_utf8_lossy(&got.stdout).to_lowercase();
        assert!(printed.contains("content-disposition: attachment; filename=\"artifacts.zip\""), "{printed}");
        assert!(head || got.stdout.ends_with(&archive));
    }
    let runner =
        |query: &str| gateway.get(&format!("/api/v4/jobs/20/artifacts{query}")).job_token(RUNNING).send();
    assert_eq!(runner("?direct_download=true").status, 302);
    assert_eq!((runner("").status, runner("?direct_download=false").status), (200, 200));
    for streamed in ["/a/b.txt", "?path=a", "/tree"] {
        assert_eq!(gateway.get(&format!("{ARCHIVE}{streamed}")).send().status, 200, "{streamed}");
    }
    let tag = format!("\"{}\"", artigate::domain::Sha256Digest::of(&archive));
    assert_eq!(
        gateway.get(ARCHIVE).header("If-None-Match", &tag).send().status,
        304,
        "nothing to fetch there"
    );
    assert_eq!(gateway.get(ARCHIVE).header("If-Match", "\"other\"").send().status, 412);
}

#[test]
fn curl_follows_to_the_bucket_and_leaves_its_token_behind() {
    let gateway = redirecting();
    let archive = zips::deflated(&[("a", &zips::noise(100_000))]);
    fixtures::small(&gateway, &archive);
    let target = gateway.path().join("down.zip");
    let output = Command::new("curl")
        .args(["-sSL", "--fail", "-H", &format!("Authorization: Bearer {}", fixtures::REPORTER), "-o"])
        .arg(&target)
        .arg(format!("{}{ARCHIVE}", gateway.base_url()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(target).unwrap() == archive);
}

#[test]
fn a_failing_bucket_is_a_503_and_service_returns_by_itself() {
    let (gateway, proxy) = behind_a_proxy();
    let archive = zips::deflated(&[("a.txt", b"hello"), ("b.bin", &zips::noise(2 << 20))]);
    fixtures::small(&gateway, &archive);
    assert_eq!(gateway.get(&format!("{ARCHIVE}/a.txt")).send().status, 200);
    for fault in [Fault::Status(503), Fault::Close, Fault::Status(403)] {
        proxy.fail(fault);
        for (answer, what) in [
            (gateway.get(ARCHIVE).send(), "whole"),
            (gateway.get(&format!("{ARCHIVE}/a.txt")).send(), "file"),
            (upload(&gateway, b"archive"), "upload"),
            (gateway.get("/-/readiness").send(), "readiness"),
        ] {
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (503, Some("5")),
                "{what}, {fault:?}: {}",
                answer.text()
            );
        }
        assert_eq!(gateway.get("/-/liveness").send().status, 200);
        proxy.fail(Fault::None);
        assert!(gateway.get(ARCHIVE).send().body == archive);
        assert_eq!(gateway.get(&format!("{ARCHIVE}/a.txt")).send().text(), "hello");
    }
    assert_eq!(gateway.get(UPLOADED).send().status, 404, "a refused upload left nothing behind");
    assert_eq!(upload(&gateway, &archive).status, 201);
}

#[test]
fn a_bucket_that_hangs_is_given_up_and_a_slow_one_is_waited_for() {
    let proxy = Proxy::start();
    let gateway =
        Gateway::in_a_bucket(proxy.address, |settings| settings.storage_timeout = Duration::from_secs(1));
    let archive = zips::deflated(&[("a.txt", b"hello")]);
    fixtures::small(&gateway, &archive);
    proxy.fail(Fault::Hang);
    let answer = gateway.get(ARCHIVE).send();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    proxy.fail(Fault::Delay(300));
    assert!(gateway.get(ARCHIVE).send().body == archive);
    assert_eq!(gateway.get(&format!("{ARCHIVE}/a.txt")).send().text(), "hello");
}

#[test]
fn an_answer_that_the_bucket_cuts_short_is_not_taken_for_a_whole_one() {
    let (gateway, proxy) = behind_a_proxy();
    let archive = zips::deflated(&[("a.txt", b"hello"), ("b.bin", &zips::noise(2 << 20))]);
    fixtures::small(&gateway, &archive);
    // Each try to go on where it was cut off gets a little further, and the last one gives up.
    proxy.fail(Fault::Truncate(1_000));
    let whole = gateway.get(ARCHIVE).send();
    assert!(whole.status == 503 || !whole.complete, "{} {}", whole.status, whole.body.len());
    assert!(archive.starts_with(&whole.body) || whole.status == 503);
    proxy.fail(Fault::None);
    assert!(gateway.get(ARCHIVE).send().body == archive);
}

#[test]
fn a_bucket_that_does_not_exist_is_a_503_and_no_clients_404() {
    for stub in [Stub::NoBucket, Stub::Refuses("AccessDenied")] {
        let gateway = Gateway::in_a_bucket(stub.start(), |_| {});
        gateway
            .load(&fixtures::small_document().replace("artifacts: [{file: archive.zip}]", "artifacts: []"));
        for bytes in [1_000, 20 << 20] {
            let answer = upload(&gateway, &zips::noise(bytes));
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (503, Some("5")),
                "{stub:?}, {bytes} bytes"
            );
        }
        assert_eq!(gateway.get("/-/readiness").send().status, 503, "{stub:?}");
    }
}

#[test]
fn a_server_does_not_start_on_a_bucket_that_it_cannot_work_with_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let dead = bucket::nobody();
    let start = |endpoint: SocketAddr, with_key: bool| {
        let mut command = artigate(folder.path(), &["serve"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .env("ARTIGATE_STORAGE__URL", "s3://some-bucket/prefix")
            .env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0");
        command.envs(bucket::variables(endpoint));
        if !with_key {
            // Where a machine in a cloud would be asked.
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            command.env("AWS_METADATA_ENDPOINT", format!("http://{dead}"));
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
            said.push_str(&line);
            if line.contains("listening on") {
                child.kill().unwrap();
            }
        }
        (child.wait().unwrap().code(), said)
    };
    for (endpoint, with_key, says) in [
        (Stub::NoBucket.start(), true, "storage.url: bucket some-bucket does not exist"),
        (Stub::Refuses("InvalidAccessKeyId").start(), true, "does not know the key in AWS_ACCESS_KEY_ID"),
        (Stub::Refuses("SignatureDoesNotMatch").start(), true, "AWS_SECRET_ACCESS_KEY is not the secret"),
        (
            Stub::Refuses("AccessDenied").start(),
            true,
            "access denied (AccessDenied): the key needs s3:ListBucket on bucket some-bucket",
        ),
        (
            Stub::ReadsOnly.start(),
            true,
            "the key needs s3:PutObject and s3:AbortMultipartUpload on bucket some-bucket",
        ),
        (dead, true, "cannot be reached"),
        (dead, false, "storage.url: no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ] {
        let (code, said) = start(endpoint, with_key);
        assert!(code == Some(2) && said.contains(says), "{says}: {code:?} {said}");
        assert!(!said.contains(bucket::SECRET_KEY) && !said.contains("listening on"), "{said}");
    }
}

#[test]
fn credentials_that_cannot_be_any_are_named_before_the_bucket_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let dead = bucket::nobody();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = artigate(folder.path(), arguments);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("ARTIGATE_STORAGE__URL", "s3://some-bucket/prefix").env("AWS_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL", format!("http://{dead}"));
        command.env("AWS_METADATA_ENDPOINT", format!("http://{dead}"));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", bucket::SECRET_KEY));
    for (variables, says) in [
        (vec![], "storage.url: no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (
            vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")],
            "storage.url: no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            vec![("AWS_ACCESS_KEY_ID", ""), secret],
            "incomplete S3 credentials: AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is missing or empty",
        ),
        (
            vec![id],
            "incomplete S3 credentials: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is missing or empty",
        ),
        (vec![("AWS_ACCESS_KEY_ID", "AKIA\n"), secret], "AWS_ACCESS_KEY_ID contains white space"),
        (vec![id, ("AWS_SECRET_ACCESS_KEY", "a b")], "AWS_SECRET_ACCESS_KEY contains white space"),
    ] {
        for arguments in [&["config", "check"][..], &["serve"]] {
            let (code, said) = run(arguments, &variables);
            assert_eq!(code, Some(2), "{arguments:?} {variables:?}: {said}");
            assert!(
                said.contains("storage.url: ") && said.contains(says),
                "{arguments:?} {variables:?}: {said}"
            );
            assert!(!said.contains(bucket::SECRET_KEY), "{said}");
        }
    }
    for variables in
        [vec![id, secret], vec![id, secret, ("AWS_SESSION_TOKEN", "")], vec![("AWS_SKIP_SIGNATURE", "true")]]
    {
        let (code, said) = run(&["config", "check"], &variables);
        assert_eq!((code, said.as_str()), (Some(0), "the settings are valid\n"), "{variables:?}");
    }
    let elsewhere = [id, secret, ("ARTIGATE_STORAGE__URL", "file://blobs")];
    assert_eq!(run(&["config", "check"], &elsewhere).0, Some(0));
    assert!(!folder.path().join("blobs").exists(), "nothing is opened");
}
