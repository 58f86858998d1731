//! schemathesis, from its registry: sends valid and invalid requests made from the OpenAPI document, and
//! checks every answer against it.

use std::process::Command;

use super::script;
use crate::support::gateway::Gateway;

/// Nothing that a made-up document says is likely to be about this user.
const COORDINATOR: i64 = 4_611_686_018_427_387_845;

#[test]
fn every_answer_of_the_registry_is_as_its_description_says() {
    // A client that tries wrong credentials by the hundred would be rate-limited.
    let gateway = Gateway::on_sqlite_with(|settings| settings.failed_auth_per_minute = 0);
    gateway.load(&format!(
        "users:
  - {{id: {COORDINATOR}, username: coordinator, admin: true, tokens: [{{value: glpat-coordinator, scopes: [registry]}}]}}
projects:
  - id: {COORDINATOR}
    path: coordinated/project
    pipelines:
      - id: {COORDINATOR}
        ref: main
        sha: a
        status: running
        jobs:
          - {{id: {COORDINATOR}, name: a, status: pending}}
          - {{id: {}, name: b, status: pending}}
          - {{id: {}, name: c, status: running}}",
        COORDINATOR + 1,
        COORDINATOR + 2
    ));
    let schemathesis = std::env::var_os("ARTIGATE_TEST_SCHEMATHESIS")
        .expect("ARTIGATE_TEST_SCHEMATHESIS names the program: use tests/run --install");
    let output = Command::new(schemathesis)
        .current_dir(gateway.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", script("python/schemathesis_hooks.py"))
        .arg("--config-file")
        .arg(script("python/schemathesis.toml"))
        .args(["run", "--no-color", "--checks", "all", "--phases", "coverage,fuzzing"])
        .args(["--header", "Authorization: Bearer glpat-coordinator"])
        .arg(format!("{}/api/registry/openapi.json", gateway.base_url()))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("Tested: 6") && report.contains("No issues found"), "{report}");
}
