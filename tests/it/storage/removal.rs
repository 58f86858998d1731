//! Removal of users and projects: what goes with them, and who is in the middle of something.

use std::time::Duration;

use artigate::catalog::usage::Stored;
use diesel::RunQueryDsl;
use serde_json::json;

use super::{count, stored, upload, upload_path, view};
use crate::administration::{command, done, parsed, refused, status};
use crate::buildkite::agent::Agent;
use crate::chaos::nodes::Installation;
use crate::github;
use crate::support::fixtures::{self, ARCHIVE, DEVELOPER, OUTSIDER, RUNNING};
use crate::support::gateway::{Gateway, PostgresDatabase};
use crate::support::http_client::{Form, read_answer};
use crate::support::zips;
use crate::web;

/// How long bytes stay for their readers, in seconds.
const KEPT: i64 = 15 * 60;

on_both_databases!(
    a_user_goes_with_its_tokens_and_what_it_started_stays,
    a_project_goes_with_everything_and_its_bytes_follow,
    the_blobs_of_deleted_projects_are_counted_for_no_request,
    nothing_is_deleted_without_a_confirmation,
    an_upload_finds_no_job_any_more_when_it_is_complete,
    a_reader_who_began_before_the_deletion_gets_everything,
    a_registry_file_creates_a_deleted_project_again,
    no_id_is_given_out_twice
);

/// Moves the manual clock to the machine's, by which commands keep bytes for readers.
fn as_late_as_commands(gateway: &Gateway) {
    let behind = artigate::domain::Clock::System.now().as_millis() - gateway.now().as_millis();
    gateway.advance_clock(behind / 1000);
}

/// Moves the manual clock to when readers are done.
fn after_readers(gateway: &Gateway) {
    as_late_as_commands(gateway);
    gateway.advance_clock(KEPT + 60);
}

fn a_user_goes_with_its_tokens_and_what_it_started_stays(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    done(&gateway, &["project", "set", "group/project", "--visibility", "private"]);
    assert_eq!(status(&gateway, DEVELOPER), 200);
    let said = done(&gateway, &["user", "delete", "developer", "--yes"]);
    assert_eq!(
        said,
        "user developer (ID 3): 1 tokens, 1 memberships, 0 connected agents; pipelines and jobs stay\n\
         deleted user developer\n"
    );
    assert_eq!(status(&gateway, DEVELOPER), 401);
    let shown = parsed(&gateway, &["project", "show", "group/project"]);
    assert_eq!((&shown["jobs"], &shown["members"]["developer"]), (&json!(3), &json!(null)));
    // Its running job is nobody's: it still hands over its artifacts.
    assert_eq!(upload(&gateway, "junit", b"report").0, 201);
    refused(&gateway, &["user", "delete", "developer", "--yes"], "there is no user \"developer\"");
}

fn a_project_goes_with_everything_and_its_bytes_follow(gateway: Gateway) {
    let agent = Agent::of_small(&gateway);
    gateway.load(
        "projects: [{id: 2, path: group/other, visibility: public, pipelines: [{id: 300, ref: main, sha: c,
        status: success, jobs: [{id: 30, name: a, status: success}]}]}]",
    );
    upload(&gateway, "junit", b"report");
    agent.upload("one", &[("a.log", b"12345")]);
    agent.declared("two", &[("b.log", b"12345")]);
    let token = github::runtime_token(&gateway, "20", RUNNING);
    let link = github::create(&gateway, &token, "bin", json!({}));
    assert_eq!(github::put_block(&gateway, &link, &github::block_id(0), b"block").status, 201);
    assert_eq!(super::delete(&gateway, ARCHIVE), 204);
    let said = done(&gateway, &["project", "delete", "Group/Project", "--yes"]);
    let what =
        "project group/project (ID 1): 2 pipelines, 3 jobs, 2 artifacts of 11 B, 2 uploads under way\n";
    assert!(said.starts_with(what), "{said}");
    assert_eq!(stored(&gateway), (0, 0, 4));
    assert_eq!(gateway.get("/api/v4/projects/1").private_token(fixtures::ADMIN).send().status, 404);
    let other = gateway.get("/api/v4/projects/2/jobs/30").private_token(fixtures::ADMIN).send();
    assert_eq!(other.status, 200, "others stay");
    assert_eq!(github::put_block(&gateway, &link, &github::block_id(1), b"block").status, 403);
    assert_eq!(agent.declare("three", &[("b", b"x")]).status, 401);
    assert_eq!(upload(&gateway, "sast", b"x").0, 403);
    // For a while the bytes stay for readers, from collections, too.
    as_late_as_commands(&gateway);
    let before = gateway.blobs().len();
    gateway.sweep();
    gateway.silence_writers();
    let collected = gateway.collect(Duration::ZERO).unwrap();
    assert_eq!((collected.orphans, gateway.blobs().len()), (0, before));
    after_readers(&gateway);
    assert_eq!(gateway.sweep().removed.blobs, 4);
    gateway.until_blobs(0);
    assert_eq!(stored(&gateway), (0, 0, 0));
    assert_eq!(view(&gateway).projects.len(), 1);
    let fsck = gateway.block_on(gateway.app.retention.check(false, || {}, |_| {})).unwrap();
    assert_eq!((fsck.artifacts, fsck.faults), (0, 0));
    refused(
        &gateway,
        &["project", "delete", "group/project", "--yes"],
        "there is no project \"group/project\"",
    );
}

fn the_blobs_of_deleted_projects_are_counted_for_no_request(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    count(&gateway);
    done(&gateway, &["project", "delete", "group/project", "--yes"]);
    assert_eq!(gateway.catalog(super::to_be_removed), Stored { artifacts: 1, bytes: 5 });
    assert_eq!(view(&gateway).pending_deletions, Stored::default(), "as of the last count");
    count(&gateway);
    assert_eq!(view(&gateway).pending_deletions, Stored { artifacts: 1, bytes: 5 });
    assert_eq!(gateway.block_on(gateway.app.retention.show_totals()).unwrap().deletions_pending, 1);
    // Neither the page for operators nor the metrics look at the rows.
    let rename = |statement: &'static str| {
        gateway.write_catalog(move |db| Ok(diesel::sql_query(statement).execute(db).map(drop)?));
    };
    rename("ALTER TABLE leftover_blobs RENAME TO aside");
    let page = web::open(&gateway, fixtures::ADMIN, "/-/operate");
    assert!(web::html(&page).contains("<dt>Pending deletions</dt><dd>1 artifact, 5 B"), "{}", page.text());
    assert_eq!(gateway.block_on(gateway.app.retention.show_totals()).unwrap().deletions_pending, 1);
    rename("ALTER TABLE aside RENAME TO leftover_blobs");
    after_readers(&gateway);
    assert_eq!(gateway.sweep().removed.blobs, 1);
    count(&gateway);
    assert_eq!(view(&gateway).pending_deletions, Stored::default());
}

fn nothing_is_deleted_without_a_confirmation(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    for arguments in [["project", "delete", "group/project"], ["user", "delete", "guest"]] {
        let output = command(&gateway, &arguments).stdin(std::process::Stdio::null()).output().unwrap();
        let (out, error) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(2));
        assert!(out.contains("(ID "), "what would go is said: {out}");
        let sentence =
            "artigate: this cannot be undone: confirm it on a terminal, or with --yes; nothing was changed\n";
        assert_eq!(error, sentence);
    }
    assert_eq!(gateway.get(ARCHIVE).send().status, 200);
    assert_eq!(status(&gateway, fixtures::GUEST), 200);
}

fn an_upload_finds_no_job_any_more_when_it_is_complete(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let form = Form::default().file("a", &[1; 200_000]).bytes();
    let (sent, rest) = form.split_at(100_000);
    let head = gateway.post(&upload_path("sast")).job_token(RUNNING).form_type();
    let head = head.header("Content-Length", &form.len().to_string());
    let mut stream = head.connect();
    std::io::Write::write_all(&mut stream, sent).unwrap();
    gateway.until_blobs(2);
    done(&gateway, &["project", "delete", "group/project", "--yes"]);
    std::io::Write::write_all(&mut stream, rest).unwrap();
    let answer = read_answer(stream, false).unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    gateway.until_blobs(1);
    after_readers(&gateway);
    gateway.sweep();
    gateway.until_blobs(0);
}

fn a_reader_who_began_before_the_deletion_gets_everything(gateway: Gateway) {
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(20 << 20))]);
    fixtures::small(&gateway, &archive);
    let stream = gateway.get(ARCHIVE).connect();
    stream.peek(&mut [0; 1]).unwrap();
    as_late_as_commands(&gateway);
    done(&gateway, &["project", "delete", "group/project", "--yes"]);
    gateway.sweep();
    let answer = read_answer(stream, false).unwrap();
    assert!(answer.complete && answer.body == archive);
    assert_eq!(gateway.get(ARCHIVE).send().status, 404);
}

fn a_registry_file_creates_a_deleted_project_again(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    done(&gateway, &["project", "delete", "group/project", "--yes"]);
    done(&gateway, &["user", "delete", "guest", "--yes"]);
    assert_eq!(gateway.get(ARCHIVE).send().status, 404);
    fixtures::small(&gateway, b"bytes");
    assert_eq!(gateway.get(ARCHIVE).send().text(), "bytes");
    assert_eq!(status(&gateway, fixtures::GUEST), 200);
    after_readers(&gateway);
    gateway.sweep();
    gateway.until_blobs(1);
    assert_eq!(stored(&gateway), (1, 5, 0));
}

fn no_id_is_given_out_twice(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    assert_eq!(done(&gateway, &["project", "create", "a/b"]), "created project a/b with ID 2\n");
    done(&gateway, &["project", "delete", "a/b", "--yes"]);
    assert_eq!(done(&gateway, &["project", "create", "a/c"]), "created project a/c with ID 3\n");
    done(&gateway, &["user", "delete", "outsider", "--yes"]);
    assert_eq!(done(&gateway, &["user", "create", "other"]), "created user other with ID 7\n");
    assert_eq!(status(&gateway, OUTSIDER), 401);
}

/// On PostgreSQL an upload and a deletion may run at once; whichever is first, nothing is left of either.
#[test]
fn uploads_and_a_deletion_at_once_leave_nothing() {
    for _ in 0..6 {
        let installation = Installation::new(Some(PostgresDatabase::create()), None);
        let jobs: String = (1..=6).fold(String::new(), |jobs, job| {
            jobs + &format!("{{id: {job}, name: j{job}, status: running, token: glcbt-{job}}}, ")
        });
        let document = format!(
            "projects: [{{id: 1, path: group/project, pipelines: [{{id: 1, ref: main, sha: a, status: running, \
             jobs: [{jobs}]}}]}}]"
        );
        std::fs::write(installation.path().join("registry.yml"), document).unwrap();
        installation.run(&["load", "registry.yml"]);
        let nodes = crate::chaos::nodes::Nodes::start(&installation, 2);
        std::thread::scope(|scope| {
            for job in 1..=6 {
                let address = nodes.address(job);
                scope.spawn(move || {
                    let form = Form::default().file("a.zip", &[job as u8; 1000]);
                    let path = format!("/api/v4/jobs/{job}/artifacts");
                    let request = crate::support::http_client::Request::new(address, "POST", &path);
                    let status = request.job_token(&format!("glcbt-{job}")).form(form).send().status;
                    assert!([201, 403, 503].contains(&status), "{status}");
                });
            }
            installation.run(&["project", "delete", "group/project", "--yes"]);
        });
        let database = installation.database.as_ref().unwrap();
        database.execute("UPDATE leftover_blobs SET remove_after = 0, bytes_kept_until = 0");
        installation.assert_nothing_is_left(nodes, 0);
    }
}
