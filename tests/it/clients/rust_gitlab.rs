//! The crate `gitlab`, from its registry, in the small program of `tests/it/rust`.

use std::process::Command;

use super::run;
use super::story::{self, JOB_NAME, PROJECT, REF};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

on_both_databases!(the_crate_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up);

fn the_crate_gitlab_goes_from_a_projects_name_to_its_artifacts_and_cleans_up(gateway: Gateway) {
    let program = std::env::var_os("ARTIGATE_TEST_RUST_CLIENT").expect(
        "ARTIGATE_TEST_RUST_CLIENT names the program in tests/it/rust: use tests/run, which builds it",
    );
    let story = story::begin(&gateway);
    let (out, entry) = (gateway.path().join("out"), "out/sub/data.bin");
    let printed = run(Command::new(program)
        .args([&gateway.address.to_string(), fixtures::MAINTAINER, fixtures::RUNNING, PROJECT, REF, JOB_NAME])
        .arg(&out)
        .arg(entry));
    story::assert_whole(&story, &gateway, &printed, &out, entry);
}
