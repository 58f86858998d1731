//! The contents of logs and answers, and the secrets that neither may contain.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{Serving, artigate};
use crate::support::ended::Ended;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::issuers::{Issuer, SigningPair};

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
fn no_id_token_and_no_secret_of_a_hook_ever_reaches_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let issuer = Issuer::start(SigningPair::ec("key"));
    std::fs::write(folder.path().join("hook"), "s3cret-of-the-hook").unwrap();
    let settings = format!(
        "[[upstream]]\nname = 'gitlab'\nkind = 'gitlab'\nurl = '{}'\noidc = {{audience = 'here'}}\n\
         hooks = [{{scope = '*', secret_file = 'hook', mode = 'trust'}}]\n",
        issuer.url()
    );
    std::fs::write(folder.path().join("artigate.toml"), settings).unwrap();
    let serving = Serving::demo(folder.path(), Stdio::from(File::create(&log).unwrap()));
    let address = serving.base_url.trim_start_matches("http://").parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = |audience: &str| {
        serde_json::json!({
            "iss": issuer.url(), "aud": audience, "iat": now, "exp": now + 300, "job_project_id": "7",
            "job_project_path": "s/t", "project_id": "7", "pipeline_id": "8", "job_id": "9", "ref": "main", "sha": "a",
        })
    };
    let (good, bad) = (issuer.pair.token(&claims("here")), issuer.pair.token(&claims("elsewhere")));
    for token in [&good, &bad, &good[..good.len() - 5].to_owned()] {
        let form = || Form::default().field("token", token).file("a", b"x");
        for request in [
            Request::new(address, "POST", "/api/v4/jobs/current/artifacts").job_token(token).form(form()),
            Request::new(address, "POST", "/api/v4/jobs/current/artifacts").form(form()),
            Request::new(address, "GET", "/v2/user").header("Authorization", &format!("Bearer {token}")),
            Request::new(address, "GET", &format!("/api/v4/projects?private_token={token}")),
            Request::new(address, "GET", &format!("/api/v4/projects?search={token}")),
            Request::new(address, "GET", &format!("/api/v4/projects/{token}/jobs")),
        ] {
            request.send();
        }
    }
    for secret in ["s3cret-of-the-hook", "s3cret-of-another"] {
        let event = "{\"object_kind\":\"pipeline\",\"object_attributes\":{\"id\":\"s3cret-in-body\"}}";
        let request = Request::new(address, "POST", "/api/feeds/v1/gitlab").header("X-Gitlab-Token", secret);
        request.header("X-Gitlab-Event", "Pipeline Hook").body(event.into()).send();
    }
    assert_eq!(serving.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("ID token is for another audience") && !log.contains("s3cret"), "{log}");
    for part in [&good, &bad].iter().flat_map(|token| token.split('.')) {
        assert!(!log.contains(part), "{part}: {log}");
    }
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

#[test]
fn a_log_that_nobody_reads_holds_up_no_request_and_tells_later_how_many_lines_were_dropped() {
    const REQUESTS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let mut command = artigate(folder.path(), &["--log-format", "json", "serve"]);
    command.env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0").stderr(Stdio::piped());
    let mut child = Ended(command.spawn().unwrap());
    let log = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut lines = log
        .map(|line| line.unwrap())
        .map(|line| serde_json::from_str::<serde_json::Value>(&line).expect(&line));
    let listens = lines.find(|line| line["address"].is_string()).expect("it ended");
    let address = listens["address"].as_str().unwrap().parse().unwrap();
    // Each has a line of some kilobytes, on its own and together more than a pipe takes.
    let path = format!("/api/v4/{}", "x".repeat(4000));
    for _ in 0..REQUESTS {
        assert_eq!(Request::new(address, "GET", &path).send().status, 404);
        assert_eq!(Request::new(address, "GET", "/-/liveness").send().status, 200);
    }
    let is_notice = |line: &serde_json::Value| line["target"] == "telemetry";
    let mut seen = 0;
    let notice =
        lines.by_ref().inspect(|line| seen += usize::from(line["status"].is_number())).find(is_notice);
    let notice = notice.expect("it ended");
    let dropped = notice["lines"].as_u64().unwrap() as usize;
    assert!(seen > 100 && dropped > 100 && notice["level"] == "WARN", "{seen} lines, and {notice}");
    assert_eq!(seen + dropped, 2 * REQUESTS, "each line was written or counted");
    assert_eq!(Request::new(address, "GET", "/-/health").send().status, 200);
    let id = child.0.id().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    let rest: Vec<serde_json::Value> = lines.collect();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert_eq!(rest[0]["message"], "GET /-/health 200", "from then on all lines are there");
    assert_eq!(rest.last().unwrap()["message"], "stopped", "to the last");
}

#[test]
fn a_server_that_cannot_start_says_everything_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    let program = artigate(folder.path(), &[]).get_program().to_owned();
    command.arg("-c").arg("ulimit -n 448; exec \"$0\" serve").arg(program).current_dir(folder.path());
    let output = command.env("ARTIGATE_SERVER__LISTEN", "192.0.2.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let [.., warning, error] = lines[..] else { panic!("{said}") };
    assert!(warning.contains("WARN") && warning.contains("server.max_connections"), "{said}");
    assert!(error.starts_with("artigate: server.listen"), "{said}");
}
