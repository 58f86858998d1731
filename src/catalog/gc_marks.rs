//! Bytes that no row names, and how they go without anybody coming to name them in that moment.
//!
//! An upload stores its bytes before its row. Whoever finds them between the two cannot tell them from
//! forgotten ones by their age: scans, queues and the staging of a registry file take as long as they take.
//! So both sides write the key into one place first, and the second of them is told.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Text};

use super::schema::{artifacts, doomed_blobs};
use super::{Db, clock};
use crate::domain::{Error, Result};

/// How long a doomed key is remembered, in milliseconds. Whoever stored bytes and comes to name them later
/// than that would be one of an older release, which writes no writer down: a newer one is refused for its
/// writer, which is gone for good.
const DOOMED_MILLIS: i64 = 7 * 24 * 3600 * 1000;

/// Those of `keys` that no row names, tombstones included.
///
/// # Errors
/// Only those of the database.
pub fn unreferenced(db: &mut Db, keys: Vec<String>) -> Result<Vec<String>> {
    let named = named_among(db, &keys)?;
    Ok(keys.into_iter().filter(|key| !named.contains(key)).collect())
}

fn named_among(db: &mut Db, keys: &[String]) -> Result<HashSet<String>> {
    let named: Vec<String> =
        artifacts::table.filter(artifacts::store_key.eq_any(keys)).select(artifacts::store_key).load(db)?;
    Ok(named.into_iter().collect())
}

/// Dooms those of `keys` that no row names, tombstones included, and tells which: from now on no row can come
/// to name them, not even when their bytes are gone, as keys are never used twice.
///
/// Needs [`super::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn mark(db: &mut Db, keys: &[String]) -> Result<Vec<String>> {
    let now = clock::now(db)?.as_millis();
    diesel::delete(doomed_blobs::table.filter(doomed_blobs::doomed_at.lt(now - DOOMED_MILLIS)))
        .execute(db)?;
    for key in keys {
        diesel::sql_query(
            "INSERT INTO doomed_blobs (store_key, doomed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(now)
        .execute(db)?;
    }
    // Whoever was about to name one has done so by now, or was refused.
    let (named, doomed): (Vec<String>, Vec<String>) = {
        let named = named_among(db, keys)?;
        keys.iter().cloned().partition(|key| named.contains(key))
    };
    diesel::delete(doomed_blobs::table.filter(doomed_blobs::store_key.eq_any(named))).execute(db)?;
    Ok(doomed)
}

/// Makes sure that the bytes of a row that is about to be written are not doomed, until the transaction
/// ends.
///
/// # Errors
/// `Unavailable` when they are: somebody took them for forgotten and removes them, or has done so.
pub(super) fn guard_insert(db: &mut Db, key: &str) -> Result<()> {
    let doomed = doomed_blobs::table.find(key);
    // A failed statement must have a savepoint of its own, or PostgreSQL gives up the transaction.
    let held = db.transaction(|db| {
        diesel::insert_into(doomed_blobs::table)
            .values((doomed_blobs::store_key.eq(key), doomed_blobs::doomed_at.eq(0)))
            .execute(db)?;
        diesel::delete(doomed).execute(db)
    });
    match held {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            Err(Error::unavailable(format!("blob {key} was garbage-collected before its row was written")))
        }
        held => Ok(held.map(drop)?),
    }
}
