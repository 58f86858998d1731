//! Pages in a real Chromium, with the mouse, the keyboard, and without scripts. The stories that it plays are in
//! `tests/it/node/browser`.

mod permissions;
mod report_makers;
mod reports;
mod stories;
mod world;

use std::process::Command;

use serde_json::Value;

use crate::clients::{run, script};

/// Plays a story against the server at `base_url`, with what it needs to know.
pub fn play(story: &str, base_url: &str, plan: &Value) {
    assert!(
        std::env::var_os("ARTIGATE_TEST_BROWSER_MODULES").is_some(),
        "ARTIGATE_TEST_BROWSER_MODULES names a folder with playwright-core: use tests/run --install, which fills one"
    );
    let mut command = Command::new("node");
    command.arg(script("node/browser").join(format!("{story}.mjs")));
    run(command.arg(base_url).arg(plan.to_string()));
}
