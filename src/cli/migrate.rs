//! `artigate migrate`

use super::CommandError;
use crate::catalog::Catalog;
use crate::settings::Settings;

/// Opens the catalog and brings its schema up to date.
pub(super) fn run(settings: &Settings) -> Result<(), CommandError> {
    let migrations = open(settings)?.1;
    println!("{migrations} migrations run, the database schema is up to date");
    Ok(())
}

/// The catalog, and how many migrations that took.
pub(super) fn open(settings: &Settings) -> Result<(Catalog, usize), CommandError> {
    let catalog = Catalog::open(settings).map_err(CommandError::unusable)?;
    let migrations = catalog.migrate().map_err(CommandError::unusable)?;
    Ok((catalog, migrations))
}
