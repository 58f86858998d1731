//! python-gitlab from its registry: the library, and the command that comes with it.

use std::process::Command;

use super::story::{self, JOB_NAME, NEWEST_JOB, PROJECT, REF};
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
    let deleted = story::keep_and_delete(&gateway, python, "py");
    assert_eq!(deleted, "job: 204\nproject: 202\n");
    story::assert_project_deleted(&gateway);
}

fn python_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    story::from_name_to_artifacts(&gateway, python("whole.py"), "out/report.json");
}

fn the_gitlab_command_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    let mut command = Command::new("bash");
    command.arg(script("python/command.sh")).arg(beside_python("gitlab"));
    story::from_name_to_artifacts(&gateway, command, "out/sub/data.bin");
}
