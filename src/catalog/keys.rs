//! Signing keys: secrets that sign links and tokens, the same on every node.
//!
//! The newest key signs. The key before it is still accepted, so that a rotation breaks no link in use.

use diesel::prelude::*;

use super::Db;
use super::schema::signing_keys;
use crate::domain::{Result, Timestamp};

/// How many keys are accepted.
const ACCEPTED: i64 = 2;

/// Returns the accepted keys with their IDs, newest first.
///
/// # Errors
/// Those of the database.
pub fn accepted(db: &mut Db) -> Result<Vec<(i64, Vec<u8>)>> {
    Ok(signing_keys::table
        .order(signing_keys::id.desc())
        .limit(ACCEPTED)
        .select((signing_keys::id, signing_keys::secret))
        .load(db)?)
}

/// Adds `secret` as the first key, unless there is one. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn ensure(db: &mut Db, secret: &[u8], now: Timestamp) -> Result<()> {
    db.lock_whole_catalog()?;
    if accepted(db)?.is_empty() { insert(db, secret, now) } else { Ok(()) }
}

/// Adds `secret` as the newest key, and deletes those that are no longer accepted. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn rotate(db: &mut Db, secret: &[u8], now: Timestamp) -> Result<()> {
    db.lock_whole_catalog()?;
    insert(db, secret, now)?;
    let kept: Vec<i64> = accepted(db)?.into_iter().map(|(id, _)| id).collect();
    diesel::delete(signing_keys::table.filter(signing_keys::id.ne_all(kept))).execute(db)?;
    Ok(())
}

fn insert(db: &mut Db, secret: &[u8], now: Timestamp) -> Result<()> {
    diesel::insert_into(signing_keys::table)
        .values((signing_keys::secret.eq(secret), signing_keys::created_at.eq(now.as_millis())))
        .execute(db)?;
    Ok(())
}
