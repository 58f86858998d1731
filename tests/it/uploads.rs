//! The runner's upload: framings, kinds, limits and answers.

mod forms;

use artigate::domain::artifact::ArtifactKind;
use artigate::settings::Settings;

use crate::support::fixtures::{self, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::zips;

fn archive() -> Vec<u8> {
    zips::deflated(&[("a.txt", b"uploaded")])
}

fn upload(gateway: &Gateway, query: &str, form: Form) -> Answer {
    gateway.post(&format!("{UPLOAD}?{query}")).job_token(RUNNING).form(form).send()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn file() -> Form {
    Form::default().file("artifacts.zip", &archive())
}

on_both_databases!(
    an_upload_is_readable_as_soon_as_it_is_acknowledged,
    the_same_bytes_again_are_fine_and_other_bytes_are_not,
    every_kind_has_its_one_format,
    only_the_running_jobs_own_token_may_upload,
    the_proxys_private_call_is_forbidden_to_everybody,
    a_canceling_job_may_still_upload,
    expiry_is_what_the_upload_says_or_else_the_default,
    accessibility_is_taken_over_in_both_vocabularies,
    a_body_packed_with_gzip_is_unpacked,
    a_dotenv_report_must_be_one,
    a_dotenv_report_may_be_written_on_windows,
    a_report_of_several_gzip_members_comes_back_as_it_was,
    many_uploads_of_one_kind_at_once_have_one_winner
);

fn an_upload_is_readable_as_soon_as_it_is_acknowledged(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let answer = gateway.post(&format!("{UPLOAD}?")).job_token(RUNNING).chunked_form(file()).send();
    assert_eq!(answer.error(), (201, "201"));
    let whole = gateway.get(UPLOADED).send();
    assert_eq!(whole.body, archive());
    assert_eq!(whole.header("content-disposition"), Some("attachment; filename=\"artifacts.zip\""));
    assert_eq!(gateway.get(&format!("{UPLOADED}/a.txt")).send().text(), "uploaded");
    let dependency = gateway.get("/api/v4/jobs/20/artifacts").job_token(RUNNING).send();
    assert_eq!(dependency.body, archive());
}

fn the_same_bytes_again_are_fine_and_other_bytes_are_not(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    assert_eq!(upload(&gateway, "", file()).status, 201);
    assert_eq!(upload(&gateway, "expire_in=1+day", file()).error(), (201, "201"));
    let other = upload(&gateway, "", Form::default().file("artifacts.zip", b"other"));
    assert_eq!(other.error(), (400, r#"{"message":"another artifact of the same type already exists"}"#));
    assert_eq!(gateway.get(UPLOADED).send().body, archive());
    gateway.until_blobs(2);
    gateway.advance_clock(2 * 86_400);
    assert_eq!(gateway.get(UPLOADED).send().status, 200, "the expiry of the repetition is ignored");
}

fn every_kind_has_its_one_format(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let mismatch = r#"{"message":"Validation failed: Invalid file format with specified file type"}"#;
    for kind in ArtifactKind::ALL {
        for format in ["raw", "zip", "gzip"] {
            let query = format!("artifact_type={kind}&artifact_format={format}");
            let content = match kind {
                ArtifactKind::Dotenv => gzip(b"NAME=value\n"),
                other => other.as_str().into(),
            };
            let answer = upload(&gateway, &query, Form::default().file("x", &content));
            if matches!(kind, ArtifactKind::Metadata | ArtifactKind::Trace) {
                assert_eq!(
                    answer.error(),
                    (
                        400,
                        r#"{"error":"artifact_type does not have a valid value","message":"artifact_type does not have a valid value"}"#
                    ),
                    "{query}"
                );
            } else if kind.default_format().as_str() == format {
                assert_eq!(answer.status, 201, "{query}");
            } else {
                assert_eq!(answer.error(), (400, mismatch), "{query}");
            }
        }
    }
    let default_format = upload(&gateway, "artifact_type=junit", Form::default().file("x", b"x"));
    assert_eq!(default_format.error(), (400, mismatch), "zip is the default");
}

fn only_the_running_jobs_own_token_may_upload(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let forbidden = (403, r#"{"message":"403 Forbidden"}"#);
    let post = |path: &str, request_context: fn(Request) -> Request| {
        let answer = request_context(gateway.post(path)).form(file()).send();
        (answer.status, answer.text().to_owned(), answer.header("job-status").map(str::to_owned))
    };
    let plain = |answer: (u16, String, Option<String>)| {
        assert_eq!((answer.0, answer.1.as_str(), answer.2), (forbidden.0, forbidden.1, None));
    };
    plain(post(UPLOAD, |r| r));
    plain(post(UPLOAD, |r| r.job_token("wrong")));
    plain(post(UPLOAD, |r| r.private_token(fixtures::ADMIN)));
    plain(post("/api/v4/jobs/21/artifacts", |r| r.job_token(RUNNING)));
    plain(post("/api/v4/jobs/99/artifacts", |r| r.job_token(RUNNING)));
    let ended = post("/api/v4/jobs/21/artifacts", |r| r.job_token(fixtures::FINISHED));
    assert_eq!(
        ended,
        (
            403,
            r#"{"message":"403 Forbidden - Job is not processing on runner"}"#.into(),
            Some("success".into())
        )
    );
    let bad_id = gateway.post("/api/v4/jobs/x/artifacts").job_token(RUNNING).form(file()).send();
    assert_eq!(bad_id.error(), (400, r#"{"error":"id is invalid","message":"id is invalid"}"#));
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: running, jobs: [{id: 20, name: build, status: running, erased_at: 2026-01-01}]}]}]");
    let erased = post(UPLOAD, |r| r.job_token(RUNNING));
    assert_eq!(erased.1, r#"{"message":"403 Forbidden - Job has been erased!"}"#);
    gateway.until_blobs(1);
}

fn the_proxys_private_call_is_forbidden_to_everybody(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let answer = gateway.post(&format!("{UPLOAD}/authorize")).job_token(RUNNING).body(b"{}".to_vec()).send();
    assert_eq!(answer.error(), (403, r#"{"message":"403 Forbidden"}"#));
}

fn a_canceling_job_may_still_upload(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: running, jobs: [{id: 20, name: build, status: canceling}]}]}]");
    let answer = upload(&gateway, "", file());
    assert_eq!((answer.status, answer.header("job-status")), (201, Some("canceling")));
    let own = gateway.get("/api/v4/jobs/20/artifacts").job_token(RUNNING).send();
    assert_eq!((own.status, own.header("job-status")), (200, Some("canceling")));
    let other = gateway.get(UPLOADED).private_token(fixtures::MAINTAINER).send();
    assert_eq!((other.status, other.header("job-status")), (200, None));
}

fn expiry_is_what_the_upload_says_or_else_the_default(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: b, status: running, jobs: [{id: 22, name: a, status: running, token: t22}, {id: 23, name: b, status: running, token: t23}, {id: 24, name: c, status: running, token: t24}]}]}]");
    for (job, token, query) in
        [(22, "t22", "expire_in=1+week"), (23, "t23", "expire_in="), (24, "t24", "expire_in=never")]
    {
        let answer = gateway
            .post(&format!("/api/v4/jobs/{job}/artifacts?{query}"))
            .job_token(token)
            .form(file())
            .send();
        assert_eq!(answer.status, 201);
    }
    let status = |job: i64| gateway.get(&format!("/api/v4/projects/1/jobs/{job}/artifacts")).send().status;
    gateway.advance_clock(7 * 86_400 - 1);
    assert_eq!([22, 23, 24].map(status), [200, 200, 200]);
    gateway.advance_clock(1);
    assert_eq!([22, 23, 24].map(status), [404, 200, 200]);
    gateway.advance_clock(23 * 86_400);
    assert_eq!([22, 23, 24].map(status), [404, 404, 200]);
}

fn accessibility_is_taken_over_in_both_vocabularies(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let reads = |token: &str| gateway.get(UPLOADED).private_token(token).send().status;
    assert_eq!(upload(&gateway, "accessibility=developer", file()).status, 201);
    assert_eq!((reads(fixtures::REPORTER), reads(fixtures::DEVELOPER)), (403, 200));
}

fn a_body_packed_with_gzip_is_unpacked(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let packed = gzip(&file().bytes());
    let request = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Encoding", "gzip");
    assert_eq!(request.body(packed).send().status, 201);
    assert_eq!(gateway.get(UPLOADED).send().body, archive());
    let unknown =
        gateway.post(UPLOAD).job_token(RUNNING).header("Content-Encoding", "br").form(file()).send();
    assert_eq!(unknown.status, 415);
}

fn a_dotenv_report_must_be_one(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let dotenv = |content: &[u8]| {
        upload(
            &gateway,
            "artifact_type=dotenv&artifact_format=gzip",
            Form::default().file(".env.gz", content),
        )
    };
    let refused = (400, r#"{"message":"Invalid Format"}"#);
    for content in [&b"no gzip"[..], &gzip(b"no variable"), &[gzip(b"A=1\n"), gzip(b"# comment")].concat()] {
        assert_eq!(dotenv(content).error(), refused);
    }
    assert_eq!(
        dotenv(&[gzip(b"A=1"), gzip(b"bad")].concat()).error(),
        refused,
        "lines end with their member"
    );
    gateway.until_blobs(1);
    assert_eq!(dotenv(&[gzip(b"A=1\n"), gzip(b"B=2\n")].concat()).status, 201);
}

fn a_dotenv_report_may_be_written_on_windows(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let wide: Vec<u8> = "\u{feff}A=1\r\nB=2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (number, text) in [&wide[..], b"\xef\xbb\xbfA=1\n", b"A=gr\xfc\xdfe\n"].into_iter().enumerate() {
        let id = 30 + number;
        gateway.load(&format!("projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: main, sha: b, status: running, jobs: [{{id: {id}, name: a, status: running, token: t{id}}}]}}]}}]"));
        let target = format!("/api/v4/jobs/{id}/artifacts?artifact_type=dotenv&artifact_format=gzip");
        let form = Form::default().file(".env.gz", &gzip(text));
        assert_eq!(
            gateway.post(&target).job_token(&format!("t{id}")).form(form).send().error(),
            (201, "201"),
            "{text:?}"
        );
        let stored = gateway.get(&format!("/api/v4/projects/1/jobs/{id}/artifacts?file_type=dotenv")).send();
        assert_eq!(stored.body, gzip(text), "it is given back as it came");
    }
}

fn a_report_of_several_gzip_members_comes_back_as_it_was(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let members = include_bytes!("../../fixtures/archives/junit.xml.gz");
    let sent = upload(
        &gateway,
        "artifact_type=junit&artifact_format=gzip",
        Form::default().file("junit.xml.gz", members),
    );
    assert_eq!(sent.status, 201);
    let answer = gateway.get(&format!("{UPLOADED}?file_type=junit")).send();
    assert_eq!(answer.body, members);
    assert_eq!(answer.header("content-encoding"), None);
}

fn many_uploads_of_one_kind_at_once_have_one_winner(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let gateway = &gateway;
        let uploads: Vec<_> = (0..16)
            .map(|number| {
                scope.spawn(move || {
                    let form = Form::default().file("artifacts.zip", format!("bytes of {number}").as_bytes());
                    upload(gateway, "", form).status
                })
            })
            .collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 15, "{statuses:?}");
    assert!(gateway.get(UPLOADED).send().text().starts_with("bytes of "));
    gateway.until_blobs(2);
}

fn with_limit(bytes: u64) -> Gateway {
    Gateway::on_sqlite_with(|settings: &mut Settings| settings.max_artifact_bytes = Some(bytes))
}

#[test]
fn exactly_the_limit_is_accepted_and_one_byte_more_is_413() {
    let gateway = with_limit(10 << 20);
    fixtures::small(&gateway, b"");
    let over = Form::default().file("a", &zips::noise((10 << 20) + 1));
    let refused = r#"{"message":"file size has reached maximum size limit (10 MiB)"}"#;
    assert_eq!(upload(&gateway, "", over).error(), (413, refused));
    gateway.until_blobs(1);
    let exact = Form::default().file("a", &zips::noise(10 << 20));
    assert_eq!(upload(&gateway, "", exact).status, 201);
    assert_eq!(gateway.get(UPLOADED).send().body.len(), 10 << 20);
}

#[test]
fn a_project_may_lower_the_limit_but_not_raise_it() {
    let gateway = with_limit(1000);
    fixtures::small(&gateway, b"");
    let status = |bytes: usize| {
        upload(
            &gateway,
            "artifact_type=sast&artifact_format=raw",
            Form::default().file("a", &vec![b'x'; bytes]),
        )
        .status
    };
    gateway.load("projects: [{id: 1, path: group/project, max_artifact_size: 100 B}]");
    assert_eq!(status(101), 413);
    gateway.load("projects: [{id: 1, path: group/project, max_artifact_size: 1 GiB}]");
    assert_eq!(status(1001), 413);
    gateway.load("projects: [{id: 1, path: group/project, max_artifact_size: null}]");
    assert_eq!(status(1001), 413);
    assert_eq!(status(1000), 201);
}

#[test]
fn without_a_limit_nothing_is_too_large() {
    let gateway = Gateway::on_sqlite_with(|settings: &mut Settings| settings.max_artifact_bytes = None);
    fixtures::small(&gateway, b"");
    assert_eq!(upload(&gateway, "", Form::default().file("a", &zips::noise(3 << 20))).status, 201);
}
