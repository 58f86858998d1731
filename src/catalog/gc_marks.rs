//! Garbage collection marks: the keys of blobs that are to be deleted because no row references them.
//!
//! An upload stores its blob before its row, so a blob without a row may belong to an upload in progress. Its
//! age does not decide: scans, queues and the staging of a registry file take any time. So both sides insert
//! the key into `doomed_blobs` first; the unique constraint makes the later one fail.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Text};

use super::schema::{artifacts, doomed_blobs, leftover_blobs, upload_pieces, uploads};
use super::{Db, clock};
use crate::domain::{Error, Result};

/// How long a mark is kept, in milliseconds.
///
/// Only a node of an older release, which registers no writer, could insert a row for the key even later; a
/// newer one is refused, because its writer was removed for good.
const DOOMED_MILLIS: i64 = 7 * 24 * 3600 * 1000;

/// Returns those of `keys` that no row references, tombstones included.
///
/// # Errors
/// Those of the database.
pub fn unreferenced(db: &mut Db, keys: Vec<String>) -> Result<Vec<String>> {
    let named = named_among(db, &keys)?;
    Ok(keys.into_iter().filter(|key| !named.contains(key)).collect())
}

fn named_among(db: &mut Db, keys: &[String]) -> Result<HashSet<String>> {
    let mut named: Vec<String> =
        artifacts::table.filter(artifacts::store_key.eq_any(keys)).select(artifacts::store_key).load(db)?;
    let pieces: Vec<String> = upload_pieces::table
        .filter(upload_pieces::store_key.eq_any(keys))
        .select(upload_pieces::store_key)
        .load(db)?;
    let uploaded: Vec<Option<String>> =
        uploads::table.filter(uploads::store_key.eq_any(keys)).select(uploads::store_key).load(db)?;
    // Of deleted projects: they are deleted when their time has come.
    let left: Vec<String> = leftover_blobs::table
        .filter(leftover_blobs::store_key.eq_any(keys))
        .select(leftover_blobs::store_key)
        .load(db)?;
    named.extend(left);
    named.extend(pieces);
    named.extend(uploaded.into_iter().flatten());
    Ok(named.into_iter().collect())
}

/// Marks those of `keys` that no row references, tombstones included, and returns them. From now on no row
/// can reference them, not even after their blobs are deleted, as keys are never reused.
///
/// Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
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
    // Every transaction that was about to reference a key has done so by now, or was refused.
    let (named, doomed): (Vec<String>, Vec<String>) = {
        let named = named_among(db, keys)?;
        keys.iter().cloned().partition(|key| named.contains(key))
    };
    diesel::delete(doomed_blobs::table.filter(doomed_blobs::store_key.eq_any(named))).execute(db)?;
    Ok(doomed)
}

/// Ensures that the blob of a row that is about to be inserted is not marked, until the transaction ends.
///
/// # Errors
/// `Unavailable` when it is: garbage collection is deleting it, or has done so.
pub(super) fn guard_insert(db: &mut Db, key: &str) -> Result<()> {
    let doomed = doomed_blobs::table.find(key);
    // A statement that may fail needs its own savepoint, or PostgreSQL aborts the transaction.
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
