//! `artigate load`

use std::path::PathBuf;

use super::{CommandError, Parts};
use crate::domain::Clock;
use crate::registry;
use crate::settings::Settings;

/// Loads all files or none.
pub(super) fn run(settings: &Settings, files: &[PathBuf]) -> Result<(), CommandError> {
    let parts = Parts::open(settings)?;
    let loading = registry::load_files(files, &parts.catalog, &parts.store, Clock::System.now());
    let loaded = parts.block_on(loading)?;
    println!(
        "loaded {} users, {} projects, {} pipelines, {} jobs, {} artifacts",
        loaded.users, loaded.projects, loaded.pipelines, loaded.jobs, loaded.artifacts
    );
    Ok(())
}
