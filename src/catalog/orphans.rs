//! Bytes that no row names, and how they go without anybody coming to name them in that moment.
//!
//! An upload stores its bytes before its row. Whoever finds them between the two cannot tell them from
//! forgotten ones by their age alone: clocks differ. So both sides write the key into one place first,
//! and the second of them is told.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Text};

use super::Db;
use super::schema::{artifacts, doomed_blobs};
use crate::domain::{Error, Result, Timestamp};

/// How long a doomed key is remembered at most, in milliseconds.
const DOOMED_MILLIS: i64 = 24 * 3600 * 1000;

/// Those of `keys` that no row names, tombstones included.
///
/// # Errors
/// Only those of the database.
pub fn unnamed(db: &mut Db, keys: Vec<String>) -> Result<Vec<String>> {
    let named = named_among(db, &keys)?;
    Ok(keys.into_iter().filter(|key| !named.contains(key)).collect())
}

fn named_among(db: &mut Db, keys: &[String]) -> Result<HashSet<String>> {
    let named: Vec<String> =
        artifacts::table.filter(artifacts::store_key.eq_any(keys)).select(artifacts::store_key).load(db)?;
    Ok(named.into_iter().collect())
}

/// Dooms those of `keys` that no row names, tombstones included, and tells which: from now on no row can
/// come to name them. Needs [`super::Catalog::write`].
///
/// # Errors
/// Only those of the database.
pub fn doom(db: &mut Db, keys: &[String], now: Timestamp) -> Result<Vec<String>> {
    // What somebody doomed who did not come back is of no use any more: keys are never used twice.
    let forgotten = now.as_millis() - DOOMED_MILLIS;
    diesel::delete(doomed_blobs::table.filter(doomed_blobs::doomed_at.lt(forgotten))).execute(db)?;
    for key in keys {
        diesel::sql_query(
            "INSERT INTO doomed_blobs (store_key, doomed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(now.as_millis())
        .execute(db)?;
    }
    // Whoever was about to name one has done so by now, or was refused.
    let (named, doomed): (Vec<String>, Vec<String>) = {
        let named = named_among(db, keys)?;
        keys.iter().cloned().partition(|key| named.contains(key))
    };
    pardon(db, &named)?;
    Ok(doomed)
}

/// Forgets that keys were doomed, once their bytes are gone.
///
/// # Errors
/// Only those of the database.
pub fn pardon(db: &mut Db, keys: &[String]) -> Result<()> {
    diesel::delete(doomed_blobs::table.filter(doomed_blobs::store_key.eq_any(keys))).execute(db)?;
    Ok(())
}

/// Makes sure that the bytes of a row that is about to be written are not about to be removed, until the
/// transaction ends.
///
/// # Errors
/// `Unavailable` when they are: somebody took them for forgotten.
pub(super) fn hold_off(db: &mut Db, key: &str) -> Result<()> {
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
            Err(Error::unavailable(format!("the bytes {key} were taken for forgotten and removed")))
        }
        held => Ok(held.map(drop)?),
    }
}
