//! What is refused: credentials, scopes, rights, bodies and paths, in words that clients know.

use serde_json::{Value, json};

use super::{FINISHED, PIPELINE, RUNNING_BUILD, delete, get, got, refused, request, send, small};
use crate::support::fixtures::{GUEST, MAINTAINER, OUTSIDER, REPORTER, RUNNING};
use crate::support::gateway::Gateway;

on_both_databases!(
    a_missing_or_wrong_credential_is_401,
    scopes_of_buildkite_count_alone,
    rights_are_those_of_gitlab,
    bodies_that_are_none_are_refused,
    paths_that_lead_nowhere_are_404_in_json,
    filters_and_texts_are_bounded,
    a_token_is_never_echoed
);

fn a_missing_or_wrong_credential_is_401(gateway: Gateway) {
    small(&gateway);
    let words = "Authentication required. Please supply a valid API Access Token";
    for answer in [
        gateway.get(FINISHED).send(),
        request(&gateway, "GET", "wrong", FINISHED).send(),
        request(&gateway, "GET", RUNNING, FINISHED).send(),
        gateway.get(FINISHED).header("Authorization", "Basic eDp5").send(),
        gateway.get(&format!("{FINISHED}?access_token=wrong")).send(),
        request(&gateway, "PUT", "wrong", &format!("{FINISHED}/cancel")).send(),
    ] {
        let (status, message) = refused(&answer);
        assert!(status == 401 && message.starts_with(words), "{status} {message}");
    }
    let by_parameter = gateway.get(&format!("{FINISHED}?access_token={REPORTER}")).send();
    assert_eq!(by_parameter.status, 200);
    let both = gateway
        .get(&format!("{FINISHED}?access_token={REPORTER}"))
        .header("Authorization", "Bearer wrong")
        .send();
    assert_eq!(both.status, 401, "the parameter comes last");
}

fn scopes_of_buildkite_count_alone(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "users: [{id: 2, username: maintainer, tokens: [{value: narrow, scopes: [api, read_artifacts]},
            {value: writer, scopes: [write_builds]}]}]",
    );
    let with = |token: &str, method: &str, path: &str| request(&gateway, method, token, path).send();
    assert_eq!(with("narrow", "GET", &format!("{FINISHED}/artifacts")).status, 200);
    let message = |scope: &str| (403, format!("Your access token doesn't have the {scope} scope"));
    assert_eq!(refused(&with("narrow", "GET", FINISHED)), message("read_builds"));
    assert_eq!(refused(&with("writer", "GET", FINISHED)), message("read_builds"));
    assert_eq!(with("writer", "PUT", &format!("{RUNNING_BUILD}/cancel")).status, 200);
    assert_eq!(refused(&with(REPORTER, "PUT", &format!("{FINISHED}/cancel"))), message("write_builds"));
    let gitlab = gateway.get("/api/v4/projects/1/jobs").private_token("narrow").send();
    assert_eq!(gitlab.status, 200, "elsewhere its other scope counts");
}

fn rights_are_those_of_gitlab(gateway: Gateway) {
    small(&gateway);
    gateway.load(
        "users:
  - {id: 5, username: guest, tokens: [{value: guest-all, scopes: [api]}]}
projects: [{id: 1, path: group/project, visibility: private, public_jobs: false}]",
    );
    assert_eq!(refused(&request(&gateway, "GET", OUTSIDER, FINISHED).send()).0, 404);
    assert_eq!(refused(&request(&gateway, "GET", GUEST, FINISHED).send()).0, 404, "sees the project alone");
    gateway.load("projects: [{id: 1, path: group/project, visibility: public, public_jobs: true}]");
    let cancel = request(&gateway, "PUT", "guest-all", &format!("{RUNNING_BUILD}/cancel")).send();
    assert_eq!(refused(&cancel), (403, "Forbidden".into()));
    let body = json!({"commit": "HEAD", "branch": "main"}).to_string().into_bytes();
    let create = request(&gateway, "POST", "guest-all", &format!("{PIPELINE}/builds")).body(body).send();
    assert_eq!(refused(&create), (403, "Forbidden".into()));
    let artifact = path_of_first_artifact(&gateway);
    let by_guest = request(&gateway, "DELETE", "guest-all", &artifact).send();
    assert_eq!(refused(&by_guest), (403, "Forbidden".into()));
    assert_eq!(delete(&gateway, &artifact).status, 204);
    assert_eq!(refused(&delete(&gateway, &artifact)), (404, "No artifact found".into()));
}

fn path_of_first_artifact(gateway: &Gateway) -> String {
    super::path_of(gateway, &got(gateway, &format!("{FINISHED}/artifacts"))[0]["url"])
}

fn bodies_that_are_none_are_refused(gateway: Gateway) {
    small(&gateway);
    let path = format!("{PIPELINE}/builds");
    let raw = |body: &[u8]| request(&gateway, "POST", MAINTAINER, &path).body(body.to_vec()).send();
    assert_eq!(refused(&raw(b"not json")).0, 400);
    assert_eq!(refused(&raw(b"[]")).0, 400);
    assert_eq!(raw(&vec![b' '; (1 << 20) + 1]).status, 413);
    let answer = send(&gateway, "POST", &path, &json!({"commit": 1, "message": "x"}));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 422);
    assert_eq!(
        body,
        json!({"message": "Validation Failed", "errors": [
            {"field": "commit", "code": "invalid"}, {"field": "branch", "code": "missing_field"}]})
    );
}

fn filters_and_texts_are_bounded(gateway: Gateway) {
    small(&gateway);
    let list = |query: String| get(&gateway, &format!("{PIPELINE}/builds?{query}")).status;
    assert_eq!(list(vec!["state[]=scheduled"; 50].join("&")), 200);
    assert_eq!(list(vec!["state[]=scheduled"; 51].join("&")), 400);
    assert_eq!(list(vec!["branch[]=*"; 1100].join("&")), 400);
    let pairs = |count: usize| (0..count).map(|n| format!("meta_data[k{n}]=1")).collect::<Vec<_>>().join("&");
    assert_eq!((list(pairs(10)), list(pairs(11))), (200, 400));
    let long = "x".repeat(256);
    for body in [
        json!({"commit": "HEAD", "branch": long}),
        json!({"commit": long, "branch": "main"}),
        json!({"commit": "HEAD", "branch": "main", "meta_data": {long.as_str(): "x"}}),
        json!({"commit": "HEAD", "branch": "main", "env": {"": "x"}}),
    ] {
        let answer = send(&gateway, "POST", &format!("{PIPELINE}/builds"), &body);
        assert_eq!(refused(&answer), (422, "Validation Failed".into()), "{body}");
    }
}

fn a_token_is_never_echoed(gateway: Gateway) {
    small(&gateway);
    for path in [format!("{FINISHED}/jobs"), format!("{FINISHED}/artifacts"), format!("{PIPELINE}/builds")] {
        let answer = gateway.get(&format!("{path}?access_token={REPORTER}&per_page=1")).send();
        let link = answer.header("link").unwrap_or_default();
        assert!(
            answer.status == 200 && !answer.text().contains(REPORTER) && !link.contains(REPORTER),
            "{path}"
        );
    }
}

fn paths_that_lead_nowhere_are_404_in_json(gateway: Gateway) {
    small(&gateway);
    let id = "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e";
    for (path, message) in [
        ("/v2/404-not-found".to_owned(), "No route matches 404-not-found"),
        (format!("{PIPELINE}/builds/99"), "No build found"),
        (format!("{PIPELINE}/builds/99999999999999999999"), "No build found"),
        (format!("{PIPELINE}/builds/x"), "No build found"),
        (format!("{FINISHED}/jobs/{id}"), "No job found"),
        (format!("{FINISHED}/jobs/1"), "No job found"),
        (format!("/v2/organizations/group/jobs/{id}/artifacts"), "No job found"),
        ("/v2/organizations/none/builds".to_owned(), "No organization found"),
    ] {
        assert_eq!(refused(&get(&gateway, &path)), (404, message.to_owned()), "{path}");
    }
    let job = got(&gateway, FINISHED)["jobs"][0]["id"].as_str().unwrap().to_owned();
    for artifact in [id, "x", "..%2F..%2Fetc"] {
        let path = format!("{FINISHED}/jobs/{job}/artifacts/{artifact}");
        assert_eq!(refused(&get(&gateway, &path)), (404, "No artifact found".into()), "{artifact}");
    }
    assert_eq!(request(&gateway, "PATCH", REPORTER, FINISHED).send().status, 404);
}
