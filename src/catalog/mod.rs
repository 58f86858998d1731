//! The catalog is the database, SQLite or PostgreSQL, of users, tokens, projects, pipelines, jobs and
//! artifacts.
//!
//! It is the only user of diesel. One module holds all SQL of one subject; functions take a [`Db`] and run
//! inside the transaction that the caller has opened. Nothing here accesses the store.
//!
//! "Those of the database" are the errors that `db` makes of diesel's.
//!
//! A row is found by a unique key with `get_result`, not with `first`: SQLite inspects the value that is
//! bound to a `LIMIT`, so it plans such a statement again on each execution.

pub mod absence;
pub mod agents;
pub mod artifact_access;
pub mod artifacts;
pub mod builds;
pub mod clock;
pub mod commits;
pub mod copies;
mod crew;
mod db;
pub mod due;
pub mod foreign;
pub mod gc_marks;
pub mod instance;
pub mod jobs;
pub mod keys;
pub mod latest;
pub mod leases;
pub mod leftovers;
pub mod logs;
mod migrate;
pub mod nodes;
pub mod pipelines;
pub mod projects;
pub mod quotas;
pub mod refs;
mod schema;
pub mod sessions;
pub mod slice;
mod sqlite_file;
pub mod tokens;
pub mod tombstones;
pub mod uploads;
pub mod usage;
pub mod users;
mod values;
pub mod writers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

use crew::{Asked, Crew, Length, busy};
pub use db::Db;
use db::Manager;
use sqlite_file::DatabaseFile;

use crate::domain::{Error, Result};
use crate::metrics::{self, DatabaseAccess};
use crate::settings::{DatabaseUrl, Settings};

/// How long a write may wait to begin: for this node's one SQLite writer and for the lock on the file
/// together. It is long because another process may be loading a registry file.
const WRITER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a read may take once it has begun. SQLite reads from a disk, which may not answer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// How many artifacts of the release before get a name to be listed by in one transaction.
const FILLED_AT_ONCE: i64 = 5_000;

/// The database, with its pool of connections and the threads that use them.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: Pool<Manager>,
    crew: Arc<Crew>,
    /// SQLite has one writer at a time: the other writers of this node wait here and not for connections that
    /// readers need.
    writers: Arc<Semaphore>,
    /// How long a caller may wait for a thread, and the thread for a connection.
    timeout: Duration,
    /// The SQLite file, if the database is one: rows then come from this process's memory or the page cache,
    /// and not over a network.
    file: Option<Arc<DatabaseFile>>,
    metrics: metrics::Database,
}

impl Catalog {
    /// Opens the database that the settings name without changing it. A missing SQLite file is created,
    /// accessible to its owner only.
    ///
    /// # Errors
    /// `Internal` immediately for errors that a retry does not fix, `Unavailable` after the timeout when the
    /// database cannot be reached.
    pub fn open(settings: &Settings) -> Result<Self> {
        let (url, timeout) = (&settings.database, settings.database_timeout);
        let connections = settings.database_connections as usize;
        let (manager, file, writers) = match url {
            DatabaseUrl::Sqlite(path) => {
                let file = Arc::new(DatabaseFile::new(path));
                (Manager::Sqlite(Arc::clone(&file)), Some(file), 1)
            }
            DatabaseUrl::Postgres(url) => (Manager::Postgres(url.clone()), None, connections),
        };
        manager.check().map_err(|why| Error::internal(format!("database.url: {why}")))?;
        let pool = Pool::builder()
            .max_size(settings.database_connections)
            .min_idle(Some(1))
            .connection_timeout(timeout)
            .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
            .error_handler(Box::new(LogErrors))
            .build(manager)
            .map_err(|error| Error::unavailable(format!("database.url: {error}")))?;
        let metrics = metrics::Database::default();
        let crew = Arc::new(Crew::new(pool.clone(), metrics.clone()));
        let writers = Arc::new(Semaphore::new(writers));
        Ok(Self { pool, crew, writers, timeout, file, metrics })
    }

    /// The metrics of the work on the database.
    pub fn metrics(&self) -> &metrics::Database {
        &self.metrics
    }

    /// Returns how many connections are in use, and how many are open without being used.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections.saturating_sub(state.idle_connections), state.idle_connections)
    }

    /// Runs `work` with a connection on one of the catalog's own threads. It does not run if the caller is
    /// dropped before it has begun.
    ///
    /// # Errors
    /// Those of `work`; `Unavailable` when no connection is available, or the database does not answer within
    /// two minutes.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        let asked = Asked::to(DatabaseAccess::Read);
        answered(self.timeout + READ_TIMEOUT, self.crew.run(Length::Any, asked, self.timeout, work)).await
    }

    /// Like [`Catalog::read`], for a few rows found by key. With an SQLite file, one thread runs many such
    /// reads in turn.
    ///
    /// # Errors
    /// Those of [`Catalog::read`]; the database may take as long to answer as a caller may wait for a
    /// connection.
    pub async fn read_inline<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        let length = if self.file.is_some() { Length::Short } else { Length::Any };
        let asked = Asked::to(DatabaseAccess::Read);
        answered(2 * self.timeout, self.crew.run(length, asked, self.timeout, work)).await
    }

    /// Runs `work` in a transaction that may write, on one of the catalog's own threads. It is committed
    /// when `work` succeeds and rolled back when it fails.
    ///
    /// # Errors
    /// Those of [`Catalog::read`]; `Unavailable` when it cannot begin within a minute, or when the SQLite
    /// file is no longer the one that was opened.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        self.write_within(WRITER_TIMEOUT, work).await
    }

    async fn write_within<T, E, F>(&self, patience: Duration, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        let asked = Asked::to(DatabaseAccess::Write);
        let deadline = asked.at + patience;
        let turn = tokio::time::timeout(patience, Arc::clone(&self.writers).acquire_owned());
        let turn = turn.await.map_err(|_| busy())?.map_err(Error::internal)?;
        let file = self.file.clone();
        let patience = self.timeout.min(deadline.saturating_duration_since(Instant::now()));
        let work = move |db: &mut Db| {
            // The turn ends with the work, even if the caller is dropped before.
            let _turn = turn;
            db.write_before(deadline, |db| {
                let done = work(db)?;
                file.map_or(Ok(()), |file| file.check_with_log())?;
                Ok(done)
            })
        };
        self.crew.run(Length::Any, asked, patience, work).await
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not, or when the SQLite file is no longer the one that was opened.
    pub async fn probe(&self) -> Result<()> {
        let file = self.file.clone();
        self.read(move |db| {
            db.probe()?;
            file.map_or(Ok(()), |file| file.check_with_log())
        })
        .await
    }

    /// Returns whether the schema was ever migrated. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub fn has_schema(&self) -> Result<bool> {
        migrate::has_begun(&mut *self.pool.get().map_err(Error::unavailable)?)
    }

    /// Runs pending migrations and returns how many, with a warning about migrations that only a newer
    /// release knows. It is safe while other nodes do the same. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer, `Internal` when a migration fails.
    pub fn migrate(&self) -> Result<usize> {
        let db = &mut *self.pool.get().map_err(Error::unavailable)?;
        let migrations = migrate::run(db)?;
        // Projects of an older release have no slugs, nor has one that a node of it registers meanwhile.
        if projects::lacks_slugs(db)? {
            db.write(|db| {
                db.lock_whole_catalog()?;
                projects::give_missing_slugs(db)
            })?;
        }
        // Whoever only looks does not wait for whoever writes.
        let mut next = artifacts::lacks_shown_names(db)?.then_some(0);
        while let Some(after) = next {
            next = db.write(|db| artifacts::fill_shown_names(db, after, FILLED_AT_ONCE))?;
        }
        Ok(migrations)
    }
}

/// Awaits a read; a database that does not answer within `patience` is `Unavailable`.
async fn answered<T, E: From<Error>>(
    patience: Duration,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let silent = |_| Err(Error::unavailable("the database does not answer").into());
    tokio::time::timeout(patience, asking).await.unwrap_or_else(silent)
}

/// Writes the pool's errors to the log.
#[derive(Debug)]
struct LogErrors;

impl diesel::r2d2::HandleError<diesel::r2d2::Error> for LogErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(error = db::one_line(&error), "no connection to the database");
    }
}

#[cfg(test)]
mod tests;
