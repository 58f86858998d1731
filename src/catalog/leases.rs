//! A lease gives one node at a time the work that is done for all nodes. A holder that dies loses it when it
//! expires.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Db, clock};
use crate::domain::Result;

/// How long a lease is valid without renewal, in milliseconds.
const LEASE_MILLIS: i64 = 10 * 60 * 1000;

/// How often a holder renews its lease.
pub const RENEWAL: Duration = Duration::from_secs(2 * 60);

/// Takes the lease of `name` for `holder`, unless it is held or the work was last done less than `interval`
/// ago; returns whether it did. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn take(db: &mut Db, name: &str, holder: i64, interval: Duration) -> Result<bool> {
    let now = clock::now(db)?.as_millis();
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    // A time far ahead was written under a wrong clock.
    let taken = diesel::sql_query(
        "INSERT INTO leases (name, holder, expires_at, done_at) VALUES ($1, $2, $3, 0) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
         WHERE (leases.expires_at <= $4 OR leases.expires_at > $5) \
         AND (leases.done_at <= $6 OR leases.done_at > $4)",
    )
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(holder)
    .bind::<BigInt, _>(now + LEASE_MILLIS)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(now + 2 * LEASE_MILLIS)
    .bind::<BigInt, _>(now.saturating_sub(interval))
    .execute(db)?;
    Ok(taken == 1)
}

/// Renews a lease; returns whether it is still the holder's.
///
/// # Errors
/// Those of the database.
pub fn renew(db: &mut Db, name: &str, holder: i64) -> Result<bool> {
    let until = clock::now(db)?.as_millis() + LEASE_MILLIS;
    let renewed = diesel::sql_query("UPDATE leases SET expires_at = $1 WHERE name = $2 AND holder = $3")
        .bind::<BigInt, _>(until)
        .bind::<Text, _>(name)
        .bind::<BigInt, _>(holder)
        .execute(db)?;
    Ok(renewed == 1)
}

/// Releases a lease; `done` records that the work is complete.
///
/// # Errors
/// Those of the database.
pub fn give_back(db: &mut Db, name: &str, holder: i64, done: bool) -> Result<()> {
    let now = clock::now(db)?.as_millis();
    diesel::sql_query(
        "UPDATE leases SET expires_at = 0, done_at = CASE WHEN $1 = 1 THEN $2 ELSE done_at END \
         WHERE name = $3 AND holder = $4",
    )
    .bind::<BigInt, _>(i64::from(done))
    .bind::<BigInt, _>(now)
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(holder)
    .execute(db)?;
    Ok(())
}
