//! Three nodes on one PostgreSQL and one bucket, killed at random while they upload, download, sweep, keep
//! and delete: nothing that was acknowledged is lost, and nothing is left that no row names.
//!
//! `ARTIGATE_TEST_KILLS=200` makes a long run of it.

mod clients;
mod nodes;

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
fn nodes_that_are_killed_at_random_lose_nothing_and_leave_nothing_behind() {
    let kills = std::env::var("ARTIGATE_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let installation = Installation {
        folder: tempfile::tempdir().unwrap(),
        database: PostgresDatabase::create(),
        bucket: bucket::fresh(bucket::server()),
    };
    std::fs::write(installation.path().join("registry.yml"), clients::document()).unwrap();
    let loaded = installation.command(&["load", "registry.yml"]).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));

    let nodes = Nodes::start(&installation, 3);
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
        for kill in 0..kills {
            nodes.kill_and_restart(kill);
        }
        stop.store(true, Ordering::SeqCst);
    });
    drop(nodes);

    let nodes = Nodes::start(&installation, 1);
    clients.purge(&nodes);
    installation.run(&["sweep"]);
    let read = clients.check_everything(&nodes);
    drop(nodes);
    let checked = installation.run(&["fsck"]);
    // Those that were killed are not known to be dead before they were not seen for minutes.
    installation.database.execute("UPDATE writers SET seen_at = 0");
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

impl Installation {
    /// Every blob that lies in the bucket, and every upload that was never finished.
    fn blobs(&self) -> Vec<String> {
        let store = Store::open_at(&self.bucket, Duration::from_secs(30)).unwrap();
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

    fn run(&self, arguments: &[&str]) -> (String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (printed, error) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}: {printed}{error}");
        (printed, error)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = artigate(self.path(), arguments);
        command.envs(bucket::variables(bucket::server()));
        command.env("ARTIGATE_DATABASE__URL", &self.database.url);
        command.env("ARTIGATE_STORAGE__URL", self.bucket_text());
        command
            .env("ARTIGATE_RETENTION__SWEEP_INTERVAL", "1")
            .env("ARTIGATE_LOG", "error,artigate::cli=info");
        command
    }

    fn bucket_text(&self) -> String {
        assert!(matches!(self.bucket, StorageUrl::Bucket(_)));
        bucket::text(&self.bucket)
    }
}
