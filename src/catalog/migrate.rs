//! The schema, embedded, and how it is brought up to date.

use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Db;
use crate::domain::{Error, Result};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Runs what is pending, all of it or nothing, and tells how many migrations that were.
pub(super) fn run(db: &mut Db) -> Result<usize> {
    if let Db::Sqlite(sqlite) = db {
        sqlite.batch_execute("PRAGMA journal_mode = WAL;")?;
    }
    // Without the lock, nodes that start together would each try to create the same tables.
    db.write(|db| {
        db.lock_whole_catalog()?;
        let done = match db {
            Db::Sqlite(sqlite) => sqlite.run_pending_migrations(SQLITE).map(|done| done.len()),
            Db::Postgres(postgres) => postgres.run_pending_migrations(POSTGRES).map(|done| done.len()),
        };
        done.map_err(Error::internal)
    })
}
