//! GitLab Runner's requests, byte for byte as captured on the wire.
//!
//! They upload archives and reports, and download the artifacts of a job that another one depends on.

use std::io::Write;

use crate::support::fixtures::{self, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, read_answer};

/// Archives that runners have written: the legacy writer, fastzip, and fastzip with zstd.
const ARCHIVES: [(&str, &[u8]); 4] = [
    ("legacy", include_bytes!("../../fixtures/archives/site.zip")),
    ("legacy, larger", include_bytes!("../../fixtures/archives/coverage.zip")),
    ("fastzip", include_bytes!("../../fixtures/archives/firmware.zip")),
    ("fastzip with zstd", include_bytes!("../../fixtures/archives/docs-zstd.zip")),
];

const BOUNDARY: &str = "5f3c9d1b7e6a4c2d8f0b1a3e5c7d9f2b4a6c8e0d1f3b5a7c9e2d4f6b8a0c";

/// The chunks that the legacy writer alternates between, and the one of fastzip and raw files, in bytes.
const LEGACY_CHUNKS: &[usize] = &[4096, 12_293];
const FASTZIP_CHUNKS: &[usize] = &[32 * 1024];
/// A gzip report comes in very small ones.
const REPORT_CHUNKS: &[usize] = &[1, 18, 10, 4];

/// Sends what a runner sends: chunked whatever the size, one part, the parameters in the query.
fn upload(
    gateway: &Gateway,
    target: &str,
    token: &str,
    filename: &str,
    content: &[u8],
    chunks: &[usize],
) -> Answer {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let request = gateway
        .post(target)
        .header("User-Agent", "gitlab-runner 19.4.0 (19-4-stable; go1.26.5; linux/amd64)")
        .header("Transfer-Encoding", "chunked")
        .header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("Job-Token", token)
        .header("X-Request-Id", "0123456789abcdef0123456789abcdef")
        .header("Accept-Encoding", "gzip");
    let mut stream = request.connect();
    let mut rest = body.as_slice();
    for size in chunks.iter().cycle() {
        let (chunk, behind) = rest.split_at(rest.len().min(*size));
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
        stream.write_all(chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
        rest = behind;
        // A chunk of no bytes was the last one.
        if chunk.is_empty() {
            break;
        }
    }
    read_answer(stream, false).unwrap()
}

/// One running job for each upload, `t1` and so on their tokens.
fn jobs(gateway: &Gateway, count: usize) {
    fixtures::small(gateway, b"");
    let jobs: Vec<String> = (1..=count)
        .map(|number| {
            format!(
                "{{id: {}, name: j{number}, status: running, user: developer, token: t{number}}}",
                300 + number
            )
        })
        .collect();
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 300, ref: main, sha: c, status: running, user: developer, jobs: [{}]}}]}}]",
        jobs.join(", ")
    ));
}

on_both_databases!(
    archives_arrive_in_the_runners_framing_and_come_back_to_its_downloader,
    a_retry_of_the_whole_upload_is_answered_like_the_first_try,
    reports_follow_the_archive_each_in_an_upload_of_its_own,
    a_download_that_is_refused_is_final_for_the_runner
);

fn archives_arrive_in_the_runners_framing_and_come_back_to_its_downloader(gateway: Gateway) {
    jobs(&gateway, ARCHIVES.len());
    for (number, (writer, archive)) in ARCHIVES.iter().enumerate() {
        let (job, token) = (301 + number, format!("t{}", number + 1));
        let chunks = if writer.starts_with("legacy") { LEGACY_CHUNKS } else { FASTZIP_CHUNKS };
        let target = format!(
            "/api/v4/jobs/{job}/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week"
        );
        let answer = upload(&gateway, &target, &token, "artifacts.zip", archive, chunks);
        assert_eq!(answer.error(), (201, "201"), "{writer}");
        assert_eq!(answer.header("x-request-id"), Some("0123456789abcdef0123456789abcdef"));
        // It takes 200 for done at the first try, direct or not; a redirect would be asked for again.
        for target in ["artifacts?", "artifacts?direct_download=true", "artifacts?direct_download=false"] {
            let request = gateway.get(&format!("/api/v4/jobs/{job}/{target}")).header("Job-Token", &token);
            let answer = request.header("Accept-Encoding", "gzip").send();
            assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{writer}: {target}");
            assert!(answer.complete && answer.body == *archive, "{writer}: {target}");
        }
    }
    let wrong =
        gateway.get("/api/v4/jobs/301/artifacts?direct_download=maybe").header("Job-Token", "t1").send();
    assert_eq!(
        wrong.error(),
        (400, r#"{"error":"direct_download is invalid","message":"direct_download is invalid"}"#)
    );
}

fn a_retry_of_the_whole_upload_is_answered_like_the_first_try(gateway: Gateway) {
    jobs(&gateway, 1);
    // Without parameters the target still ends in a question mark.
    let target = "/api/v4/jobs/301/artifacts?";
    for _ in 0..3 {
        let answer = upload(&gateway, target, "t1", "default.zip", ARCHIVES[0].1, LEGACY_CHUNKS);
        assert_eq!(answer.error(), (201, "201"));
    }
    gateway.until_blobs(2);
    let whole = gateway.get("/api/v4/projects/1/jobs/301/artifacts").private_token(fixtures::REPORTER).send();
    assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"default.zip\""));
}

fn reports_follow_the_archive_each_in_an_upload_of_its_own(gateway: Gateway) {
    jobs(&gateway, 1);
    let junit = include_bytes!("../../fixtures/archives/junit.xml.gz");
    let sast = include_bytes!("../../fixtures/archives/gl-sast-report.json");
    let target = |query: &str| format!("/api/v4/jobs/301/artifacts?{query}");
    for (query, filename, content, chunks) in [
        (
            "artifact_format=zip&artifact_type=archive&expire_in=1+week",
            "artifacts.zip",
            ARCHIVES[2].1,
            FASTZIP_CHUNKS,
        ),
        (
            "artifact_format=gzip&artifact_type=junit&expire_in=1+day",
            "junit.xml.gz",
            &junit[..],
            REPORT_CHUNKS,
        ),
        ("artifact_format=raw&artifact_type=sast", "gl-sast-report.json", &sast[..], FASTZIP_CHUNKS),
    ] {
        let answer = upload(&gateway, &target(query), "t1", filename, content, chunks);
        assert_eq!(answer.error(), (201, "201"), "{query}");
    }
    for (kind, content) in [("archive", ARCHIVES[2].1), ("junit", &junit[..]), ("sast", &sast[..])] {
        let answer = gateway.get(&format!("/api/v4/projects/1/jobs/301/artifacts?file_type={kind}")).send();
        assert!(answer.status == 200 && answer.body == content, "{kind}");
    }
    gateway.advance_clock(2 * 86_400);
    let status = |kind: &str| {
        gateway.get(&format!("/api/v4/projects/1/jobs/301/artifacts?file_type={kind}")).send().status
    };
    assert_eq!((status("archive"), status("junit")), (200, 404), "the short-lived report goes alone");
}

fn a_download_that_is_refused_is_final_for_the_runner(gateway: Gateway) {
    jobs(&gateway, 1);
    let get = |job: i64, token: &str| {
        gateway
            .get(&format!("/api/v4/jobs/{job}/artifacts?direct_download=true"))
            .header("Job-Token", token)
            .send()
            .status
    };
    assert_eq!(get(301, "t1"), 404, "nothing there");
    assert_eq!(get(301, "wrong"), 401);
    assert_eq!(get(9999, RUNNING), 403);
}
