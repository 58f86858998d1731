//! The instance id: what a database shares with the store that holds the bytes its rows name, and with no
//! other.

use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use super::schema::{artifacts, instance};
use super::{Db, clock};
use crate::domain::{Error, Result};

/// The id of this database, if it has one.
///
/// # Errors
/// Those of the database; `Internal` when what stands there is no id.
pub fn find(db: &mut Db) -> Result<Option<Uuid>> {
    let text: Option<String> = instance::table.select(instance::id).get_result(db).optional()?;
    text.map(|text| text.parse().map_err(Error::internal)).transpose()
}

/// The id of this database; one that has none gets one. It takes over that of its store only when it has
/// artifacts: an empty one beside a store with an id is the wrong one, or the store is. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// As [`find`].
pub fn find_or_make(db: &mut Db, of_store: Option<Uuid>) -> Result<Uuid> {
    if let Some(id) = find(db)? {
        return Ok(id);
    }
    let some: Option<i64> = artifacts::table.select(artifacts::id).limit(1).first(db).optional()?;
    let id = of_store.filter(|_| some.is_some()).unwrap_or_else(Uuid::new_v4);
    let now = clock::now(db)?.as_millis();
    // Of several that begin at once, one has its way.
    diesel::sql_query("INSERT INTO instance (one, id, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(id.to_string())
        .bind::<diesel::sql_types::BigInt, _>(now)
        .execute(db)?;
    find(db)?.ok_or_else(|| Error::internal("the instance id is not there after it was written"))
}
