//! `artigate migrate`

use std::time::Duration;

use super::CommandError;
use crate::catalog::Catalog;
use crate::domain::Kind;
use crate::identity;
use crate::settings::Settings;
use crate::store::Store;

/// How long a start waits for the store to say whose it is; later, each collection asks again.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the catalog, brings its schema up to date, and makes it known to its store.
pub(super) fn run(settings: &Settings) -> Result<(), CommandError> {
    let (catalog, migrations) = open(settings)?;
    match Store::open(settings) {
        Ok(store) => super::runtime()?.block_on(identify(&catalog, &store, settings)),
        // The schema is what was asked for.
        Err(error) => tracing::warn!(causes = error.causes(), "the store cannot be opened"),
    }
    println!("{migrations} migrations run, the database schema is up to date");
    Ok(())
}

/// The catalog, and how many migrations that took.
pub(super) fn open(settings: &Settings) -> Result<(Catalog, usize), CommandError> {
    let catalog = Catalog::open(settings).map_err(CommandError::unusable)?;
    let migrations = catalog.migrate().map_err(CommandError::unusable)?;
    Ok((catalog, migrations))
}

/// Gives database and store the same id, and says loudly when they do not belong together. Everything else
/// goes on: what is in the store is there for whoever has the rows, only nothing is collected.
pub(super) async fn identify(catalog: &Catalog, store: &Store, settings: &Settings) {
    match tokio::time::timeout(IDENTITY_TIMEOUT, identity::agree(catalog, store, settings)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if error.kind() == Kind::Conflict => {
            tracing::error!("{error}; until then no bytes without a row are removed");
        }
        Ok(Err(error)) => {
            tracing::warn!(causes = error.causes(), "the store's instance id is not known yet");
        }
        Err(_) => tracing::warn!("the store's instance id is not known yet: the store does not answer"),
    }
}
