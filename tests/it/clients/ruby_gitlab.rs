//! The gem `gitlab`, as packaged by the distribution.

use std::process::Command;

use super::story::{self, EXPIRING_JOB, JOB_NAME, LONG_TOKEN, NEWEST_JOB, PROJECT, REF, UNLOCKED_JOB};
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
    story::begin(&gateway);
    let base_url = gateway.base_url();
    let kept = run(ruby("keep.rb").args([
        &base_url,
        fixtures::MAINTAINER,
        fixtures::REPORTER,
        PROJECT,
        EXPIRING_JOB,
    ]));
    story::assert_kept(&kept, &gateway);
    story::let_expire(&gateway);
    let deleted =
        run(ruby("delete.rb").args([&base_url, fixtures::MAINTAINER, PROJECT, EXPIRING_JOB, UNLOCKED_JOB]));
    assert_eq!(deleted, "job: 204\n");
}

fn ruby_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    let story = story::begin(&gateway);
    let (out, entry) = (gateway.path().join("out"), "out/sub/data.bin");
    let printed = run(ruby("whole.rb")
        .args([&gateway.base_url(), fixtures::MAINTAINER, PROJECT, REF, JOB_NAME])
        .arg(&out)
        .arg(entry));
    story::assert_whole(&story, &gateway, &printed, &out, entry);
}
