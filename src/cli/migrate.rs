//! `artigate migrate`

use clap::Args;

use super::CommandError;
use super::administration::audit;
use crate::catalog::Catalog;
use crate::domain::ErrorKind;
use crate::identity::{self, Belonging};
use crate::settings::Settings;
use crate::store::Store;

/// What the caller wants beside the schema.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Make the store this database's, though nothing shows that they belong together.
    ///
    /// For a store that was lost and begins anew, or whose database was: from then on, `gc` removes from it
    /// what the database does not name. A store with the id of another instance is refused all the same.
    #[arg(long)]
    adopt_store: bool,
}

/// Opens the catalog, brings its schema up to date, and makes it known to its store.
pub(super) fn run(settings: &Settings, options: &Migrate) -> Result<(), CommandError> {
    let (catalog, migrations) = open(settings)?;
    println!("{migrations} migrations run, the database schema is up to date");
    let store = match Store::open(settings) {
        Ok(store) => store,
        Err(error) if options.adopt_store => return Err(CommandError::startup(error)),
        // The schema is what was asked for.
        Err(error) => {
            tracing::warn!(causes = error.source_chain(), "the store cannot be opened");
            return Ok(());
        }
    };
    super::runtime()?.block_on(async {
        if options.adopt_store {
            let adopted = identity::adopt(&catalog, &store, settings).await;
            let adopted = adopted.map_err(CommandError::startup)?;
            println!("the store {} belongs to the database {}", adopted.store, adopted.database);
            audit("store.adopt", adopted.store);
            return Ok(());
        }
        identify(&Belonging::default(), &catalog, &store, settings).await
    })
}

/// The catalog, and how many migrations that took.
pub(super) fn open(settings: &Settings) -> Result<(Catalog, usize), CommandError> {
    let catalog = Catalog::open(settings).map_err(CommandError::startup)?;
    let migrations = catalog.migrate().map_err(CommandError::startup)?;
    Ok((catalog, migrations))
}

/// Finds out whether database and store belong together, and refuses to go on where they do not. What does not
/// answer leaves that open, with a warning.
pub(super) async fn identify(
    belonging: &Belonging,
    catalog: &Catalog,
    store: &Store,
    settings: &Settings,
) -> Result<(), CommandError> {
    match belonging.look(catalog, store, settings).await {
        Err(error) if error.kind() != ErrorKind::Conflict => {
            tracing::warn!(causes = error.source_chain(), "whose the store is cannot be told yet");
            Ok(())
        }
        found => found.map_err(CommandError::startup),
    }
}
