//! gitbeaker for Node, from its registry.

use std::process::Command;

use super::story::{self, JOB_NAME, NEWEST_JOB, PROJECT, REF};
use super::{run, script};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

fn node(name: &str) -> Command {
    assert!(
        std::env::var_os("ARTIGATE_TEST_NODE_MODULES").is_some(),
        "ARTIGATE_TEST_NODE_MODULES names a folder with @gitbeaker/rest: use tests/run --install, which fills one"
    );
    let mut command = Command::new("node");
    command.arg(script("node").join(name));
    command
}

on_both_databases!(
    gitbeaker_downloads_by_id_and_by_ref_and_understands_what_it_gets,
    gitbeaker_keeps_and_deletes,
    gitbeaker_goes_from_a_projects_name_to_its_artifacts_and_cleans_up
);

fn gitbeaker_downloads_by_id_and_by_ref_and_understands_what_it_gets(gateway: Gateway) {
    let story = story::begin(&gateway);
    let out = gateway.path().join("out");
    let printed = run(node("download.mjs")
        .args([&gateway.base_url(), fixtures::REPORTER, PROJECT, NEWEST_JOB, REF, JOB_NAME])
        .arg(&out)
        .args(story.paths()));
    assert_eq!(printed, "missing: 404\nunauthorized: 401\n");
    story.assert_archives(&out, &["by-id.zip", "streamed-by-id.zip", "by-ref.zip", "streamed-by-ref.zip"]);
    story.assert_files(&[out.join("by-id"), out.join("by-ref")]);
}

fn gitbeaker_keeps_and_deletes(gateway: Gateway) {
    let deleted = story::keep_and_delete(&gateway, node, "mjs");
    assert_eq!(deleted, "job: 204\nproject: 202\n");
    story::assert_project_deleted(&gateway);
}

fn gitbeaker_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    story::from_name_to_artifacts(&gateway, node("whole.mjs"), "out/sub/data.bin");
}
