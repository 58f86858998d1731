//! Facts in SQLite or PostgreSQL: users, tokens, projects, pipelines, jobs, artifacts.
//!
//! The only user of diesel. One file holds all the SQL about one thing; functions take a [`Db`] and
//! run inside whatever transaction the caller has opened. Nothing here knows where bytes are kept.
//!
//! What is found by a unique key is got with `get_result`, not with `first`: SQLite looks at the value
//! that is bound to a `LIMIT`, and so plans a statement that has one anew at each execution.

pub mod absence;
pub mod artifacts;
pub mod clock;
mod db;
pub mod deletions;
pub mod details;
pub mod instance;
pub mod jobs;
pub mod leases;
pub mod lookup;
mod migrate;
pub mod orphans;
pub mod pages;
pub mod pipelines;
pub mod progress;
pub mod projects;
pub mod refs;
mod schema;
mod sqlite_file;
pub mod standing;
pub mod tokens;
pub mod users;
mod values;
pub mod writers;

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

pub use db::Db;
use db::Manager;

use crate::domain::{Error, Result};
use crate::settings::{DatabaseUrl, Settings};

/// How long somebody may wait for SQLite's one writer of this node. It is long, as the writer may itself
/// have to wait for another process that loads a registry file.
const WRITER_TIMEOUT: Duration = Duration::from_secs(60);

/// The pooled database.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: Pool<Manager>,
    /// One permit a connection, so that a request waits for one without blocking a thread.
    permits: Arc<Semaphore>,
    /// SQLite has one writer at a time: the others of this node wait here and not on connections
    /// that readers need.
    writers: Arc<Semaphore>,
    /// How long somebody may wait for a turn, and the turn for a connection.
    timeout: Duration,
    /// Whether an answer comes out of this process's memory or the page cache, and not over a network.
    is_local: bool,
}

impl Catalog {
    /// Opens the database that the settings name without changing it; an SQLite file is created when
    /// missing, for its owner alone.
    ///
    /// # Errors
    /// `Internal` at once for what does not come right by itself, `Unavailable` after the timeout when the
    /// database cannot be reached.
    pub fn open(settings: &Settings) -> Result<Self> {
        let (url, timeout) = (&settings.database, settings.database_timeout);
        Manager::new(url.clone()).check().map_err(|why| Error::internal(format!("database.url: {why}")))?;
        let pool = Pool::builder()
            .max_size(settings.database_connections)
            .min_idle(Some(1))
            .connection_timeout(timeout)
            .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
            .error_handler(Box::new(LogErrors))
            .build(Manager::new(url.clone()))
            .map_err(|error| Error::unavailable(format!("database.url: {error}")))?;
        let connections = settings.database_connections as usize;
        let writers = match url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => connections,
        };
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(connections)),
            writers: Arc::new(Semaphore::new(writers)),
            timeout,
            is_local: matches!(url, DatabaseUrl::Sqlite(_)),
        })
    }

    /// Runs `work` with a connection on a thread that may block.
    ///
    /// # Errors
    /// What `work` returns; `Unavailable` when no connection can be had.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        // When the database is gone, whoever waits for a connection holds one of these for as long:
        // without a bound of its own, the queue behind them would never end.
        let permit = tokio::time::timeout(self.timeout, Arc::clone(&self.permits).acquire_owned());
        let permit = permit.await.map_err(|_| busy())?.map_err(Error::internal)?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&mut *pool.get().map_err(Error::unavailable)?)
        })
        .await
        .map_err(Error::internal)?
    }

    /// As [`Catalog::read`], for a few rows found by key. On SQLite it runs on the calling thread:
    /// the hand-over to another would take longer than it does. Nothing is waited for there, as
    /// readers wait for no writer; a page that is not in memory yet is one read from the disk.
    ///
    /// # Errors
    /// As [`Catalog::read`].
    pub async fn glance<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        if self.is_local
            && let Ok(_permit) = self.permits.try_acquire()
            && let Some(mut db) = self.pool.try_get()
        {
            return work(&mut db);
        }
        self.read(work).await
    }

    /// Runs `work` in a transaction that may write, on a thread that may block. It is committed
    /// when `work` succeeds and rolled back when it fails.
    ///
    /// # Errors
    /// As [`Catalog::read`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Send + 'static,
    {
        let turn = tokio::time::timeout(WRITER_TIMEOUT, self.writers.acquire());
        let _turn = turn.await.map_err(|_| busy())?.map_err(Error::internal)?;
        self.read(move |db| db.write(work)).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn probe(&self) -> Result<()> {
        self.read(Db::probe).await
    }

    /// Whether anybody has ever brought the schema up to date. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub fn has_schema(&self) -> Result<bool> {
        migrate::has_begun(&mut *self.pool.get().map_err(Error::unavailable)?)
    }

    /// Brings the schema up to date; warns of migrations that only a newer release knows; safe while other nodes do the same. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer, `Internal` when a migration fails.
    pub fn migrate(&self) -> Result<usize> {
        migrate::run(&mut *self.pool.get().map_err(Error::unavailable)?)
    }
}

fn busy() -> Error {
    Error::unavailable("all connections to the database are in use")
}

/// Sends the pool's own complaints to the log.
#[derive(Debug)]
struct LogErrors;

impl diesel::r2d2::HandleError<diesel::r2d2::Error> for LogErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(error = db::one_line(&error), "no connection to the database");
    }
}
