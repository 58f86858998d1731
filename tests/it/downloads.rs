//! Downloads of whole archives by job: forms of a project's name, answer headers, missing artifacts.

use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::gateway::Gateway;
use crate::support::zips;

fn archive() -> Vec<u8> {
    zips::deflated(&[("a.txt", b"hello"), ("dir/b.txt", b"world")])
}

on_both_databases!(
    an_archive_comes_back_as_it_was_whatever_its_project_is_called,
    an_archive_is_an_attachment_of_known_length,
    head_answers_every_download_like_get_without_the_bytes,
    what_is_not_there_is_404_in_gitlabs_words,
    a_number_that_is_none_is_refused_before_anything_else,
    an_expired_archive_is_gone_at_once_unless_it_is_locked,
    a_file_name_from_outside_cannot_break_out_of_its_header,
    a_row_without_its_bytes_is_404_and_one_of_another_length_is_500
);

fn an_archive_comes_back_as_it_was_whatever_its_project_is_called(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    for project in ["1", "group%2Fproject", "group/project", "GROUP%2Fproject", "gro%75p%2Fproject"] {
        let answer = gateway.get(&format!("/api/v4/projects/{project}/jobs/10/artifacts")).send();
        assert_eq!(answer.status, 200, "{project}");
        assert!(answer.complete);
        assert_eq!(answer.body, archive(), "{project}");
    }
    let bare_question_mark = gateway.get(&format!("{ARCHIVE}?")).send();
    assert_eq!(bare_question_mark.body, archive());
}

fn an_archive_is_an_attachment_of_known_length(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let answer = gateway.get(ARCHIVE).send();
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"artifacts.zip\""));
    assert_eq!(answer.header("content-transfer-encoding"), Some("binary"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
}

fn head_answers_every_download_like_get_without_the_bytes(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let paths = [
        "projects/1/jobs/10/artifacts",
        "projects/1/jobs/artifacts/main/download?job=build",
        "projects/1/jobs/10/artifacts/a.txt",
        "projects/1/jobs/artifacts/main/raw/a.txt?job=build",
    ];
    for path in paths {
        let path = format!("/api/v4/{path}");
        let (head, get) = (gateway.head(&path).send(), gateway.get(&path).send());
        assert_eq!((head.status, get.status), (200, 200), "{path}");
        for name in ["content-length", "content-type", "content-disposition"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert!(head.body.is_empty());
    }
    let dependency = gateway.head("/api/v4/jobs/10/artifacts").job_token(fixtures::RUNNING).send();
    assert_eq!(
        (dependency.status, dependency.header("content-length").unwrap()),
        (200, archive().len().to_string().as_str())
    );
    assert_eq!(gateway.head("/api/v4/projects/1/jobs/99/artifacts").send().status, 404);
}

fn what_is_not_there_is_404_in_gitlabs_words(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    for (path, body) in [
        ("projects/9/jobs/10/artifacts", r#"{"message":"404 Project Not Found"}"#),
        ("projects/no%2Fsuch/jobs/10/artifacts", r#"{"message":"404 Project Not Found"}"#),
        ("projects/group%2Fproject%00/jobs/10/artifacts", r#"{"message":"404 Project Not Found"}"#),
        ("projects/1/jobs/artifacts/main%00/download?job=build", r#"{"message":"404 Not found"}"#),
        ("projects/1/jobs/artifacts/main/download?job=build%00", r#"{"message":"404 Not found"}"#),
        ("projects/1/jobs/artifacts/ma%ffin/download?job=build%ff", r#"{"message":"404 Not found"}"#),
        ("projects/1/jobs/99/artifacts", r#"{"message":"404 Not found"}"#),
        ("projects/1/jobs/99999999999999999999/artifacts", r#"{"message":"404 Not found"}"#),
        ("projects/1/jobs/21/artifacts", r#"{"message":"404 Not Found"}"#),
        ("projects/1/jobs/21/artifacts/a.txt", r#"{"message":"404 Not Found"}"#),
        ("projects/1/nonsense", r#"{"error":"404 Not Found","message":"404 Not Found"}"#),
        ("", r#"{"error":"404 Not Found","message":"404 Not Found"}"#),
    ] {
        assert_eq!(gateway.get(&format!("/api/v4/{path}")).send().error(), (404, body), "{path}");
    }
    let elsewhere = gateway.get("/favicon.ico").send();
    assert_eq!(elsewhere.error(), (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#));
    let unknown_verb = gateway.post(ARCHIVE).body(b"{}".to_vec()).send();
    assert_eq!(unknown_verb.error(), (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#));
}

fn a_number_that_is_none_is_refused_before_anything_else(gateway: Gateway) {
    for (path, body) in [
        ("projects/9/jobs/ten/artifacts", r#"{"error":"job_id is invalid","message":"job_id is invalid"}"#),
        (
            "projects/9/jobs/1e3/artifacts/a.txt",
            r#"{"error":"job_id is invalid","message":"job_id is invalid"}"#,
        ),
        ("jobs/ten/artifacts", r#"{"error":"id is invalid","message":"id is invalid"}"#),
    ] {
        assert_eq!(gateway.get(&format!("/api/v4/{path}")).send().error(), (400, body), "{path}");
    }
}

fn an_expired_archive_is_gone_at_once_unless_it_is_locked(gateway: Gateway) {
    let zip = archive();
    let made = Fixture::project("group/keeps").public();
    let made = made.pipeline(100, "main").job(10, "build").archive(&zip).expire_in("1 hour");
    let made = made.pipeline(101, "main").job(11, "build").archive(&zip).expire_in("1 hour");
    let made = made.pipeline(102, "main").child_of(101);
    let made = made.job(12, "docs").status("failed").archive(&zip).expire_in("1 hour");
    let made = made.pipeline(103, "main").status("failed");
    let made = made.job(13, "build").archive(&zip).expire_in("1 hour");
    let made = made.and_project("group/drops").public().keep_latest(false);
    made.pipeline(200, "main").job(20, "build").archive(&zip).expire_in("1 hour").load(&gateway);
    let status = |project: i64, job: i64| {
        let whole = gateway.get(&format!("/api/v4/projects/{project}/jobs/{job}/artifacts")).send().status;
        let file =
            gateway.get(&format!("/api/v4/projects/{project}/jobs/{job}/artifacts/a.txt")).send().status;
        assert_eq!(whole, file);
        whole
    };
    for (project, job) in [(1, 10), (1, 11), (1, 12), (1, 13), (2, 20)] {
        assert_eq!(status(project, job), 200, "job {job} before");
    }
    gateway.advance_clock(3600);
    for (project, job, expected) in [(1, 10, 404), (1, 11, 200), (1, 12, 200), (1, 13, 404), (2, 20, 404)] {
        assert_eq!(status(project, job), expected, "job {job} after");
    }
    let by_ref = |project: i64| format!("/api/v4/projects/{project}/jobs/artifacts/main/download?job=build");
    assert_eq!(gateway.get(&by_ref(1)).send().status, 200);
    assert_eq!(gateway.get(&by_ref(2)).send().error(), (404, r#"{"message":"404 Not found"}"#));
}

fn a_file_name_from_outside_cannot_break_out_of_its_header(gateway: Gateway) {
    let made = Fixture::project("group/project").public().pipeline(100, "main");
    let made = made.job(10, "a").archive(&archive()).filename("a\r\nX-Evil: 1\".zip");
    made.job(11, "b").archive(&archive()).filename("../../übung 1.zip").load(&gateway);
    let disposition = |job: i64| {
        let answer = gateway.get(&format!("/api/v4/projects/1/jobs/{job}/artifacts")).send();
        assert_eq!(answer.header("x-evil"), None);
        answer.header("content-disposition").unwrap().to_owned()
    };
    assert_eq!(disposition(10), r#"attachment; filename="aX-Evil: 1\".zip""#);
    assert_eq!(disposition(11), "attachment; filename=\"_bung 1.zip\"; filename*=UTF-8''%C3%BCbung%201.zip");
}

fn a_row_without_its_bytes_is_404_and_one_of_another_length_is_500(gateway: Gateway) {
    fixtures::small(&gateway, &archive());
    let blob = gateway.blobs().remove(0);
    std::fs::write(&blob, b"short").unwrap();
    assert_eq!(gateway.get(ARCHIVE).send().error(), (500, r#"{"message":"500 Internal Server Error"}"#));
    std::fs::remove_file(&blob).unwrap();
    assert_eq!(gateway.get(ARCHIVE).send().error(), (404, r#"{"message":"404 Not Found"}"#));
}
