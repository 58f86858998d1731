//! artifetch, from its registry: takes the browser URL of a job's archive, and requests the project and the
//! job first.

use std::process::Command;

use super::story::{self, NEWEST_JOB, PROJECT};
use super::{beside_python, run};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

on_both_databases!(artifetch_fetches_from_an_address_of_a_browser);

fn artifetch_fetches_from_an_address_of_a_browser(gateway: Gateway) {
    let story = story::begin(&gateway);
    let out = gateway.path().join("out");
    run(Command::new(beside_python("artifetch"))
        .arg(format!("{}/{PROJECT}/-/jobs/{NEWEST_JOB}/artifacts/download", gateway.base_url()))
        .args(["--provider", "gitlab", "--dest"])
        .arg(&out)
        .env("GITLAB_TOKEN", fixtures::REPORTER));
    story.assert_archives(&out, &["group_sub_pro.j_job10301.zip"]);
}
