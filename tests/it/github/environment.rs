//! The environment of a job: who gets it, and in which form.

use serde_json::Value;

use crate::support::fixtures::{self, FINISHED, MAINTAINER, RUNNING};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request};

on_both_databases!(
    a_job_and_the_registry_get_the_environment_of_a_running_job,
    a_shell_gets_lines,
    a_real_shell_takes_every_value_as_it_is,
    others_do_not_get_it
);

fn ask(gateway: &Gateway, job: &str, header: (&str, &str)) -> Answer {
    let path = format!("/api/registry/v1/jobs/{job}/environment");
    Request::new(gateway.address, "POST", &path).header(header.0, header.1).send()
}

fn registrar(gateway: &Gateway) {
    fixtures::small(gateway, b"bytes");
    gateway.load("users: [{id: 1, username: admin, tokens: [{value: glpat-registry, scopes: [registry]}]}]");
}

fn a_job_and_the_registry_get_the_environment_of_a_running_job(gateway: Gateway) {
    registrar(&gateway);
    let base = gateway.base_url();
    for (header, is_job) in [
        (("JOB-TOKEN", RUNNING.to_owned()), true),
        (("Authorization", format!("Bearer {RUNNING}")), true),
        (("PRIVATE-TOKEN", "glpat-registry".to_owned()), false),
    ] {
        let answer = ask(&gateway, "20", (header.0, &header.1));
        assert_eq!(answer.status, 200, "{header:?} {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let variables: Value = serde_json::from_slice(&answer.body).unwrap();
        for (name, value) in [
            ("CI_API_V4_URL", format!("{base}/api/v4")),
            ("CI_SERVER_URL", base.clone()),
            ("CI_JOB_ID", "20".into()),
            ("CI_PROJECT_ID", "1".into()),
            ("CI_PROJECT_PATH", "group/project".into()),
            ("CI_PIPELINE_ID", "200".into()),
            ("CI_COMMIT_REF_NAME", "main".into()),
            ("CI_COMMIT_SHA", "bbbb".into()),
            ("ACTIONS_RESULTS_URL", format!("{base}/")),
            ("GITHUB_API_URL", format!("{base}/api/v3")),
            ("GITHUB_REPOSITORY", "group/project".into()),
            ("GITHUB_RUN_ID", "200".into()),
            ("GITHUB_RETENTION_DAYS", "400".into()),
        ] {
            assert_eq!(variables[name], value, "{name}");
        }
        assert_eq!(variables.get("CI_JOB_TOKEN").and_then(Value::as_str), is_job.then_some(RUNNING));
        assert_eq!(variables["ACTIONS_RUNTIME_TOKEN"].as_str().unwrap().split('.').count(), 3);
    }
}

fn a_shell_gets_lines(gateway: Gateway) {
    registrar(&gateway);
    let path = "/api/registry/v1/jobs/20/environment";
    let answer =
        Request::new(gateway.address, "POST", path).job_token(RUNNING).header("Accept", "text/plain").send();
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.text().lines().all(|line| line.starts_with("export ") && line.ends_with('\'')));
    assert!(answer.text().contains("export CI_JOB_ID='20'\n"), "{}", answer.text());
}

fn a_real_shell_takes_every_value_as_it_is(gateway: Gateway) {
    registrar(&gateway);
    let hostile = "it's $(touch hacked) `id` \"x\"";
    let quoted = hostile.replace('\'', "''");
    gateway.load(&format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: '{quoted}', sha: bbbb, status: running}}]}}]"
    ));
    let path = "/api/registry/v1/jobs/20/environment";
    let answer =
        Request::new(gateway.address, "POST", path).job_token(RUNNING).header("Accept", "text/plain").send();
    let script = format!("{}printf %s \"$CI_COMMIT_REF_NAME\"", answer.text());
    let output =
        std::process::Command::new("sh").arg("-c").arg(script).current_dir(gateway.path()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), hostile);
    assert!(!gateway.path().join("hacked").exists());
}

fn others_do_not_get_it(gateway: Gateway) {
    registrar(&gateway);
    for (job, header, status) in [
        ("20", ("JOB-TOKEN", "wrong"), 401),
        ("20", ("PRIVATE-TOKEN", "wrong"), 401),
        ("20", ("PRIVATE-TOKEN", MAINTAINER), 403),
        ("20", ("JOB-TOKEN", FINISHED), 403),
        ("21", ("JOB-TOKEN", FINISHED), 409),
        ("21", ("PRIVATE-TOKEN", "glpat-registry"), 409),
        ("99", ("PRIVATE-TOKEN", "glpat-registry"), 404),
        ("x", ("PRIVATE-TOKEN", "glpat-registry"), 400),
    ] {
        assert_eq!(ask(&gateway, job, header).status, status, "{job} {header:?}");
    }
    let path = "/api/registry/v1/jobs/20/environment";
    assert_eq!(Request::new(gateway.address, "POST", path).send().status, 401);
}
