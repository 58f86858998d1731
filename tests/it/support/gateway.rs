//! A test server: a fresh database and store, a manual clock, and the real server on a free loopback port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use artigate::app::App;
use artigate::catalog::Catalog;
use artigate::domain::{Clock, Timestamp};
use artigate::identity;
use artigate::registry::{self, LoadError, LoadSummary};
use artigate::retention::{Collected, Swept, Terms};
use artigate::server;
use artigate::settings::{DatabaseUrl, Settings, StorageUrl};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};

use super::http_client::Request;
use super::tcp_proxy::TcpProxy;

/// When every test begins.
pub const START: &str = "2026-02-01T12:00:00Z";

/// A running gateway.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it shows its metrics, if it does.
    pub metrics: Option<SocketAddr>,
    /// Its parts.
    pub app: Arc<App>,
    /// A folder for the test's own files; the store is in `blobs` below it.
    pub folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    runtime: tokio::runtime::Runtime,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
    _database: Option<PostgresDatabase>,
}

impl Gateway {
    pub fn on_sqlite() -> Self {
        Self::on_sqlite_with(|_| {})
    }

    pub fn on_postgres() -> Self {
        Self::on_postgres_with(|_| {})
    }

    /// On PostgreSQL, with other settings than the defaults.
    pub fn on_postgres_with(change: impl FnOnce(&mut Settings)) -> Self {
        let database = PostgresDatabase::migrated();
        let url = DatabaseUrl::Postgres(database.url.clone().into());
        Self::start(url, Some(database), change, |_| {})
    }

    /// With other settings than the defaults.
    pub fn on_sqlite_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on_sqlite_with_parts(change, |_| {})
    }

    /// With other settings than the defaults, and other parts than the settings make.
    pub fn on_sqlite_with_parts(change: impl FnOnce(&mut Settings), parts: impl FnOnce(&mut App)) -> Self {
        Self::start(DatabaseUrl::Sqlite(PathBuf::new()), None, change, parts)
    }

    /// On a PostgreSQL behind a gate, with other settings than the defaults.
    pub fn on_postgres_behind_a_gate(change: impl FnOnce(&mut Settings)) -> (Self, TcpProxy) {
        let database = PostgresDatabase::migrated();
        let (before, behind) = database.url.rsplit_once('@').unwrap();
        let (server, name) = behind.split_once('/').unwrap();
        let gate = TcpProxy::before(server.parse().unwrap());
        let url = DatabaseUrl::Postgres(format!("{before}@{}/{name}", gate.address).into());
        (Self::start(url, Some(database), change, |_| {}), gate)
    }

    /// On SQLite, with its blobs in the bucket that `endpoint` leads to.
    pub fn in_a_bucket(endpoint: SocketAddr, change: impl FnOnce(&mut Settings)) -> Self {
        Self::on_sqlite_with(|settings| {
            settings.storage = super::bucket::fresh(endpoint);
            change(settings);
        })
    }

    fn start(
        database: DatabaseUrl,
        owner: Option<PostgresDatabase>,
        change: impl FnOnce(&mut Settings),
        parts: impl FnOnce(&mut App),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            listen: "127.0.0.1:0".into(),
            database: match database {
                DatabaseUrl::Sqlite(_) => DatabaseUrl::Sqlite(folder.path().join("artigate.db")),
                postgres => postgres,
            },
            storage: StorageUrl::Directory(folder.path().join("blobs")),
            ..Settings::default()
        };
        change(&mut settings);
        let clock = Arc::new(AtomicI64::new(Timestamp::parse(START).unwrap().as_millis()));
        let mut app = App::open(settings, Clock::Manual(Arc::clone(&clock))).unwrap();
        parts(&mut app);
        let app = Arc::new(app);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // As `serve` does; a store that a test has made to fail is no store to know.
        let _ = runtime.block_on(app.belonging.look(&app.catalog, &app.store, &app.settings));
        let (listening, started) = mpsc::channel();
        let shared = Arc::clone(&app);
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = server::listen(shared).unwrap();
                listening.send((server.address, server.metrics, server.server.handle())).unwrap();
                server.server.await.unwrap();
            });
        });
        let (address, metrics, handle) = started.recv().unwrap();
        let thread = Some(thread);
        Self { address, metrics, app, folder, clock, runtime, handle, thread, _database: owner }
    }

    /// Moves the clock.
    pub fn advance_clock(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Loads a registry document, whose files are those of the test's folder.
    pub fn load(&self, document: &str) -> LoadSummary {
        self.try_load(document).unwrap()
    }

    pub fn try_load(&self, document: &str) -> Result<LoadSummary, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("registry-{}.yml", NEXT.fetch_add(1, Ordering::SeqCst));
        let path = self.folder.path().join(name);
        std::fs::write(&path, document).unwrap();
        self.try_load_files(&[path])
    }

    pub fn try_load_files(&self, paths: &[PathBuf]) -> Result<LoadSummary, LoadError> {
        self.runtime.block_on(registry::load_files(
            paths,
            self.app.registry.destination(),
            self.now(),
            &|_| (),
        ))
    }

    /// Sweeps once, as `serve` does from time to time.
    pub fn sweep(&self) -> Swept {
        self.block_on(self.app.retention.sweep(|_| {})).unwrap()
    }

    /// Removes what nobody names and is older than `grace`.
    pub fn collect(&self, grace: Duration) -> artigate::domain::Result<Collected> {
        self.collect_on(&Terms { grace, force: false })
    }

    /// As [`Gateway::collect`], from within what the gateway itself is doing, too.
    pub fn collect_on(&self, terms: &Terms) -> artigate::domain::Result<Collected> {
        let (app, terms) = (Arc::clone(&self.app), *terms);
        let collecting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let agreed = identity::agree(&app.catalog, &app.store, &app.settings).await?;
                app.retention.collect(&agreed, terms, || {}).await
            })
        });
        collecting.join().unwrap()
    }

    /// Makes all look dead who store bytes: as if they had not been seen for long.
    pub fn silence_writers(&self) {
        self.write_catalog(|db| {
            Ok(diesel::sql_query("UPDATE writers SET seen_at = 0").execute(db).map(drop)?)
        });
    }

    /// Runs what the gateway's parts do in the background.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Asks the catalog.
    pub fn catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut artigate::catalog::Db) -> artigate::domain::Result<T> + Send + 'static,
    ) -> T {
        self.runtime.block_on(self.app.catalog.read(work)).unwrap()
    }

    /// Changes the catalog.
    pub fn write_catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut artigate::catalog::Db) -> artigate::domain::Result<T> + Send + 'static,
    ) -> T {
        self.try_write_catalog(work).unwrap()
    }

    pub fn try_write_catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut artigate::catalog::Db) -> artigate::domain::Result<T> + Send + 'static,
    ) -> artigate::domain::Result<T> {
        self.runtime.block_on(self.app.catalog.write(work))
    }

    /// Writes a file that a document can name.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Every file in the store, unfinished ones included.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in std::fs::read_dir(self.folder.path().join("blobs")).unwrap() {
            // Beside the folders stands whose store it is.
            let Ok(files) = std::fs::read_dir(folder.unwrap().path()) else { continue };
            found.extend(files.map(|file| file.unwrap().path()));
        }
        found
    }

    /// Waits until the store holds this many files; what is aborted goes on another thread.
    pub fn until_blobs(&self, count: usize) {
        for _ in 0..10_000 {
            if self.blobs().len() == count {
                return;
            }
            std::thread::yield_now();
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        panic!("expected {count} files in the store, there are {:?}", self.blobs());
    }

    /// Stops it as SIGTERM does; ready when it has stopped.
    pub fn stop_gracefully(&self) -> impl Future<Output = ()> + use<> {
        self.handle.stop(true)
    }

    pub fn get(&self, path: &str) -> Request {
        Request::new(self.address, "GET", path)
    }

    pub fn head(&self, path: &str) -> Request {
        Request::new(self.address, "HEAD", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub fn post(&self, path: &str) -> Request {
        Request::new(self.address, "POST", path)
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A database of its own on the server that `tests/run` started; dropped with the test.
pub struct PostgresDatabase {
    /// Its URL.
    pub url: String,
    name: String,
}

impl PostgresDatabase {
    /// An empty one, without a schema.
    pub fn create() -> Self {
        let database = Self::with_fresh_name();
        Self::administer(&format!("CREATE DATABASE {}", database.name));
        database
    }

    /// One with the schema of this release and no rows: a copy of the template, which the first that needs one
    /// makes.
    pub fn migrated() -> Self {
        // Never dropped: it goes with the server.
        static TEMPLATE: OnceLock<PostgresDatabase> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| {
            let template = Self::create();
            let database = DatabaseUrl::Postgres(template.url.clone().into());
            let settings = Settings { database, database_connections: 1, ..Settings::default() };
            // The schema alone: an instance's id, which `artigate migrate` writes, is another in each copy.
            Catalog::open(&settings).unwrap().migrate().unwrap();
            template
        });
        let database = Self::with_fresh_name();
        // Copies are made side by side, but not while anybody is connected to the template: the server waits
        // some seconds for the connection that has just been closed. It copies files (17 ms where the way over
        // its log, the default, took 24): the two checkpoints of that cost nothing where nobody syncs. The word
        // for it is known from PostgreSQL 15 on.
        let (name, template) = (&database.name, &template.name);
        Self::administer(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"));
        database
    }

    /// A name and its URL; there is no such database yet.
    fn with_fresh_name() -> Self {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let server = Self::server_url();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), name }
    }

    /// Changes it past all nodes.
    pub fn execute(&self, statement: &str) {
        PgConnection::establish(&self.url).unwrap().batch_execute(statement).unwrap();
    }

    fn server_url() -> String {
        std::env::var("ARTIGATE_TEST_POSTGRES")
            .expect("ARTIGATE_TEST_POSTGRES names no PostgreSQL server: use tests/run, which starts one")
    }

    fn administer(statement: &str) {
        PgConnection::establish(&Self::server_url()).unwrap().batch_execute(statement).unwrap();
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            Self::administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}
