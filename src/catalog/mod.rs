//! Facts in SQLite or PostgreSQL: users, tokens, projects, pipelines, jobs, artifacts.
//!
//! The only user of diesel. One file holds all the SQL about one thing; functions take a [`Db`] and
//! run inside whatever transaction the caller has opened. Nothing here knows where bytes are kept.

pub mod artifacts;
mod db;
pub mod deletions;
pub mod details;
pub mod jobs;
pub mod lookup;
mod migrate;
pub mod pipelines;
pub mod projects;
mod schema;
pub mod tokens;
pub mod users;
mod values;

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

pub use db::Db;
use db::Manager;

use crate::domain::{Error, Result};
use crate::settings::DatabaseUrl;

/// Connections that a node holds at most. SQLite writes one at a time anyway; its readers and
/// PostgreSQL's sessions are bound by the cores, not by this number.
const MAX_CONNECTIONS: u32 = 16;

/// How long opening the database may take before the start fails, and a request before it is
/// refused with 503.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pooled database.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: Pool<Manager>,
    /// One permit a connection, so that a request waits for one without blocking a thread.
    permits: Arc<Semaphore>,
    /// SQLite has one writer at a time: the others of this node wait here and not on connections
    /// that readers need.
    writers: Arc<Semaphore>,
}

impl Catalog {
    /// Opens the database without changing it; an SQLite file is created when missing.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    pub fn open(url: &DatabaseUrl) -> Result<Self> {
        let pool = Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(1))
            .connection_timeout(CONNECT_TIMEOUT)
            .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
            .error_handler(Box::new(LogErrors))
            .build(Manager::new(url.clone()))
            .map_err(|error| Error::unavailable(format!("database.url: {error}")))?;
        let connections = MAX_CONNECTIONS as usize;
        let writers = match url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => connections,
        };
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(connections)),
            writers: Arc::new(Semaphore::new(writers)),
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
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        let pool = self.pool.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&mut *pool.get().map_err(Error::unavailable)?)
        })
        .await
        .map_err(Error::internal)?
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
        let _turn = self.writers.acquire().await.map_err(Error::internal)?;
        self.read(move |db| db.write(work)).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn probe(&self) -> Result<()> {
        self.read(Db::probe).await
    }

    /// Brings the schema up to date; safe while other nodes do the same. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer, `Internal` when a migration fails.
    pub fn migrate(&self) -> Result<usize> {
        migrate::run(&mut *self.pool.get().map_err(Error::unavailable)?)
    }
}

/// Sends the pool's own complaints to the log.
#[derive(Debug)]
struct LogErrors;

impl diesel::r2d2::HandleError<diesel::r2d2::Error> for LogErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(%error, "no connection to the database");
    }
}
