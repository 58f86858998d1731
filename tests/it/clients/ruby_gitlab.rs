//! The gem `gitlab`, as packaged by the distribution.

use std::process::Command;

use super::story::{self, JOB_NAME, LONG_TOKEN, NEWEST_JOB, PROJECT, REF};
use super::{run, script};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

fn ruby(name: &str) -> Command {
    let mut command = Command::new("ruby");
    command.arg(script("ruby").join(name));
    command
}

on_both_databases!(
    ruby_gitlab_downloads_by_id_and_by_ref,
    ruby_gitlab_keeps_and_deletes,
    ruby_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up
);

fn ruby_gitlab_downloads_by_id_and_by_ref(gateway: Gateway) {
    let story = story::begin(&gateway);
    let out = gateway.path().join("out");
    let printed = run(ruby("download.rb")
        .args([&gateway.base_url(), fixtures::REPORTER, LONG_TOKEN, PROJECT, NEWEST_JOB, REF, JOB_NAME])
        .arg(&out)
        .args(story.paths()));
    assert_eq!(printed, "missing: 404\nunauthorized: 401\n");
    story.assert_archives(&out, &["by-id.zip", "bearer-by-id.zip", "by-ref.zip"]);
    story.assert_files(&[out.join("by-id"), out.join("by-ref")]);
}

fn ruby_gitlab_keeps_and_deletes(gateway: Gateway) {
    let deleted = story::keep_and_delete(&gateway, ruby, "rb");
    assert_eq!(deleted, "job: 204\n");
}

fn ruby_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    story::from_name_to_artifacts(&gateway, ruby("whole.rb"), "out/sub/data.bin");
}
