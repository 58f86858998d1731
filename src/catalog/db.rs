//! A connection to SQLite or PostgreSQL, as one type.
//!
//! Open connections only here: the `establish` that diesel derives takes any text for an SQLite file name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, R2D2Connection};
use secrecy::{ExposeSecret, SecretString};

use super::sqlite_file::{self, DatabaseFile};
use crate::domain::{Error, ErrorKind};

pub(super) use connection::MultiBackend;

/// The derive's generated items have no docs of their own.
#[allow(missing_docs)]
mod connection {
    /// A connection to either database.
    #[derive(diesel::MultiConnection)]
    pub enum Db {
        Postgres(diesel::PgConnection),
        Sqlite(diesel::SqliteConnection),
    }
}

pub use connection::Db;

/// How long SQLite waits for a lock that another process holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The ID of the advisory lock under which PostgreSQL nodes migrate and load, one at a time.
const ADVISORY_LOCK: i64 = 7236;

impl Db {
    /// Like [`Db::write`], but waits for SQLite's write lock only until `deadline`.
    pub(super) fn write_before<T, E: From<Error>>(
        &mut self,
        deadline: Instant,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let left = deadline.saturating_duration_since(Instant::now());
        let Self::Sqlite(sqlite) = self else { return self.write(work) };
        if left >= LOCK_TIMEOUT {
            return self.write(work);
        }
        wait_for_locks(sqlite, left).map_err(Error::from)?;
        let written = self.write(work);
        if let Self::Sqlite(sqlite) = self {
            wait_for_locks(sqlite, LOCK_TIMEOUT).map_err(Error::from)?;
        }
        written
    }

    /// Runs `work` in a transaction that holds the write lock from its start on SQLite. Inside
    /// another transaction it is a savepoint.
    ///
    /// On PostgreSQL this is READ COMMITTED: a value that is read and written back needs one
    /// statement, or [`Db::lock_whole_catalog`].
    pub(super) fn write<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin().map_err(Error::from)?;
        match work(self) {
            Ok(value) => Self::commit_transaction(self).map_err(Error::from).map(|()| value).map_err(E::from),
            Err(error) => {
                if let Err(rollback) = Self::rollback_transaction(self) {
                    tracing::warn!(error = %rollback, "rollback failed");
                }
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> QueryResult<()> {
        let nested = <Self as Connection>::TransactionManager::transaction_manager_status_mut(self)
            .transaction_depth()?
            .is_some();
        match self {
            Self::Sqlite(sqlite) if !nested => {
                AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
            }
            _ => Self::begin_transaction(self),
        }
    }

    /// Runs a trivial statement; with SQLite, one that reads the file.
    pub(super) fn probe(&mut self) -> Result<(), Error> {
        let question = match self {
            Self::Sqlite(_) => "SELECT 1 FROM sqlite_schema LIMIT 1",
            Self::Postgres(_) => "SELECT 1",
        };
        diesel::sql_query(question).execute(self).map(drop).map_err(Error::unavailable)
    }

    /// Keeps other nodes from migrating or loading until this transaction ends. SQLite's write lock does that
    /// already.
    pub(crate) fn lock_whole_catalog(&mut self) -> QueryResult<()> {
        if let Self::Postgres(postgres) = self {
            diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
                .bind::<diesel::sql_types::BigInt, _>(ADVISORY_LOCK)
                .execute(postgres)?;
        }
        Ok(())
    }
}

/// Opens connections for the pool.
#[derive(Debug)]
pub(super) enum Manager {
    /// To a file, which must stay the one that was opened first.
    Sqlite(Arc<DatabaseFile>),
    /// To a server.
    Postgres(SecretString),
}

/// Messages of PostgreSQL and libpq for errors that a retry does not fix.
const PERMANENT: &[&str] = &[
    "password authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
    "invalid URI",
    "invalid connection option",
];

impl Manager {
    /// Opens a connection once, and reports errors that a retry does not fix: of the file or its content, or
    /// the server's refusal. A server that does not answer is no error, because it may answer later.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self::Sqlite(file) = self else {
            return match self.connect().map_err(|error| one_line(&error)) {
                Err(why) if says_any(&why, PERMANENT) => Err(why),
                _ => Ok(()),
            };
        };
        let path = file.path();
        sqlite_file::prepare(path)?;
        let named = |error: &dyn std::fmt::Display| {
            format!("{}: {}", sqlite_file::absolute(path).display(), one_line(error))
        };
        let mut db = self.connect().map_err(|error| named(&error))?;
        // SQLite reads nothing of the file before the first statement.
        match diesel::sql_query("SELECT count(*) FROM sqlite_master").execute(&mut db) {
            Err(error) if !error.to_string().contains("is locked") => Err(named(&error)),
            _ => Ok(()),
        }
    }
}

/// Joins the lines of a library's message.
pub(super) fn one_line(text: &dyn std::fmt::Display) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl ManageConnection for Manager {
    type Connection = Db;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Db, Self::Error> {
        let opened = match self {
            Self::Sqlite(file) => open_sqlite(file).map(Db::Sqlite),
            Self::Postgres(url) => open_postgres(url.expose_secret()).map(Db::Postgres),
        };
        opened.map_err(Self::Error::ConnectionError)
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), Self::Error> {
        match db {
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(_) => db.ping().map_err(Self::Error::QueryError),
        }
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        std::thread::panicking() || R2D2Connection::is_broken(db)
    }
}

/// Parameters with which libpq detects a server that vanished silently, unless the URL sets them: a thread
/// that waits for one is a request that waits.
const NOTICE: &[(&str, &str)] =
    &[("connect_timeout", "5"), ("tcp_user_timeout", "10000"), ("keepalives_idle", "30")];

fn open_postgres(url: &str) -> ConnectionResult<PgConnection> {
    let mut url = url.to_owned();
    for (name, value) in NOTICE {
        if !url.contains(&format!("{name}=")) {
            let mark = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{mark}{name}={value}"));
        }
    }
    let mut postgres = PgConnection::establish(&url)?;
    // Queries are short and many: the processes that PostgreSQL would start to share the work of one take longer
    // to start than it takes.
    postgres
        .batch_execute("SET max_parallel_workers_per_gather = 0")
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(postgres)
}

fn open_sqlite(file: &DatabaseFile) -> ConnectionResult<SqliteConnection> {
    let unusable = |error: Error| ConnectionError::BadConnection(error.source_chain().unwrap_or_default());
    file.check().map_err(unusable)?;
    let uri = sqlite_file::uri(file.path());
    let uri = uri.ok_or_else(|| ConnectionError::BadConnection("path is not UTF-8".into()))?;
    let mut sqlite = SqliteConnection::establish(&uri)?;
    file.opened()
        .map_err(|error| ConnectionError::BadConnection(format!("{}: {error}", file.path().display())))?;
    file.check().map_err(unusable)?;
    // The timeout is set first, because the other statements may already have to wait. It is long because a
    // registry file may take that long to load, and an upload that is refused meanwhile is sent again in
    // full. The journal mode stays in the file and is set by `migrate`; setting it at each connect would fail
    // under load. FULL, because acknowledged writes must survive a power loss.
    wait_for_locks(&mut sqlite, LOCK_TIMEOUT)
        .and_then(|()| sqlite.batch_execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(sqlite)
}

fn wait_for_locks(sqlite: &mut SqliteConnection, at_most: Duration) -> QueryResult<()> {
    sqlite.batch_execute(&format!("PRAGMA busy_timeout = {};", at_most.as_millis()))
}

/// Messages of databases for errors that a retry may fix: busy, restarting, failing over, disconnected.
const OUT_OF_REACH: &[&str] = &[
    "database is locked",
    "unable to open database file",
    "terminating connection",
    "server closed the connection",
    "no connection to the server",
    "could not send",
    "could not receive",
    "the database system is",
    "in a read-only transaction",
    "deadlock detected",
];

/// Messages of databases that cannot write.
const TAKES_NO_MORE: &[&str] =
    &["database or disk is full", "attempt to write a readonly database", "No space left on device"];

fn says_any(message: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| message.contains(text))
}

/// Maps errors that a retry may fix to `Unavailable`, a value in use to `Conflict`, NUL bytes to `Invalid`, a
/// full or read-only disk to `OutOfSpace`, and all others to `Internal`.
impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Database;
        use diesel::result::Error as Diesel;
        match &error {
            Diesel::DatabaseError(Database::ClosedConnection, _)
            | Diesel::DatabaseError(Database::SerializationFailure, _)
            | Diesel::BrokenTransactionManager => Self::unavailable(error),
            Diesel::DatabaseError(Database::UniqueViolation, information) => {
                let constraint = information.constraint_name().unwrap_or(information.message()).to_owned();
                Self::new(ErrorKind::Conflict, "the value is already in use").with_source(constraint)
            }
            // Another transaction deleted what a new row belongs to: the next try is told so.
            Diesel::DatabaseError(Database::ForeignKeyViolation, _) => Self::unavailable(error),
            Diesel::DatabaseError(_, information) if says_any(information.message(), OUT_OF_REACH) => {
                Self::unavailable(error)
            }
            Diesel::DatabaseError(_, information)
                if information.message().contains("invalid byte sequence for encoding") =>
            {
                Self::new(ErrorKind::Invalid, "text must not contain NUL bytes")
            }
            Diesel::DatabaseError(_, information) if says_any(information.message(), TAKES_NO_MORE) => {
                Self::new(ErrorKind::OutOfSpace, "Insufficient Storage").with_source(error)
            }
            _ => Self::internal(error),
        }
    }
}
