//! The instance ID: an ID that a database shares with the store of the blobs that its rows reference, and
//! with no other.

use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use super::artifacts::Artifact;
use super::schema::{artifacts, instance};
use super::values::Finished;
use super::{Db, clock};
use crate::domain::{Error, Result};

/// How many of the newest artifacts, and of the oldest, a sample has.
const SAMPLE: i64 = 3;

/// Finds the ID of this database, if it has one.
///
/// # Errors
/// Those of the database; `Internal` when the stored text is not a valid ID.
pub fn find(db: &mut Db) -> Result<Option<Uuid>> {
    let text: Option<String> = instance::table.select(instance::id).get_result(db).optional()?;
    text.map(|text| text.parse().map_err(Error::internal)).transpose()
}

/// Returns the ID of this database; one that has none gets `wanted`, or a new one. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// Those of [`find`].
pub fn find_or_make(db: &mut Db, wanted: Option<Uuid>) -> Result<Uuid> {
    if let Some(id) = find(db)? {
        return Ok(id);
    }
    let id = wanted.unwrap_or_else(Uuid::new_v4);
    let now = clock::now(db)?.as_millis();
    // One of several concurrent inserts succeeds.
    diesel::sql_query("INSERT INTO instance (one, id, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(id.to_string())
        .bind::<diesel::sql_types::BigInt, _>(now)
        .execute(db)?;
    find(db)?.ok_or_else(|| Error::internal("the instance ID is missing after it was written"))
}

/// Returns a few of the artifacts whose blobs should be in the store of this database: the newest and the
/// oldest. The list is empty if there is no such artifact.
///
/// # Errors
/// Those of the database.
pub fn sample(db: &mut Db) -> Result<Vec<Artifact>> {
    let named = || artifacts::table.filter(artifacts::state.eq(Finished)).select(Artifact::as_select());
    let mut sample: Vec<Artifact> = named().order(artifacts::id.desc()).limit(SAMPLE).load(db)?;
    let oldest: Vec<Artifact> = named().order(artifacts::id.asc()).limit(SAMPLE).load(db)?;
    sample.extend(oldest);
    Ok(sample)
}
