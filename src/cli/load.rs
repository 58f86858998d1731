//! `artigate load`: loads registry files.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::catalog_session::audit;
use super::progress::Progress;
use super::{CommandError, Maintenance};
use crate::app::archive_limits;
use crate::domain::Clock;
use crate::identity::Belonging;
use crate::registry::{self, Destination};
use crate::settings::Settings;

/// Migrates the schema, then loads all files or none.
pub(super) fn run(settings: &Settings, files: &[PathBuf]) -> Result<(), CommandError> {
    let parts = Maintenance::make(settings)?;
    let looking = async {
        let belonging = Belonging::default();
        belonging.look(&parts.catalog, &parts.store, settings).await.map_err(CommandError::startup)
    };
    parts.block_on(looking)?;
    let progress = OnceLock::new();
    let stored = |total| {
        progress.get_or_init(|| Progress::new("storing artifacts", Some(total))).advance(1);
    };
    let destination = Destination {
        catalog: &parts.catalog,
        store: &parts.store,
        archive_limits: archive_limits(settings),
    };
    let loading = registry::load_files(files, destination, Clock::System.now(), &stored);
    let loaded = parts.block_on(loading);
    if let Some(progress) = progress.into_inner() {
        progress.finish();
    }
    let loaded = loaded?;
    println!("loaded {loaded}");
    audit("registry.load", loaded.to_string());
    Ok(())
}
