//! Instance identity: a database and a store belong together if both hold the same *instance ID*.
//!
//! Bytes without a row may be deleted only if the rows are those of this store. A new database, one of
//! another instance, or a store that is not mounted does not tell which bytes these are. So an ID is assigned
//! or copied only on evidence: the store holds blobs that the database references, or neither holds anything
//! that could be lost. Everything else is refused until an operator adopts the store.

mod belonging;

use uuid::Uuid;

pub use belonging::Belonging;

use crate::catalog::artifacts::Artifact;
use crate::catalog::{Catalog, instance};
use crate::domain::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::{Store, StoreKey};

/// Proof that database and store belong together, with their addresses for messages.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// The database's address, without secrets.
    pub database: String,
    /// The store's address, without secrets.
    pub store: String,
}

/// The contents of a store, seen from a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectUsage {
    /// Blobs that the database references.
    Named,
    /// No blobs.
    Nothing,
    /// Blobs, but none of those referenced by a sample of the database's rows.
    Strange,
}

/// Ensures that database and store have the same ID.
///
/// A missing ID is copied from the other side, or created for both, if the store holds blobs that the
/// database references, or if it holds none and none are missing.
///
/// # Errors
/// `Conflict` when the IDs differ, or nothing shows that the two belong together: nothing was changed then,
/// and the text names both and says what to do. Those of catalog and store.
pub async fn agree(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_store = store.instance_id().await?;
    let of_database = catalog.read(instance::find).await?;
    if of_store.is_none() || of_database.is_none() {
        let why_not = match of_store {
            Some(id) => why_not_take_over(id, catalog, store, settings).await?,
            None => why_not_stamp(of_database, catalog, store, settings).await?,
        };
        if let Some(why) = why_not {
            // Another node that starts at the same time may have assigned the ID meanwhile, and stored bytes
            // since.
            let later = (catalog.read(instance::find).await?, store.instance_id().await?);
            return match later {
                (Some(_), Some(_)) => compare(later.0, later.1, settings),
                _ => Err(Error::new(ErrorKind::Conflict, why)),
            };
        }
    }
    join(catalog, store, settings).await
}

/// Like [`agree`], whatever the store holds: from now on `gc` may delete blobs that the database does not
/// reference. Existing IDs stay as they are.
///
/// # Errors
/// `Conflict` when the IDs differ; those of catalog and store.
pub async fn adopt(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    join(catalog, store, settings).await
}

/// Checks that database and store have the same ID; assigns none.
///
/// # Errors
/// `Conflict` when they do not; those of catalog and store.
pub async fn check(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_database = catalog.read(instance::find).await?;
    compare(of_database, store.instance_id().await?, settings)
}

/// Returns what the store holds, without the previous one: looks for a few of the artifacts, then for any
/// blob. Both are cheap, whatever the size of database and store.
///
/// # Errors
/// Those of catalog and store.
pub async fn holdings(catalog: &Catalog, store: &Store) -> Result<ProjectUsage> {
    let store = store.current();
    for artifact in catalog.read(instance::sample).await? {
        let Artifact { store_key, size_bytes, .. } = artifact;
        let Ok(key) = store_key.parse::<StoreKey>() else { continue };
        let found = store.size_of(&key).await?;
        if found.is_some() && found == u64::try_from(size_bytes).ok() {
            return Ok(ProjectUsage::Named);
        }
    }
    Ok(if store.holds_blobs().await? { ProjectUsage::Strange } else { ProjectUsage::Nothing })
}

/// Copies the ID to the side without one, or creates one for both.
async fn join(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
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

/// Returns why a database without an ID must not get that of the store, if so.
async fn why_not_take_over(
    id: Uuid,
    catalog: &Catalog,
    store: &Store,
    settings: &Settings,
) -> Result<Option<String>> {
    if holdings(catalog, store).await? == ProjectUsage::Named {
        return Ok(None);
    }
    let (database, store) = names(settings);
    Ok(Some(format!(
        "the database {database} has no instance ID yet, the store {store} has the instance ID {id} and none \
         of the artifacts that the database references: they may not belong together. {ADOPT}"
    )))
}

/// Returns why a store without an ID must not get that of the database, if so.
async fn why_not_stamp(
    of_database: Option<Uuid>,
    catalog: &Catalog,
    store: &Store,
    settings: &Settings,
) -> Result<Option<String>> {
    let needs_bytes = !catalog.read(instance::sample).await?.is_empty();
    let holds = holdings(catalog, store).await?;
    let (database, shown) = names(settings);
    Ok(match (holds, needs_bytes) {
        (ProjectUsage::Named, _) => None,
        // Nothing is there that could be lost, and nothing is missing: a new pair, or everything has expired.
        (ProjectUsage::Nothing, false) => None,
        // While an instance moves, its blobs are still in the previous store.
        (ProjectUsage::Nothing, true) if is_moving_here(of_database, catalog, store).await? => None,
        (ProjectUsage::Nothing, true) => Some(format!(
            "the store {shown} is empty and has no instance ID, but the database {database} references \
             artifacts: the store may not be mounted, or may be another one. {ADOPT}"
        )),
        (ProjectUsage::Strange, false) => Some(format!(
            "the store {shown} holds blobs and has no instance ID yet, but the database {database} references \
             no artifacts: it may be new or another instance's, and gc would delete all blobs of the store. \
             {ADOPT}"
        )),
        (ProjectUsage::Strange, true) => Some(format!(
            "the store {shown} holds blobs and has no instance ID yet, but none of the artifacts that the \
             database {database} references: they may not belong together. {ADOPT}"
        )),
    })
}

/// Advice for a pair that is refused.
const ADOPT: &str = "Check database.url and storage.url. If they are right, `artigate migrate --adopt-store` \
                     assigns the store to the database; gc then deletes the blobs of the store that the database does \
                     not reference";

/// Whether the previous store belongs to this database.
async fn is_moving_here(of_database: Option<Uuid>, catalog: &Catalog, store: &Store) -> Result<bool> {
    let Some(previous) = store.previous() else { return Ok(false) };
    match (of_database, previous.instance_id().await?) {
        (Some(one), Some(other)) => Ok(one == other),
        _ => Ok(holdings(catalog, &previous).await? == ProjectUsage::Named),
    }
}

fn names(settings: &Settings) -> (String, String) {
    (settings.database.without_secrets(), settings.storage.without_secrets())
}

fn compare(of_database: Option<Uuid>, of_store: Option<Uuid>, settings: &Settings) -> Result<Agreed> {
    let (database, store) = names(settings);
    let problem = match (of_database, of_store) {
        (Some(one), Some(other)) if one == other => return Ok(Agreed { database, store }),
        (Some(one), Some(other)) => format!(
            "the database {database} has the instance ID {one}, the store {store} has {other}: they do not \
             belong together. If they do nevertheless, delete `instance-id` in the store and run \
             `artigate migrate --adopt-store`"
        ),
        (None, Some(other)) => format!(
            "the database {database} is new and has no instance ID yet, the store {store} has the instance \
             ID {other}: they may not belong together. If they do, run `artigate migrate`"
        ),
        (Some(one), None) => format!(
            "the database {database} has the instance ID {one}, the store {store} has none: the store may be \
             another one, or may not be mounted. If it is the right one, run `artigate migrate`"
        ),
        (None, None) => format!(
            "neither the database {database} nor the store {store} has an instance ID yet: if they belong \
             together, run `artigate migrate`"
        ),
    };
    Err(Error::new(ErrorKind::Conflict, problem))
}
