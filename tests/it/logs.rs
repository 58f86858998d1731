//! What the log and the answers tell, and what they must not.

use std::fs::File;
use std::process::Stdio;

use crate::program::Serving;
use crate::support::gateway::Gateway;
use crate::support::wire::{Form, Request};

#[test]
fn no_token_ever_reaches_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let address = serving.base_url.trim_start_matches("http://").parse().unwrap();
    let request = |method: &str, path: &str| Request::new(address, method, &format!("/api/v4/{path}"));
    let job = "projects/2/jobs/1016/artifacts";
    for name in [
        "private_token",
        "job_token",
        "token",
        "access_token",
        "bearer_token",
        "Private_Token",
        "%70rivate_token",
        "private_token[]",
        "x[private_token]",
        "a=b;private_token",
        "private-token",
    ] {
        request("GET", &format!("{job}?{name}=s3cret-in-query&job=x")).send();
    }
    for misplaced in
        ["projects/glpat-s3cret/jobs", "projects/2/jobs/glcbt-s3cret", "projects?search=gldt-s3cret"]
    {
        request("GET", misplaced).send();
    }
    request("GET", job).private_token("s3cret-in-header").send();
    request("GET", job).job_token("s3cret-in-header").send();
    request("GET", job).header("Authorization", "Bearer s3cret-in-header").send();
    let form = Form::default().field("token", "s3cret-in-form").file("a", b"x");
    request("POST", "jobs/1015/artifacts").form(form).send();
    request("GET", &format!("{job}?private_token=glpat-demo-alice")).send();
    request("GET", job).header("X-Request-Id", "from-the-runner").private_token("glpat-demo-alice").send();
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("s3cret") && !log.contains("glpat-") && !log.contains("glcbt-"), "{log}");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let message = |line: &serde_json::Value| line["message"].as_str().unwrap_or_default().to_owned();
    let requests = lines.iter().filter(|line| message(line).contains("/api/v4/")).count();
    assert_eq!(requests, 20, "one line a request: {log}");
    let own = lines.iter().find(|line| line["span"]["request.id"] == "from-the-runner").expect(&log);
    assert_eq!(message(own), "GET /api/v4/projects/2/jobs/1016/artifacts 200");
    assert_eq!(own["status"], 200);
    assert!(own["took_ms"].is_number());
}

#[test]
fn a_request_id_is_echoed_or_made() {
    let gateway = Gateway::on_sqlite();
    let id = |sent: Option<&str>| {
        let request = gateway.get("/api/v4/nonsense");
        let request = match sent {
            Some(sent) => request.header("X-Request-Id", sent),
            None => request,
        };
        request.send().header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id(Some("0123456789abcdef0123456789abcdef")), "0123456789abcdef0123456789abcdef");
    assert_eq!(id(None).len(), 32);
    assert_ne!(id(None), id(None));
    for hostile in ["has space", "\"quoted\"", &"x".repeat(129)] {
        assert_ne!(id(Some(hostile)), hostile);
    }
}
