//! The database's clock, which all nodes share, whatever their own clocks say.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::Db;
use super::db::MultiBackend;
use crate::domain::{Result, Timestamp};

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
