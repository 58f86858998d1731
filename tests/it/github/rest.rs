//! The REST API: lists, one artifact, download and deletion, and what clients read out of them.

use serde_json::{Value, json};

use super::{begin, of_job, path_of, upload};
use crate::support::fixtures::{DEVELOPER, GUEST, MAINTAINER, OUTSIDER, REPORTER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

const REPO: &str = "/api/v3/repos/group/project";

on_both_databases!(
    an_artifact_has_githubs_fields,
    lists_are_newest_first_and_link_their_pages,
    an_artifact_is_found_under_the_name_that_it_is_listed_under,
    a_download_is_a_redirect_that_needs_no_credential,
    archives_are_saved_under_their_names,
    an_expired_artifact_is_listed_and_its_download_is_gone,
    every_scheme_of_authorization_is_taken_and_a_wrong_one_is_401,
    who_may_not_read_finds_nothing_and_who_may_not_delete_is_told_so,
    a_project_whose_jobs_may_not_be_read_is_none,
    a_repository_is_named_by_path_in_any_case_by_number_or_at_the_root,
    an_answer_that_has_not_changed_is_304,
    every_answer_names_its_request,
    runs_and_repositories_are_there_as_clients_need_them
);

fn get(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(path).header("Authorization", &format!("token {REPORTER}")).send()
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn message(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status.to_string());
    assert!(body["documentation_url"].as_str().unwrap().starts_with("https://docs.github.com/rest"));
    (answer.status, body["message"].as_str().unwrap().to_owned())
}

fn an_artifact_has_githubs_fields(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin", b"content", 1000, json!({"expires_at": "2026-03-01T00:00:00Z"}));
    let url = format!("{}{REPO}/actions/artifacts/{id}", gateway.base_url());
    let digest = artigate::domain::Sha256Digest::of(b"content");
    let one = json_of(&get(&gateway, &format!("{REPO}/actions/artifacts/{id}")));
    assert_eq!(
        one,
        json!({
            "id": id, "node_id": one["node_id"], "name": "bin", "size_in_bytes": 7, "url": url,
            "archive_download_url": format!("{url}/zip"), "expired": false, "digest": format!("sha256:{digest}"),
            "created_at": "2026-02-01T12:00:00Z", "updated_at": "2026-02-01T12:00:00Z",
            "expires_at": "2026-03-01T00:00:00Z",
            "workflow_run": {"id": 200, "repository_id": 1, "head_repository_id": 1, "head_branch": "main", "head_sha": "bbbb"},
        })
    );
    // The archive that a runner uploaded is one named after its job.
    let runs = json_of(&get(&gateway, &format!("{REPO}/actions/runs/100/artifacts")));
    assert_eq!((&runs["total_count"], &runs["artifacts"][0]["name"]), (&json!(1), &json!("build")));
    assert_eq!(get(&gateway, &format!("{REPO}/actions/artifacts/999")).status, 404);
    assert_eq!(get(&gateway, &format!("{REPO}/actions/runs/999/artifacts")).status, 404);
    assert_eq!(get(&gateway, &format!("{REPO}/actions/artifacts/{id}/tar")).status, 404);
}

fn lists_are_newest_first_and_link_their_pages(gateway: Gateway) {
    let token = begin(&gateway);
    let ids: Vec<i64> =
        (0..5).map(|n| upload(&gateway, &token, &format!("a{n}"), b"x", 1000, json!({}))).collect();
    let path = format!("{REPO}/actions/runs/200/artifacts");
    let listed = |query: &str| {
        let list = json_of(&get(&gateway, &format!("{path}{query}")));
        let rows =
            list["artifacts"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        (list["total_count"].as_i64().unwrap(), rows)
    };
    let newest_first: Vec<i64> = ids.iter().rev().copied().collect();
    assert_eq!(listed(""), (5, newest_first.clone()));
    assert_eq!(listed("?direction=asc"), (5, ids.clone()));
    assert_eq!(listed("?name=a3"), (1, vec![ids[3]]));
    assert_eq!(listed("?name=none"), (0, vec![]));
    assert_eq!(listed("?per_page=2&page=2"), (5, newest_first[2..4].to_vec()));
    assert_eq!(listed("?per_page=2&page=9"), (5, vec![]));
    for query in ["?per_page=0", "?per_page=-1&page=x", "?page=0"] {
        assert_eq!(listed(query).0, 5, "{query}");
    }
    let middle = get(&gateway, &format!("{path}?per_page=2&page=2&direction=asc"));
    let url = |page: usize| format!("<{}{path}?direction=asc&page={page}&per_page=2>", gateway.base_url());
    assert_eq!(
        middle.header("link").unwrap(),
        format!(
            "{}; rel=\"prev\", {}; rel=\"next\", {}; rel=\"first\", {}; rel=\"last\"",
            url(1),
            url(3),
            url(1),
            url(3)
        )
    );
    assert_eq!(get(&gateway, &path).header("link"), None, "everything is on one page");
    let all = json_of(&get(&gateway, &format!("{REPO}/actions/artifacts?per_page=100")));
    assert_eq!(all["total_count"], 6, "with the archive of job 10");
}

fn an_artifact_is_found_under_the_name_that_it_is_listed_under(gateway: Gateway) {
    begin(&gateway);
    for (job, name) in [("..", "job-10"), ("a\tb", "a-b"), ("x: y/z", "x- y-z"), ("ü'%_", "ü'%_")] {
        gateway.load(&format!(
            "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: aaaa, status: success,
                jobs: [{{id: 10, name: {}, status: success}}]}}]}}]",
            json!(job)
        ));
        let all = json_of(&get(&gateway, "/api/v3/repos/group/project/actions/artifacts"));
        assert_eq!(all["artifacts"][0]["name"], name);
        let encoded = name.replace('%', "%25").replace(' ', "%20");
        let one = format!("/api/v3/repos/group/project/actions/artifacts?name={encoded}");
        assert_eq!(json_of(&get(&gateway, &one))["total_count"], 1, "{name}");
    }
    let far = "/api/v3/repos/group/project/actions/artifacts?page=18446744073709551616";
    assert_eq!(json_of(&get(&gateway, far))["artifacts"], serde_json::json!([]));
}

fn archives_are_saved_under_their_names(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin.zip", b"content", 1000, json!({}));
    let list = json_of(&get(&gateway, &format!("{REPO}/actions/artifacts")));
    let listed = list["artifacts"].as_array().unwrap();
    assert!(listed.iter().any(|it| it["id"] == id));
    for it in listed {
        let link = get(&gateway, &format!("{REPO}/actions/artifacts/{}/zip", it["id"]));
        let saved = gateway.get(&path_of(&gateway, link.header("location").unwrap())).send();
        let name = it["name"].as_str().unwrap().trim_end_matches(".zip");
        assert_eq!(
            saved.header("content-disposition"),
            Some(&*format!("attachment; filename=\"{name}.zip\""))
        );
    }
}

fn a_download_is_a_redirect_that_needs_no_credential(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin", b"content", 1000, json!({}));
    let zip = format!("{REPO}/actions/artifacts/{id}/zip");
    let answer = get(&gateway, &zip);
    assert_eq!(answer.status, 302);
    let link = path_of(&gateway, answer.header("location").unwrap());
    assert_eq!(gateway.get(&link).send().text(), "content");
    gateway.advance_clock(60);
    assert_eq!(gateway.get(&link).send().status, 403, "a minute is over");
    assert_eq!(gateway.get(&zip).send().status, 302, "the project is public");
    assert_eq!(gateway.head(&zip).send().status, 302);
}

fn an_expired_artifact_is_listed_and_its_download_is_gone(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin", b"content", 1000, json!({"expires_at": "2026-02-01T13:00:00Z"}));
    gateway.advance_clock(3600);
    let path = format!("{REPO}/actions/artifacts/{id}");
    for swept in [false, true] {
        if swept {
            gateway.sweep();
        }
        let one = json_of(&get(&gateway, &path));
        assert_eq!((&one["expired"], &one["size_in_bytes"]), (&json!(true), &json!(7)), "swept: {swept}");
        let gone = get(&gateway, &format!("{path}/zip"));
        assert_eq!(message(&gone), (410, "Artifact has expired".to_owned()));
        let body: Value = serde_json::from_slice(&gone.body).unwrap();
        let about = "https://docs.github.com/rest/actions/artifacts#download-an-artifact";
        assert_eq!(body["documentation_url"], about);
        let list = json_of(&get(&gateway, &format!("{REPO}/actions/runs/200/artifacts")));
        assert_eq!(list["total_count"], 1);
        let found = super::called(&gateway, &token, "ListArtifacts", &of_job(""));
        assert_eq!(found["artifacts"], json!([]), "the toolkit lists what can be had");
    }
    let deleted = Request::new(gateway.address, "DELETE", &path).private_token(MAINTAINER).send();
    assert_eq!(deleted.status, 204);
    assert_eq!(get(&gateway, &path).status, 404);
}

fn every_scheme_of_authorization_is_taken_and_a_wrong_one_is_401(gateway: Gateway) {
    use base64::Engine;
    begin(&gateway);
    let path = format!("{REPO}/actions/artifacts");
    let basic = |text: &str| format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text));
    for good in [
        format!("token {REPORTER}"),
        format!("Token {REPORTER}"),
        format!("bearer {REPORTER}"),
        basic(&format!("anybody:{REPORTER}")),
        format!("token {RUNNING}"),
    ] {
        assert_eq!(gateway.get(&path).header("Authorization", &good).send().status, 200, "{good}");
    }
    for bad in ["token wrong".to_owned(), basic("x"), basic("x:wrong"), "Basic ???".into(), "Digest x".into()]
    {
        let answer = gateway.get(&path).header("Authorization", &bad).send();
        assert_eq!(message(&answer), (401, "Bad credentials".to_owned()), "{bad}");
    }
    let malformed = gateway.get(&path).header("X-GitHub-Api-Version", "next").send();
    assert_eq!(malformed.status, 400);
    for version in ["2022-11-28", "2026-03-10"] {
        assert_eq!(gateway.get(&path).header("X-GitHub-Api-Version", version).send().status, 200);
    }
    for accept in ["", "*/*", "application/vnd.github.v3+json", "application/zip"] {
        assert_eq!(gateway.get(&path).header("Accept", accept).send().status, 200, "{accept}");
    }
}

fn who_may_not_read_finds_nothing_and_who_may_not_delete_is_told_so(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin", b"content", 1000, json!({}));
    gateway.load("projects: [{id: 1, path: group/project, visibility: private, public_jobs: false}]");
    let path = format!("{REPO}/actions/artifacts/{id}");
    let status = |method: &str, token: Option<&str>| {
        let request = Request::new(gateway.address, method, &path);
        match token {
            Some(token) => request.header("Authorization", &format!("Bearer {token}")).send().status,
            None => request.send().status,
        }
    };
    for stranger in [None, Some(OUTSIDER), Some(GUEST)] {
        assert_eq!(status("GET", stranger), 404, "{stranger:?}");
    }
    assert_eq!(status("GET", Some(REPORTER)), 200);
    assert_eq!(status("DELETE", None), 401);
    assert_eq!(status("DELETE", Some(OUTSIDER)), 404);
    assert_eq!(status("DELETE", Some(DEVELOPER)), 403);
    assert_eq!(status("DELETE", Some(RUNNING)), 403);
    assert_eq!(status("DELETE", Some(REPORTER)), 403, "its scope only reads");
    assert_eq!(status("DELETE", Some(MAINTAINER)), 204);
    assert_eq!(status("DELETE", Some(MAINTAINER)), 404);
}

fn a_project_whose_jobs_may_not_be_read_is_none(gateway: Gateway) {
    begin(&gateway);
    gateway.load("projects: [{id: 1, path: group/project, visibility: private, public_jobs: false}]");
    for path in
        ["", "/actions/runs", "/actions/runs/100", "/actions/artifacts", "/actions/runs/100/artifacts"]
    {
        let path = format!("/api/v3/repos/group/project{path}");
        let answer = gateway.get(&path).private_token(crate::support::fixtures::GUEST).send();
        assert_eq!(message(&answer), (404, "Not Found".to_owned()), "{path}");
    }
}

fn a_repository_is_named_by_path_in_any_case_by_number_or_at_the_root(gateway: Gateway) {
    begin(&gateway);
    for repo in ["/api/v3/repos/GROUP/Project", "/api/v3/repositories/1"] {
        let list = json_of(&get(&gateway, &format!("{repo}/actions/artifacts")));
        let url = list["artifacts"][0]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}{repo}/actions/artifacts/", gateway.base_url())), "{url}");
    }
    let request_of = |host: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        crate::support::http_client::read_answer(stream, false).unwrap()
    };
    let request = |host: &str| request_of(host, "/repos/group/project/actions/artifacts");
    let list = json_of(&request("api.github.localhost"));
    let url = list["artifacts"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("http://api.github.localhost/repos/group/project/actions/artifacts/"), "{url}");
    assert_eq!((request("github.localhost").status, request("API:8929").status), (404, 200));
    assert_eq!(request("apis.example.com").status, 404);
    for (path, status) in [("repos/group/project.git", 200), ("repos/group/project.git.git", 404)] {
        assert_eq!(get(&gateway, &format!("/api/v3/{path}/actions/artifacts")).status, status, "{path}");
    }
    let other = request_of("api.example.com", "/api/v4/projects/1");
    assert_eq!(other.status, 200, "the other dialect is on every host");
    for path in ["/api/v3/repos/group/none", "/api/v3/repos/group", "/api/v3", "/api/v3/user"] {
        assert_eq!(message(&get(&gateway, path)), (404, "Not Found".to_owned()), "{path}");
    }
    let other = gateway.get("/api/v4/projects/1").private_token(REPORTER).send();
    assert_eq!(other.status, 200, "the other dialect is where it was");
}

fn an_answer_that_has_not_changed_is_304(gateway: Gateway) {
    let token = begin(&gateway);
    let path = format!("{REPO}/actions/artifacts");
    let first = get(&gateway, &path);
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    let again = gateway.get(&path).header("If-None-Match", &etag).private_token(REPORTER).send();
    assert_eq!((again.status, again.header("etag")), (304, Some(etag.as_str())));
    upload(&gateway, &token, "new", b"x", 1000, json!({}));
    let changed = gateway.get(&path).header("If-None-Match", &etag).private_token(REPORTER).send();
    assert_eq!(changed.status, 200);
}

fn every_answer_names_its_request(gateway: Gateway) {
    let token = begin(&gateway);
    let id = upload(&gateway, &token, "bin", b"x", 1000, json!({}));
    let one = format!("{REPO}/actions/artifacts/{id}");
    let etag = get(&gateway, &one).header("etag").unwrap().to_owned();
    let own = "client-1:2";
    let ask =
        |method: &str, path: &str| Request::new(gateway.address, method, path).header("X-Request-Id", own);
    let at_root = |host: &str| {
        let head =
            format!("GET /repos/group/project HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: {own}\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        crate::support::http_client::read_answer(stream, false).unwrap()
    };
    let answers = [
        (200, ask("GET", &format!("{REPO}/actions/artifacts")).send()),
        (200, ask("HEAD", &one).send()),
        (302, ask("GET", &format!("{one}/zip")).send()),
        (304, ask("GET", &one).header("If-None-Match", &etag).send()),
        (400, ask("GET", &one).header("X-GitHub-Api-Version", "next").send()),
        (401, ask("GET", &one).header("Authorization", "token wrong").send()),
        (403, ask("DELETE", &one).private_token(DEVELOPER).send()),
        (204, ask("DELETE", &one).private_token(MAINTAINER).send()),
        (404, ask("GET", &one).send()),
        (404, ask("GET", "/api/v3").send()),
        (404, ask("POST", REPO).send()),
        (414, ask("GET", &format!("{REPO}/{}", "x".repeat(20_000))).send()),
        (200, at_root("api.github.localhost")),
        (400, at_root("api.?")),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        // It is the one that the log has.
        let ids = ["x-request-id", "x-github-request-id"].map(|name| answer.header(name));
        assert_eq!(ids, [Some(own); 2], "{status}");
    }
    let first = get(&gateway, REPO).header("x-github-request-id").unwrap().to_owned();
    assert_ne!(get(&gateway, REPO).header("x-github-request-id"), Some(first.as_str()));
    let other = ask("GET", "/api/v4/projects/1").send();
    assert_eq!(other.header("x-github-request-id"), None);
}

fn runs_and_repositories_are_there_as_clients_need_them(gateway: Gateway) {
    begin(&gateway);
    let repository = json_of(&get(&gateway, REPO));
    let url = format!("{}{REPO}", gateway.base_url());
    for (field, value) in [
        ("id", json!(1)),
        ("name", json!("project")),
        ("full_name", json!("group/project")),
        ("private", json!(false)),
        ("url", json!(url)),
        ("owner", json!({"login": "group"})),
    ] {
        assert_eq!(repository[field], value, "{field}");
    }
    let runs = json_of(&get(&gateway, &format!("{REPO}/actions/runs?status=success")));
    assert_eq!((&runs["total_count"], &runs["workflow_runs"][0]["id"]), (&json!(1), &json!(100)));
    let run = json_of(&get(&gateway, &format!("{REPO}/actions/runs/200")));
    assert_eq!(run["artifacts_url"], format!("{url}/actions/runs/200/artifacts"));
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(get(&gateway, &format!("{REPO}/actions/runs/999")).status, 404);
}
