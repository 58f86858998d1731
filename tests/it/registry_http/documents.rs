//! The call that loads a registry document.

use serde_json::json;

use super::{DOCUMENTS, REGISTRY, begin, message, put, request};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

on_both_databases!(
    a_document_is_taken_as_json_and_as_yaml,
    a_wrong_document_says_where_and_changes_nothing,
    aliases_do_not_make_much_of_little
);

fn a_document_is_taken_as_json_and_as_yaml(gateway: Gateway) {
    begin(&gateway);
    let document = json!({"users": [{"id": 50, "username": "new", "tokens": [{"value": "glpat-new", "scopes": ["api"]}]}],
        "projects": [{"id": 9, "path": "g/p", "members": {"new": "developer"}, "pipelines": [
            {"id": 900, "ref": "main", "sha": "a", "status": "running", "jobs": [{"id": 90, "name": "a", "status": "running", "artifacts": []}]}]}]});
    let answer = put(&gateway, Some("application/json; charset=utf-8"), &document.to_string());
    assert_eq!(answer.error(), (200, r#"{"users":1,"projects":1,"pipelines":1,"jobs":1}"#));
    assert_eq!(
        gateway.get("/api/v4/projects/9/jobs/90/artifacts").private_token("glpat-new").send().error(),
        (404, r#"{"message":"404 Not Found"}"#)
    );
    for (number, media_type) in
        [None, Some("text/yaml"), Some("application/yaml"), Some("Application/X-YAML")]
            .into_iter()
            .enumerate()
    {
        let document =
            format!("projects:\n- id: {}\n  path: g/y{number}\n  default_branch: 1.0\n", 20 + number);
        assert_eq!(
            put(&gateway, media_type, &document).error(),
            (200, r#"{"users":0,"projects":1,"pipelines":0,"jobs":0}"#)
        );
    }
    assert_eq!(put(&gateway, Some("application/json"), "{}").status, 200);
    let same = put(&gateway, Some("application/json"), &document.to_string());
    assert_eq!(same.status, 200, "loading twice is loading once");
}

fn a_wrong_document_says_where_and_changes_nothing(gateway: Gateway) {
    begin(&gateway);
    let job = |artifacts: &str| {
        format!(
            "projects: [{{id: 9, path: g/p, pipelines: [{{id: 900, ref: main, sha: a, status: success, jobs: [{{id: 90, name: a, status: success, artifacts: [{artifacts}]}}]}}]}}]"
        )
    };
    let no_file = "document: projects[0].pipelines[0].jobs[0].artifacts[0]: file: a document sent over HTTP cannot name a file of the server";
    for (document, status, expected) in [
        ("users: [{id: 51, username: a, colour: red}]".to_owned(), 400, "users[0].colour"),
        ("users: [{id: x, username: a}]".into(), 400, "users[0].id"),
        ("users: [".into(), 400, "document: line 1"),
        ("".into(), 400, "document: the document is empty"),
        ("\u{feff}\u{0}".into(), 400, "document: "),
        (
            "users: [{id: 51, username: a}, {id: 51, username: b}]".into(),
            422,
            "document: users[1]: id: 51 appears twice",
        ),
        (
            "users: [{id: 51, username: admin}]".into(),
            422,
            "document: users[0]: username: admin belongs to another user",
        ),
        (
            "users: [{id: 51, username: a}]\nprojects: [{id: 9, path: GROUP/project}]".into(),
            422,
            "projects[0]: path: GROUP/project belongs to another project",
        ),
        (job("{file: /etc/passwd}"), 422, no_file),
        (job("{file: archive.zip}"), 422, no_file),
    ] {
        let (code, text) = message(&put(&gateway, None, &document));
        assert!(code == status && text.contains(expected), "{document}: {code} {text}");
    }
    for (document, expected) in [
        (r#"{"users": [[51, "a"]]}"#, "users[0]: invalid type: sequence"),
        (r#"{"users": [{"id": "51", "username": "a"}]}"#, "users[0].id: invalid type: string"),
        (r#"{"users": [{"id": 51, "username": 7}]}"#, "users[0].username: invalid type"),
        (r#"{"users": []} {}"#, "trailing characters"),
        (
            r#"{"projects": [{"id": 9, "path": "g/p", "members": {"admin": "guest", "admin": "owner"}}]}"#,
            "projects[0].members: admin appears twice",
        ),
        (r#"[]"#, "document: invalid type: sequence"),
        (r#"{"users": [{"id": 51, "id": 51, "username": "a"}]}"#, "duplicate field"),
    ] {
        let (code, text) = message(&put(&gateway, Some("application/json"), document));
        assert!(code == 400 && text.contains(expected), "{document}: {code} {text}");
    }
    assert_eq!(gateway.catalog(artigate::catalog::users::all).len(), 6);
    let long = format!("users: [{{id: 51, username: {0}}}, {{id: 52, username: {0}}}]", "x".repeat(100_000));
    let (code, text) = message(&put(&gateway, None, &long));
    assert!(code == 422 && text.len() == 2000, "{code}, {} bytes", text.len());
}

fn aliases_do_not_make_much_of_little(gateway: Gateway) {
    begin(&gateway);
    let big = "x".repeat(100_000);
    let names = vec!["*a"; 1000].join(", ");
    let document =
        format!("projects: [{{id: 9, path: g/p, name: &a {big}, job_token_allowlist: [{names}]}}]");
    let (code, text) = message(&put(&gateway, None, &document));
    assert!(code == 400 && text.contains("document: "), "{code} {text}");
    let few = "projects: [{id: 9, path: &p g/p, name: *p}]";
    assert_eq!(put(&gateway, None, few).status, 200, "an alias as such is fine");
}

#[test]
fn a_document_larger_than_the_limit_is_refused_before_and_while_it_comes() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.max_document_bytes = 1000);
    begin(&gateway);
    let exact = format!("users: []{}", " ".repeat(991));
    assert_eq!(put(&gateway, None, &exact).status, 200);
    let larger = format!("{exact} ");
    assert_eq!(message(&put(&gateway, None, &larger)), (413, "the body is larger than 1000 B".into()));
    let chunked = request(&gateway, "PUT", DOCUMENTS).private_token(REGISTRY).chunked(larger.as_bytes(), 100);
    assert_eq!(message(&chunked.send()).0, 413);
    let packed =
        request(&gateway, "PUT", DOCUMENTS).private_token(REGISTRY).header("Content-Encoding", "gzip");
    assert_eq!(message(&packed.body(b"x".to_vec()).send()).0, 415);
    assert_eq!(message(&put(&gateway, Some("text/html"), "users: []")).0, 415);
}

#[test]
fn a_mistyped_token_is_not_repeated_to_whoever_sent_it() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: glpat-registry, scopes: [registry]}]}]");
    let job = |token: &str| {
        let jobs =
            format!("[{{\"id\": 20, \"name\": \"build\", \"status\": \"running\", \"token\": {token}}}]");
        let pipelines = format!(
            "[{{\"id\": 200, \"ref\": \"main\", \"sha\": \"b\", \"status\": \"running\", \"jobs\": {jobs}}}]"
        );
        format!("{{\"projects\": [{{\"id\": 1, \"path\": \"group/project\", \"pipelines\": {pipelines}}}]}}")
    };
    let user = |tokens: &str| {
        format!("{{\"users\": [{{\"id\": 3, \"username\": \"developer\", \"tokens\": {tokens}}}]}}")
    };
    for document in [
        user("[987654321987]"),
        user("[\"987654321987\"]"),
        user("[{\"value\": 987654321987}]"),
        user("[{\"value\": {\"987654321987\": 1}}]"),
        user("{\"987654321987\": \"api\"}"),
        job("987654321987"),
        job("[\"987654321987\"]"),
        job("{\"value\": \"987654321987\"}"),
    ] {
        for media_type in ["application/json", "application/yaml"] {
            let answer = Request::new(gateway.address, "PUT", "/api/registry/v1/documents")
                .private_token("glpat-registry")
                .header("Content-Type", media_type)
                .body(document.clone().into_bytes())
                .send();
            assert!(matches!(answer.status, 200 | 400 | 422), "{document}: {}", answer.text());
            assert!(!answer.text().contains("987654321987"), "{document}: {}", answer.text());
            assert!(media_type.ends_with("yaml") || answer.status != 200, "{document}");
        }
    }
}
