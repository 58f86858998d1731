//! Writers: processes that are storing blobs whose rows are written later.
//!
//! A writer's number is part of the keys that it gives out. A blob with such a key and no row is kept as long
//! as the writer is registered; it is deleted when the writer has ended, or was not seen for so long that it
//! must have died. A row comes to reference such a key only in a transaction that holds the writer, so that
//! no row can reference a key of a writer that was removed.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::db::MultiBackend;
use super::schema::writers;
use super::{Db, clock};
use crate::domain::{Error, Result};

/// How long a writer may go unseen before it is declared dead, in milliseconds: longer than a registry file
/// may hold SQLite's write lock, as no writer is seen meanwhile.
const SILENCE_MILLIS: i64 = 10 * 60 * 1000;

/// The purpose of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// New blobs, under keys that hold the writer's number.
    Keys,
    /// Copies of blobs in another store, under the keys that rows reference.
    Copy,
}

/// The registered writers.
#[derive(Debug, Clone, Default)]
pub struct Living {
    /// The numbers of the writers that store new blobs.
    pub keys: Vec<i64>,
    /// Whether a writer copies blobs from one store to another.
    pub copying: bool,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Held {
    #[diesel(sql_type = BigInt)]
    #[expect(dead_code, reason = "only whether there is one counts")]
    number: i64,
}

/// Registers a new writer.
///
/// # Errors
/// Those of the database.
pub fn open(db: &mut Db, number: i64, purpose: Purpose) -> Result<()> {
    let purpose = match purpose {
        Purpose::Keys => "keys",
        Purpose::Copy => "copy",
    };
    let now = clock::now(db)?.as_millis();
    diesel::insert_into(writers::table)
        .values((writers::number.eq(number), writers::purpose.eq(purpose), writers::seen_at.eq(now)))
        .execute(db)?;
    Ok(())
}

/// Records that writers are alive and returns those that are still registered.
///
/// # Errors
/// Those of the database.
pub fn see(db: &mut Db, numbers: &[i64]) -> Result<Vec<i64>> {
    let now = clock::now(db)?.as_millis();
    Ok(diesel::update(writers::table.filter(writers::number.eq_any(numbers)))
        .set(writers::seen_at.eq(now))
        .returning(writers::number)
        .get_results(db)?)
}

/// Ensures that a writer is registered until the transaction ends, in which rows reference its keys.
///
/// # Errors
/// `Unavailable` when it is not: it was declared dead, and its blobs may be deleted.
pub fn hold(db: &mut Db, number: i64) -> Result<()> {
    let statement = match db {
        Db::Sqlite(_) => "SELECT number FROM writers WHERE number = $1",
        // `see` does not wait for this lock; a removal does.
        Db::Postgres(_) => "SELECT number FROM writers WHERE number = $1 FOR KEY SHARE",
    };
    let held: Vec<Held> = diesel::sql_query(statement).bind::<BigInt, _>(number).load(db)?;
    if held.is_empty() {
        Err(Error::unavailable(format!("the writer {number} was declared dead")))
    } else {
        Ok(())
    }
}

/// Removes writers that have ended. Waits for transactions that hold one.
///
/// # Errors
/// Those of the database.
pub fn close(db: &mut Db, numbers: &[i64]) -> Result<()> {
    diesel::delete(writers::table.filter(writers::number.eq_any(numbers))).execute(db)?;
    Ok(())
}

/// Removes the writers that must have died, and returns how many. A writer last seen far in the future was
/// registered under a wrong clock.
///
/// # Errors
/// Those of the database.
pub fn give_up_dead(db: &mut Db) -> Result<usize> {
    let now = clock::now(db)?.as_millis();
    let dead = writers::table
        .filter(writers::seen_at.lt(now - SILENCE_MILLIS).or(writers::seen_at.gt(now + SILENCE_MILLIS)));
    Ok(diesel::delete(dead).execute(db)?)
}

/// Returns the registered writers.
///
/// # Errors
/// Those of the database.
pub fn living(db: &mut Db) -> Result<Living> {
    let all: Vec<(i64, String)> = writers::table.select((writers::number, writers::purpose)).load(db)?;
    let (copying, keys): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, purpose)| purpose == "copy");
    let keys = keys.into_iter().map(|(number, _)| number).collect();
    Ok(Living { keys, copying: !copying.is_empty() })
}
