//! Whether a database and a store belong together: both hold the same *instance id*.
//!
//! What no row names is only forgotten where the rows are those of this store. A database that is new,
//! another instance's, or a store that was not mounted says nothing about what may go.

use uuid::Uuid;

use crate::catalog::{Catalog, instance};
use crate::domain::{Error, Kind, Result};
use crate::settings::Settings;
use crate::store::Store;

/// Proof that database and store belong together, with how both are called in messages.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// The database's address, without secrets.
    pub database: String,
    /// The store's.
    pub store: String,
}

/// Gives an id to whichever has none, and makes sure that it is the same. What was there before ids were is
/// taken to belong together.
///
/// # Errors
/// `Conflict` when the two differ; those of catalog and store.
pub async fn agree(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_store = store.instance_id().await?;
    let of_database = match catalog.read(instance::find).await? {
        Some(id) => id,
        None => catalog.write(move |db| instance::find_or_make(db, of_store)).await?,
    };
    let of_store = match of_store {
        Some(id) => id,
        None => store.keep_instance_id(of_database).await?,
    };
    compare(Some(of_database), Some(of_store), settings)
}

/// Makes sure that database and store have the same id, and gives none to either.
///
/// # Errors
/// `Conflict` when they have not; those of catalog and store.
pub async fn check(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_database = catalog.read(instance::find).await?;
    compare(of_database, store.instance_id().await?, settings)
}

fn compare(of_database: Option<Uuid>, of_store: Option<Uuid>, settings: &Settings) -> Result<Agreed> {
    let (database, store) = (settings.database.without_secrets(), settings.storage.without_secrets());
    let problem = match (of_database, of_store) {
        (Some(one), Some(other)) if one == other => return Ok(Agreed { database, store }),
        (Some(one), Some(other)) => format!(
            "the database {database} is of the instance {one}, the store {store} of the instance {other}: they \
             do not belong together. If they do all the same, remove `instance-id` from the store and run \
             `artigate migrate`"
        ),
        (None, Some(other)) => format!(
            "the database {database} is new and of no instance yet, the store {store} is of the instance \
             {other}: they may not belong together"
        ),
        (Some(one), None) => format!(
            "the database {database} is of the instance {one}, the store {store} of none: it may be another \
             one, or not be mounted. If it is the right one, run `artigate migrate`"
        ),
        (None, None) => format!(
            "neither the database {database} nor the store {store} is of any instance yet: run `artigate \
             migrate` where they belong together"
        ),
    };
    Err(Error::new(Kind::Conflict, problem))
}
