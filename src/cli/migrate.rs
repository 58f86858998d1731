//! `artigate migrate`: migrates the schema, and checks or sets which database the store belongs to.

use clap::Args;

use super::CommandError;
use super::catalog_session::audit;
use crate::catalog::Catalog;
use crate::domain::ErrorKind;
use crate::identity::{self, Belonging};
use crate::settings::Settings;
use crate::store::Store;

/// The options of `artigate migrate`.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Assign the store to this database, even if nothing shows that they belong together.
    ///
    /// For a store that was lost and begins anew, or whose database was lost. From then on, `gc` deletes the
    /// blobs of the store that the database does not reference. A store with the ID of another instance is
    /// still rejected.
    #[arg(long)]
    adopt_store: bool,
}

/// Opens the catalog, migrates its schema, and records the database's ID in its store.
pub(super) fn run(settings: &Settings, options: &Migrate) -> Result<(), CommandError> {
    let (catalog, migrations) = open(settings)?;
    println!("{migrations} migrations run, the database schema is up to date");
    let store = match Store::open(settings) {
        Ok(store) => store,
        Err(error) if options.adopt_store => return Err(CommandError::startup(error)),
        // The command's purpose is the schema, and that is migrated.
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
        assign_instance_id(&Belonging::default(), &catalog, &store, settings).await
    })
}

/// Opens the catalog and migrates its schema. Returns the catalog and the number of migrations run.
pub(super) fn open(settings: &Settings) -> Result<(Catalog, usize), CommandError> {
    let catalog = Catalog::open(settings).map_err(CommandError::startup)?;
    let migrations = catalog.migrate().map_err(CommandError::startup)?;
    Ok((catalog, migrations))
}

/// Checks that database and store belong together, and fails if they do not. If one of them does not answer,
/// only warns.
pub(super) async fn assign_instance_id(
    belonging: &Belonging,
    catalog: &Catalog,
    store: &Store,
    settings: &Settings,
) -> Result<(), CommandError> {
    match belonging.look(catalog, store, settings).await {
        Err(error) if error.kind() != ErrorKind::Conflict => {
            tracing::warn!(
                causes = error.source_chain(),
                "it is not known yet whether database and store belong together"
            );
            Ok(())
        }
        found => found.map_err(CommandError::startup),
    }
}
