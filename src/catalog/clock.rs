//! The database's clock, which all nodes share, whatever their own clocks say.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::db::MultiBackend;
use crate::domain::{Clock, Result, Timestamp};

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct Now {
    #[diesel(sql_type = BigInt)]
    millis: i64,
}

/// Returns the time of the database's clock. With SQLite that is the clock of the machine on which all
/// processes run that share the file.
///
/// # Errors
/// Those of the database.
pub fn now(db: &mut Db) -> Result<Timestamp> {
    let statement = match db {
        Db::Sqlite(_) => "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS millis",
        Db::Postgres(_) => "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS millis",
    };
    let now: Now = diesel::sql_query(statement).get_result(db)?;
    Ok(Timestamp::from_millis(now.millis))
}

/// Returns the time that all nodes agree on, for what one of them writes and another compares: the database's, unless a
/// test moves the clock.
///
/// # Errors
/// Those of the database.
pub fn shared(db: &mut Db, clock: &Clock) -> Result<Timestamp> {
    match clock {
        Clock::Manual(_) => Ok(clock.now()),
        Clock::System => now(db),
    }
}

/// Returns the time that all nodes agree on of a moment at which this node's clock showed `at`; long ago if that is not
/// known, because the clock was set back since.
///
/// # Errors
/// Those of the database.
pub fn shared_at(db: &mut Db, clock: &Clock, at: Timestamp) -> Result<Timestamp> {
    let (shared, own) = (shared(db, clock)?, clock.now());
    Ok(of_age(shared, own.as_millis().saturating_sub(at.as_millis())))
}

fn of_age(shared: Timestamp, age_millis: i64) -> Timestamp {
    match age_millis {
        0.. => Timestamp::from_millis(shared.as_millis().saturating_sub(age_millis)),
        _ => Timestamp::from_millis(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_saw_before_its_clock_was_set_back_was_long_ago() {
        let shared = Timestamp::from_millis(1_000_000);
        for (age, millis) in [(0, 1_000_000), (7, 999_993), (2_000_000, -1_000_000), (-1, 0)] {
            assert_eq!(of_age(shared, age).as_millis(), millis, "{age}");
        }
    }
}
