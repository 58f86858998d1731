//! The nodes: started, killed without warning, started again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use artigate::settings::StorageUrl;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::program::Serving;
use crate::support::gateway::PostgresDatabase;

/// What all nodes share.
pub struct Installation {
    pub folder: tempfile::TempDir,
    pub database: PostgresDatabase,
    pub bucket: StorageUrl,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    store_key: String,
}

impl Installation {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The keys that rows name, tombstones included.
    pub fn rows(&self) -> Vec<String> {
        let mut connection = diesel::PgConnection::establish(&self.database.url).unwrap();
        let rows = diesel::sql_query("SELECT store_key FROM artifacts").load::<Key>(&mut connection).unwrap();
        let mut keys: Vec<String> = rows.into_iter().map(|row| row.store_key).collect();
        keys.sort_unstable();
        keys
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

    /// Kills a node at some moment and starts it again. The others go on meanwhile.
    pub fn kill_and_restart(&self, number: usize) {
        // Work goes on for a while that is never the same, so that kills hit all of it.
        let until = Instant::now() + Duration::from_millis(100 + (number as u64 * 7919) % 900);
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let mut node = self.running[number % self.running.len()].lock().unwrap();
        // Dropping sends SIGKILL.
        drop(node.take());
        *node = Some(Serving::run(self.installation.command(&["serve"])));
    }
}
