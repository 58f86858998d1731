//! Whether a database and a store belong together: both hold the same *instance id*.
//!
//! What no row names is only forgotten where the rows are those of this store. A database that is new,
//! another instance's, or a store that was not mounted says nothing about what may go. So an id is given, or
//! taken over, only on evidence: the store holds bytes that the database names, or neither holds anything that
//! could be lost. Everything else is refused, until somebody adopts the store on purpose.

mod belonging;

use uuid::Uuid;

pub use belonging::Belonging;

use crate::catalog::artifacts::Artifact;
use crate::catalog::{Catalog, instance};
use crate::domain::{Error, ErrorKind, Result};
use crate::settings::Settings;
use crate::store::{Store, StoreKey};

/// Proof that database and store belong together, with how both are called in messages.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// The database's address, without secrets.
    pub database: String,
    /// The store's.
    pub store: String,
}

/// What a store holds, seen from a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectUsage {
    /// Blobs that the database names.
    Named,
    /// No blob at all.
    Nothing,
    /// Blobs, and none of those that the database names as far as it was asked.
    Strange,
}

/// Makes sure that database and store have the same id. Whichever has none gets that of the other, or both a
/// new one, where the store holds bytes that the database names, or holds none and none are missing.
///
/// # Errors
/// `Conflict` when the two differ, or nothing shows that they belong together; nothing was changed then, and
/// the text names both and says what to do. Those of catalog and store.
pub async fn agree(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_store = store.instance_id().await?;
    let of_database = catalog.read(instance::find).await?;
    if of_store.is_none() || of_database.is_none() {
        let why_not = match of_store {
            Some(id) => why_not_take_over(id, catalog, store, settings).await?,
            None => why_not_stamp(of_database, catalog, store, settings).await?,
        };
        if let Some(why) = why_not {
            // Of nodes that begin at once, another may have given the id meanwhile, and stored bytes since.
            let later = (catalog.read(instance::find).await?, store.instance_id().await?);
            return match later {
                (Some(_), Some(_)) => compare(later.0, later.1, settings),
                _ => Err(Error::new(ErrorKind::Conflict, why)),
            };
        }
    }
    join(catalog, store, settings).await
}

/// As [`agree`], whatever the store holds: from now on, what the database does not name there is forgotten. An
/// id that both have stays as it is.
///
/// # Errors
/// `Conflict` when the two have different ids; those of catalog and store.
pub async fn adopt(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    join(catalog, store, settings).await
}

/// Makes sure that database and store have the same id, and gives none to either.
///
/// # Errors
/// `Conflict` when they have not; those of catalog and store.
pub async fn check(catalog: &Catalog, store: &Store, settings: &Settings) -> Result<Agreed> {
    let of_database = catalog.read(instance::find).await?;
    compare(of_database, store.instance_id().await?, settings)
}

/// What the store holds by itself, without the previous one: a few of the artifacts are looked for, and then
/// any blob. Both are cheap, whatever the size of either.
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

/// Gives the id of whichever has one to the other, and a new one to both where there is none.
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

/// Why a database without an id does not get that of the store, if so.
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
        "the database {database} is of no instance yet, the store {store} is of the instance {id}, and none of \
         the artifacts that the database names was found there: they may not belong together. {ADOPT}"
    )))
}

/// Why a store without an id does not get that of the database, if so.
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
        // While an instance moves, its blobs are still in the place before.
        (ProjectUsage::Nothing, true) if is_moving_here(of_database, catalog, store).await? => None,
        (ProjectUsage::Nothing, true) => Some(format!(
            "the store {shown} is empty and of no instance, but the database {database} names artifacts: the \
             store may not be mounted, or be another one. {ADOPT}"
        )),
        (ProjectUsage::Strange, false) => Some(format!(
            "the store {shown} holds blobs and is of no instance yet, but the database {database} names no \
             artifacts: it may be new or another instance's, and gc would remove all that is in the store. {ADOPT}"
        )),
        (ProjectUsage::Strange, true) => Some(format!(
            "the store {shown} holds blobs and is of no instance yet, but none of the artifacts that the database \
             {database} names was found there: they may not belong together. {ADOPT}"
        )),
    })
}

/// What to do about a pair that is refused.
const ADOPT: &str = "Check database.url and storage.url; should they be right all the same, `artigate migrate \
                     --adopt-store` makes the store the database's, and gc then removes from it what the database \
                     does not name";

/// Whether the previous store is this database's.
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
            "the database {database} is of the instance {one}, the store {store} of the instance {other}: they \
             do not belong together. If they do all the same, remove `instance-id` from the store and run \
             `artigate migrate --adopt-store`"
        ),
        (None, Some(other)) => format!(
            "the database {database} is new and of no instance yet, the store {store} is of the instance \
             {other}: they may not belong together. If they do, run `artigate migrate`"
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
    Err(Error::new(ErrorKind::Conflict, problem))
}
