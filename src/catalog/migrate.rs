//! Migrations: the embedded steps that bring the schema up to date.

use std::collections::HashSet;
use std::time::Duration;

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Db;
use crate::domain::{Error, Result};

/// How often the switch to WAL is tried, and the pause between tries.
const WAL_TRIES: usize = 300;
const WAL_PAUSE: Duration = Duration::from_millis(20);

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Returns whether any migration was ever run, by the table in which diesel records them.
pub(super) fn has_begun(db: &mut Db) -> Result<bool> {
    let table = match db {
        Db::Sqlite(_) => "EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')",
        Db::Postgres(_) => "to_regclass('__diesel_schema_migrations') IS NOT NULL",
    };
    Ok(diesel::select(sql::<Bool>(table)).get_result(db)?)
}

/// Runs all pending migrations or none, and returns how many. Migrations of a newer release are no error, but
/// are logged.
pub(super) fn run(db: &mut Db) -> Result<usize> {
    let migrations = run_pending(db)?;
    match unknown(db) {
        0 => {}
        1 => tracing::warn!(
            "the database schema is of a newer release: 1 migration is unknown to this release"
        ),
        many => {
            tracing::warn!(
                "the database schema is of a newer release: {many} migrations are unknown to this release"
            )
        }
    }
    Ok(migrations)
}

/// Counts the database's migrations that this release does not know; zero when it does not tell.
fn unknown(db: &mut Db) -> usize {
    match db {
        Db::Sqlite(sqlite) => not_in::<Sqlite>(&SQLITE, sqlite.applied_migrations().unwrap_or_default()),
        Db::Postgres(postgres) => not_in::<Pg>(&POSTGRES, postgres.applied_migrations().unwrap_or_default()),
    }
}

fn not_in<B: Backend>(ours: &dyn MigrationSource<B>, applied: Vec<MigrationVersion<'_>>) -> usize {
    let ours = ours.migrations().unwrap_or_default();
    let ours: HashSet<String> = ours.iter().map(|migration| migration.name().version().to_string()).collect();
    applied.iter().filter(|version| !ours.contains(&version.to_string())).count()
}

fn run_pending(db: &mut Db) -> Result<usize> {
    // A node should not wait here while another process loads a registry file.
    if is_up_to_date(db) {
        return Ok(0);
    }
    if let Db::Sqlite(sqlite) = db {
        switch_to_wal(sqlite)?;
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

/// Switches the file to WAL. That needs the file exclusively for a moment and does not wait for it, whatever
/// the timeout says, so nodes that start together have to retry.
fn switch_to_wal(sqlite: &mut SqliteConnection) -> QueryResult<()> {
    let mut tries = 0;
    loop {
        match sqlite.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(DatabaseError(_, why)) if tries < WAL_TRIES && why.message().contains("is locked") => {
                tries += 1;
                std::thread::sleep(WAL_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Returns whether no migration is pending, without a lock. An error counts as pending: nodes that start
/// together disturb each other here, and a real fault shows itself again under the lock.
fn is_up_to_date(db: &mut Db) -> bool {
    let pending = match db {
        Db::Sqlite(sqlite) => sqlite.has_pending_migration(SQLITE),
        Db::Postgres(postgres) => postgres.has_pending_migration(POSTGRES),
    };
    matches!(pending, Ok(false))
}
