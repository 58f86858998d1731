//! `artigate load`

use std::path::PathBuf;

use super::{CommandError, migrate};
use crate::domain::Clock;
use crate::registry;
use crate::settings::Settings;
use crate::store::Store;

/// Loads all files or none.
pub(super) fn run(settings: &Settings, files: &[PathBuf]) -> Result<(), CommandError> {
    let (catalog, _) = migrate::open(settings)?;
    let store = Store::open(&settings.storage).map_err(CommandError::unusable)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .map_err(|e| CommandError::Configuration(e.into()))?;
    let loaded = runtime.block_on(registry::load_files(files, &catalog, &store, Clock::System.now()))?;
    println!(
        "loaded {} users, {} projects, {} pipelines, {} jobs, {} artifacts",
        loaded.users, loaded.projects, loaded.pipelines, loaded.jobs, loaded.artifacts
    );
    Ok(())
}
