//! Writers: who stores bytes just now whose rows come later.
//!
//! A writer's number is part of the keys that it gives out. What has such a key and no row belongs to
//! somebody as long as the writer is here; it goes when it has ended, or was not seen for so long that it
//! must have died. A row comes to name such a key only in a transaction that holds the writer, so that
//! once a writer is gone, none of its keys can be named any more.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::db::MultiBackend;
use super::schema::writers;
use super::{Db, clock};
use crate::domain::{Error, Result};

/// How long a writer may go unseen before it is taken for dead, in milliseconds: longer than a registry
/// file may hold SQLite's write lock, as nobody is seen meanwhile.
const SILENCE_MILLIS: i64 = 10 * 60 * 1000;

/// What a writer stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// New bytes, under keys that hold the writer's number.
    Keys,
    /// Copies of bytes in another store, under the keys that rows name.
    Copy,
}

/// The writers that are here.
#[derive(Debug, Clone, Default)]
pub struct Living {
    /// The numbers of those that store new bytes.
    pub keys: Vec<i64>,
    /// Whether somebody copies bytes from one store to another.
    pub copying: bool,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Held {
    #[diesel(sql_type = BigInt)]
    #[expect(dead_code, reason = "only whether there is one counts")]
    number: i64,
}

/// Writes a new writer down.
///
/// # Errors
/// Only those of the database.
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

/// Notes that writers are alive and tells which of them are still here.
///
/// # Errors
/// Only those of the database.
pub fn see(db: &mut Db, numbers: &[i64]) -> Result<Vec<i64>> {
    let now = clock::now(db)?.as_millis();
    Ok(diesel::update(writers::table.filter(writers::number.eq_any(numbers)))
        .set(writers::seen_at.eq(now))
        .returning(writers::number)
        .get_results(db)?)
}

/// Makes sure that a writer is here until the transaction ends, in which rows name its keys.
///
/// # Errors
/// `Unavailable` when it is not: it was taken for dead, and what it stored may be gone.
pub fn hold(db: &mut Db, number: i64) -> Result<()> {
    let statement = match db {
        Db::Sqlite(_) => "SELECT number FROM writers WHERE number = $1",
        // Being seen does not wait for this, being taken away does.
        Db::Postgres(_) => "SELECT number FROM writers WHERE number = $1 FOR KEY SHARE",
    };
    let held: Vec<Held> = diesel::sql_query(statement).bind::<BigInt, _>(number).load(db)?;
    if held.is_empty() {
        Err(Error::unavailable(format!("the writer {number} was declared dead")))
    } else {
        Ok(())
    }
}

/// Takes writers away that have ended. A transaction that holds one is waited for.
///
/// # Errors
/// Only those of the database.
pub fn close(db: &mut Db, numbers: &[i64]) -> Result<()> {
    diesel::delete(writers::table.filter(writers::number.eq_any(numbers))).execute(db)?;
    Ok(())
}

/// Takes the writers away that must have died, and tells how many. One that is seen only in much later
/// times was written down under a clock that went wrong.
///
/// # Errors
/// Only those of the database.
pub fn give_up_dead(db: &mut Db) -> Result<usize> {
    let now = clock::now(db)?.as_millis();
    let dead = writers::table
        .filter(writers::seen_at.lt(now - SILENCE_MILLIS).or(writers::seen_at.gt(now + SILENCE_MILLIS)));
    Ok(diesel::delete(dead).execute(db)?)
}

/// The writers that are here.
///
/// # Errors
/// Only those of the database.
pub fn living(db: &mut Db) -> Result<Living> {
    let all: Vec<(i64, String)> = writers::table.select((writers::number, writers::purpose)).load(db)?;
    let (copying, keys): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, purpose)| purpose == "copy");
    let keys = keys.into_iter().map(|(number, _)| number).collect();
    Ok(Living { keys, copying: !copying.is_empty() })
}
