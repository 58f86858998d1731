//! Browser URLs, as people copy them from a browser or a badge.

use super::load;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

const NOTHING: (u16, &str) = (404, r#"{"message":"404 Not Found"}"#);

fn get(gateway: &Gateway, token: &str, path: &str) -> Answer {
    let request = gateway.get(&format!("/group/sub/project/-/jobs/{path}"));
    if token.is_empty() { request.send() } else { request.private_token(token).send() }
}

on_both_databases!(
    addresses_from_a_browser_give_what_the_api_gives,
    tokens_are_taken_in_every_form,
    who_may_not_read_is_told_that_there_is_nothing,
    what_is_wrong_is_named
);

fn addresses_from_a_browser_give_what_the_api_gives(gateway: Gateway) {
    load(&gateway);
    for (address, api) in [
        ("11/artifacts/download", "jobs/11/artifacts"),
        ("11/artifacts/download?file_type=junit", "jobs/11/artifacts?file_type=junit"),
        ("11/artifacts/download?proxy=true&file_type=archive", "jobs/11/artifacts"),
        ("11/artifacts/raw/a.txt", "jobs/11/artifacts/a.txt"),
        ("11/artifacts/file/a.txt?inline=false", "jobs/11/artifacts/a.txt"),
        ("artifacts/main/download?job=build", "jobs/artifacts/main/download?job=build"),
        ("artifacts/main/raw/a.txt?job=build", "jobs/artifacts/main/raw/a.txt?job=build"),
        ("artifacts/main/file/a.txt?job=test", "jobs/artifacts/main/raw/a.txt?job=test"),
    ] {
        let shown = get(&gateway, fixtures::REPORTER, address);
        let api = gateway.get(&format!("/api/v4/projects/1/{api}")).private_token(fixtures::REPORTER).send();
        assert_eq!((shown.status, &shown.body), (200, &api.body), "{address}");
        for header in ["etag", "content-type", "content-disposition", "accept-ranges"] {
            assert_eq!(shown.header(header), api.header(header), "{header} of {address}");
        }
    }
    let head = gateway
        .head("/group/sub/project/-/jobs/11/artifacts/download")
        .private_token(fixtures::REPORTER)
        .send();
    assert_eq!(head.status, 200);
}

fn tokens_are_taken_in_every_form(gateway: Gateway) {
    load(&gateway);
    let address = "/group/sub/project/-/jobs/11/artifacts/raw/a.txt";
    let reporter = fixtures::REPORTER;
    assert_eq!(gateway.get(&format!("{address}?private_token={reporter}")).send().text(), "hello");
    assert_eq!(gateway.get(&format!("{address}?access_token={reporter}")).send().text(), "hello");
    assert_eq!(
        gateway.get(address).header("Authorization", &format!("Bearer {reporter}")).send().text(),
        "hello"
    );
    assert_eq!(gateway.get(address).job_token(fixtures::RUNNING).send().text(), "hello");
    assert_eq!(gateway.get(&format!("{address}?job_token={}", fixtures::RUNNING)).send().text(), "hello");
    assert_eq!(
        gateway.get(address).private_token("wrong").send().error(),
        (401, r#"{"message":"401 Unauthorized"}"#)
    );
}

fn who_may_not_read_is_told_that_there_is_nothing(gateway: Gateway) {
    load(&gateway);
    gateway.load("projects: [{id: 2, path: group/shy, visibility: public, public_jobs: false, pipelines: [{id: 200, ref: main, sha: a, status: success, jobs: [
            {id: 20, name: build, status: success, artifacts: [{file: archive.zip}]}]}]},
            {id: 1, path: group/sub/project, pipelines: [{id: 100, ref: main, sha: aaaa, status: success, jobs: [
            {id: 12, name: test, status: success, artifacts: [{file: archive.zip, accessibility: private}]}]}]}]");
    for address in [
        "11/artifacts/download",
        "11/artifacts/raw/a.txt",
        "artifacts/main/download?job=build",
        "artifacts/main/raw/a.txt?job=build",
    ] {
        assert_eq!(get(&gateway, "", address).error(), NOTHING, "{address}");
        assert_eq!(get(&gateway, fixtures::OUTSIDER, address).error(), NOTHING, "{address}");
    }
    let shy =
        |token: &str| gateway.get("/group/shy/-/jobs/20/artifacts/download").private_token(token).send();
    assert_eq!(shy(fixtures::OUTSIDER).error(), NOTHING, "403 in the API");
    assert_eq!(shy(fixtures::ADMIN).status, 200);
    assert_eq!(get(&gateway, fixtures::REPORTER, "12/artifacts/download").error(), NOTHING, "403 in the API");
    assert_eq!(get(&gateway, fixtures::DEVELOPER, "12/artifacts/download").status, 200);
    for missing in [
        "99/artifacts/download",
        "18/artifacts/download",
        "11/artifacts/raw/missing",
        "artifacts/none/download?job=build",
    ] {
        assert_eq!(get(&gateway, fixtures::REPORTER, missing).error(), NOTHING, "{missing}");
    }
    let elsewhere =
        gateway.get("/group/shy/-/jobs/11/artifacts/download").private_token(fixtures::ADMIN).send();
    assert_eq!(elsewhere.error(), NOTHING, "another project's job");
}

fn what_is_wrong_is_named(gateway: Gateway) {
    load(&gateway);
    let says = |address: &str| {
        let answer = get(&gateway, fixtures::REPORTER, address);
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(
        says("artifacts/main/download"),
        (400, r#"{"error":"job is missing","message":"job is missing"}"#.into())
    );
    assert_eq!(says("11/artifacts/download?file_type=trace"), (400, r#"{"error":"file_type does not have a valid value","message":"file_type does not have a valid value"}"#.into()));
    assert_eq!(says("11/artifacts/raw/a%00b"), (400, r#"{"message":"400 Bad request"}"#.into()));
    assert_eq!(
        says("11/artifacts/browse"),
        (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#.into())
    );
    let post =
        gateway.post("/group/sub/project/-/jobs/11/artifacts/keep").private_token(fixtures::DEVELOPER).send();
    assert_eq!(post.status, 404);
}
