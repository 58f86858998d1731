//! The nodes of the chaos test: started, killed without warning, started again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use artigate::settings::StorageUrl;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::program::Serving;
use crate::support::bucket;
use crate::support::fixtures::RUNNING;
use crate::support::gateway::PostgresDatabase;

/// The resources that all nodes share.
pub struct Installation {
    pub folder: tempfile::TempDir,
    /// SQLite in the folder if none.
    pub database: Option<PostgresDatabase>,
    pub store: StorageUrl,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    store_key: String,
}

impl Installation {
    /// With SQLite, and with a directory, where no other is named.
    pub fn new(database: Option<PostgresDatabase>, store: Option<StorageUrl>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store.unwrap_or_else(|| StorageUrl::Directory(folder.path().join("blobs")));
        Self { folder, database, store }
    }

    /// With PostgreSQL and a bucket, and job 20 of pipeline 200 running.
    pub fn with_running_job() -> Self {
        let installation = Self::new(Some(PostgresDatabase::create()), Some(bucket::fresh(bucket::server())));
        let document = format!(
            "projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: main, sha: bbbb, status: running,
            jobs: [{{id: 20, name: build, status: running, token: {RUNNING}}}]}}]}}]"
        );
        std::fs::write(installation.path().join("registry.yml"), document).unwrap();
        installation.run(&["load", "registry.yml"]);
        installation
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// No blob is left but those of the artifacts, once all who store bytes have ended.
    pub fn assert_nothing_is_left(&self, nodes: Nodes, artifacts: usize) {
        drop(nodes);
        self.run(&["fsck"]);
        self.silence_writers();
        self.run(&["gc", "--grace", "0s", "--force"]);
        assert_eq!(self.blobs(), self.rows());
        assert_eq!(self.rows().len(), artifacts);
    }

    /// The keys that rows reference, tombstones included.
    pub fn rows(&self) -> Vec<String> {
        let select = diesel::sql_query("SELECT store_key FROM artifacts WHERE forget_after IS NULL");
        let rows: Vec<Key> = match &self.database {
            Some(database) => select.load(&mut diesel::PgConnection::establish(&database.url).unwrap()),
            None => select.load(&mut self.sqlite()),
        }
        .unwrap();
        let mut keys: Vec<String> = rows.into_iter().map(|row| row.store_key).collect();
        keys.sort_unstable();
        keys
    }

    /// Makes all look dead who store bytes: as if they had not been seen for long.
    pub fn silence_writers(&self) {
        let silence = "UPDATE writers SET seen_at = 0";
        match &self.database {
            Some(database) => database.execute(silence),
            None => self.sqlite().batch_execute(silence).unwrap(),
        }
    }

    fn sqlite(&self) -> diesel::SqliteConnection {
        let file = self.path().join("artigate-data/artigate.db");
        let mut sqlite = diesel::SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        sqlite.batch_execute("PRAGMA busy_timeout = 30000").unwrap();
        sqlite
    }
}

pub struct Nodes<'a> {
    installation: &'a Installation,
    running: Vec<Mutex<Option<Serving>>>,
}

impl<'a> Nodes<'a> {
    pub fn start(installation: &'a Installation, count: usize) -> Self {
        let start = |_| Mutex::new(Some(Serving::run(installation.command(&["serve"]))));
        Self { installation, running: (0..count).map(start).collect() }
    }

    /// Where a node listens, or listened until a moment ago.
    pub fn address(&self, number: usize) -> SocketAddr {
        let node = &self.running[number % self.running.len()];
        node.lock().unwrap().as_ref().expect("it is held while it is down").address()
    }

    /// Asks the first two nodes at once.
    pub fn both_at_once<T: Send>(&self, ask: impl Fn(usize, SocketAddr) -> T + Sync) -> [T; 2] {
        let (barrier, ask) = (Barrier::new(2), &ask);
        let one = |node: usize| {
            let (barrier, address) = (&barrier, self.address(node));
            move || {
                barrier.wait();
                ask(node, address)
            }
        };
        std::thread::scope(|scope| {
            [0, 1].map(|node| scope.spawn(one(node))).map(|asked| asked.join().unwrap())
        })
    }

    /// Kills a node at some moment and starts it again. The others go on meanwhile.
    pub fn kill_and_restart(&self, number: usize) {
        // Work goes on for a while that is never the same, so that kills hit all of it.
        let until = Instant::now() + Duration::from_millis(100 + (number as u64 * 7919) % 900);
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let mut node = self.running[number % self.running.len()].lock().unwrap();
        self.restart_held(&mut node);
    }

    /// Kills a node at once and starts it again.
    pub fn restart(&self, number: usize) {
        self.restart_held(&mut self.running[number % self.running.len()].lock().unwrap());
    }

    fn restart_held(&self, node: &mut Option<Serving>) {
        // Dropping sends SIGKILL.
        drop(node.take());
        *node = Some(Serving::run(self.installation.command(&["serve"])));
    }
}
