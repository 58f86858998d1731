//! Chaos test: three nodes on one database and one store are killed at random.
//!
//! Meanwhile they upload, download, sweep, keep and delete, registry files are loaded, and `gc --grace 0s`
//! runs without a pause. No acknowledged change is lost, and no blob is left that no row references.
//!
//! `ARTIGATE_TEST_KILLS=200` makes a long run.

pub mod clients;
pub mod nodes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artigate::settings::StorageUrl;
use artigate::store::{SHARDS, Store};

use crate::program::artigate;
use crate::support::bucket;
use crate::support::gateway::PostgresDatabase;
use clients::Clients;
use nodes::{Installation, Nodes};

/// How many kills a run has that nobody said more of.
const KILLS: usize = 15;

#[test]
fn nodes_on_postgresql_and_a_bucket_that_are_killed_at_random_lose_nothing_and_leave_nothing_behind() {
    let database = PostgresDatabase::create();
    kill_at_random(&Installation::new(Some(database), Some(bucket::fresh(bucket::server()))));
}

#[test]
fn nodes_on_sqlite_and_a_directory_that_are_killed_at_random_lose_nothing_and_leave_nothing_behind() {
    kill_at_random(&Installation::new(None, None));
}

fn kill_at_random(installation: &Installation) {
    let kills = std::env::var("ARTIGATE_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    std::fs::write(installation.path().join("registry.yml"), clients::document()).unwrap();
    installation.run(&["load", "registry.yml"]);

    let nodes = Nodes::start(installation, 3);
    let clients = Clients::new();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (clients, nodes, stop) = (&clients, &nodes, &stop);
            scope.spawn(move || clients.upload_until(nodes, number, stop));
        }
        scope.spawn(|| clients.download_until(&nodes, 10, &stop));
        scope.spawn(|| clients.download_until(&nodes, 11, &stop));
        scope.spawn(|| clients.keep_and_delete_until(&nodes, 20, &stop));
        scope.spawn(|| clients.load_until(installation, &stop));
        scope.spawn(|| collect_until(installation, &stop));
        for kill in 0..kills {
            nodes.kill_and_restart(kill);
        }
        stop.store(true, Ordering::SeqCst);
    });
    drop(nodes);

    let nodes = Nodes::start(installation, 1);
    clients.purge(&nodes);
    installation.run(&["sweep"]);
    let read = clients.check_everything(&nodes);
    drop(nodes);
    let checked = installation.run(&["fsck"]);
    // Killed writers are declared dead only after they were not seen for minutes.
    installation.silence_writers();
    let collected = installation.run(&["gc", "--grace", "0s", "--json"]);
    installation.run(&["fsck"]);
    let (rows, blobs) = (installation.rows(), installation.blobs());
    assert_eq!(rows, blobs, "after gc every blob has its row");
    assert!(read > 0, "nothing was uploaded");
    eprintln!(
        "{kills} kills; {}; {read} artifacts read back, 0 lost; fsck: {}; gc: {}; {} rows and blobs",
        clients.summary(),
        checked.1.trim(),
        collected.0.trim(),
        rows.len()
    );
}

/// Removes what nobody names as soon as it may, over and over; every other time, as if all who store bytes
/// had died.
fn collect_until(installation: &Installation, stop: &AtomicBool) {
    let mut silence = false;
    while !stop.load(Ordering::SeqCst) {
        if silence {
            installation.silence_writers();
        }
        silence = !silence;
        installation.run(&["gc", "--grace", "0s", "--force"]);
    }
}

impl Installation {
    /// Every blob that lies in the store, and every upload that was never finished.
    pub fn blobs(&self) -> Vec<String> {
        let store = Store::open_at(&self.store, Duration::from_secs(30)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut all = Vec::new();
        for shard in 0..SHARDS {
            for item in runtime.block_on(store.list(shard)).unwrap() {
                all.push(item.key.map_or_else(|| "unfinished".to_owned(), |key| key.to_string()));
            }
        }
        all.sort_unstable();
        all
    }

    pub fn run(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (printed, error) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}: {printed}{error}");
        (printed, error)
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = artigate(self.path(), arguments);
        if let Some(database) = &self.database {
            command.env("ARTIGATE_DATABASE__URL", &database.url);
        }
        if matches!(self.store, StorageUrl::Bucket(_)) {
            command.envs(bucket::variables(bucket::server()));
        }
        command.env("ARTIGATE_STORAGE__URL", bucket::text(&self.store));
        command
            .env("ARTIGATE_RETENTION__SWEEP_INTERVAL", "1")
            .env("ARTIGATE_LOG", "error,artigate::cli=info");
        command
    }
}
