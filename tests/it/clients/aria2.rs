//! aria2, which downloads parts of one file over several connections.

use std::collections::BTreeSet;
use std::process::Command;

use super::{read, run};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::zips;

#[test]
fn aria2_fetches_an_archive_in_parts_over_several_connections() {
    let gateway = Gateway::on_sqlite();
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(20 << 20))]);
    fixtures::small(&gateway, &archive);
    run(Command::new("aria2c")
        .args(["--no-conf", "-x8", "-s8", "-k1M", "--file-allocation=none", "--check-certificate=false"])
        .args(["--max-tries=1", "--auto-file-renaming=false", "--quiet", "--log-level=info"])
        .arg(format!("--log={}", gateway.path().join("log").display()))
        .arg(format!("--dir={}", gateway.path().display()))
        .arg("--out=down.zip")
        .arg(format!("--header=PRIVATE-TOKEN: {}", fixtures::REPORTER))
        .arg(format!("{}{}", gateway.base_url(), fixtures::ARCHIVE)));
    assert!(read(gateway.path(), "down.zip") == archive);

    let log = String::from_utf8_lossy(&read(gateway.path(), "log")).into_owned();
    let parts: Vec<&str> = log.lines().filter(|line| line.starts_with("Range: bytes=")).collect();
    assert!(parts.len() >= 2, "{parts:?}");
    let connections = connections_with_parts(&log);
    assert!(connections.len() >= 2, "{connections:?}");
}

/// The connections that were answered with a part, by aria2's numbers for them: the status line is in
/// the record that its log opens with `CUID#number`.
fn connections_with_parts(log: &str) -> BTreeSet<&str> {
    let mut connections = BTreeSet::new();
    let mut current = "";
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("CUID#") {
            current = rest.split(' ').next().unwrap_or_default();
        }
        if line.starts_with("HTTP/1.1 206 ") {
            connections.insert(current);
        }
    }
    connections
}
