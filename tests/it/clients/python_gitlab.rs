//! python-gitlab from its registry: the library, and the command that comes with it.

use std::process::Command;

use super::story::{self, EXPIRING_JOB, JOB_NAME, NEWEST_JOB, PROJECT, REF, UNLOCKED_JOB};
use super::{beside_python, python, run, script};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

on_both_databases!(
    python_gitlab_downloads_by_id_and_by_ref_whole_streamed_and_by_pieces,
    python_gitlab_keeps_and_deletes,
    python_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up,
    the_gitlab_command_goes_from_a_projects_name_to_its_artifacts_and_cleans_up
);

fn python_gitlab_downloads_by_id_and_by_ref_whole_streamed_and_by_pieces(gateway: Gateway) {
    let story = story::begin(&gateway);
    let out = gateway.path().join("out");
    let printed = run(python("download.py")
        .args([&gateway.base_url(), fixtures::REPORTER, PROJECT, NEWEST_JOB, REF, JOB_NAME])
        .arg(&out)
        .args(story.paths()));
    assert_eq!(printed, "missing: 404\nunauthorized: 401\n");
    for by in ["by-id", "by-ref"] {
        for how in ["", "streamed-", "iterator-"] {
            story.assert_archives(&out, &[&format!("{how}{by}.zip")]);
            story.assert_files(&[out.join(format!("{how}{by}"))]);
        }
    }
}

fn python_gitlab_keeps_and_deletes(gateway: Gateway) {
    story::begin(&gateway);
    let base_url = gateway.base_url();
    let kept = run(python("keep.py").args([
        &base_url,
        fixtures::MAINTAINER,
        fixtures::REPORTER,
        PROJECT,
        EXPIRING_JOB,
    ]));
    story::assert_kept(&kept, &gateway);
    story::let_expire(&gateway);
    let deleted =
        run(python("delete.py").args([&base_url, fixtures::MAINTAINER, PROJECT, EXPIRING_JOB, UNLOCKED_JOB]));
    assert_eq!(deleted, "job: 204\nproject: 202\n");
    story::assert_project_deleted(&gateway);
}

fn python_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    let story = story::begin(&gateway);
    let (out, entry) = (gateway.path().join("out"), "out/report.json");
    let printed = run(python("whole.py")
        .args([&gateway.base_url(), fixtures::MAINTAINER, PROJECT, REF, JOB_NAME])
        .arg(&out)
        .arg(entry));
    story::assert_whole(&story, &gateway, &printed, &out, entry);
}

fn the_gitlab_command_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    let story = story::begin(&gateway);
    let (out, entry) = (gateway.path().join("out"), "out/sub/data.bin");
    let printed = run(Command::new("bash")
        .arg(script("python/command.sh"))
        .arg(beside_python("gitlab"))
        .args([&gateway.base_url(), fixtures::MAINTAINER, PROJECT, REF, JOB_NAME])
        .arg(&out)
        .arg(entry));
    story::assert_whole(&story, &gateway, &printed, &out, entry);
}
