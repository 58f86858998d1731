//! Agreement of the files of `deploy/`: shared settings are equal, and every setting that a file names
//! exists.

use artigate::settings::Settings;

use super::shipped;

/// The number behind `key` in a file.
fn seconds(file: &str, key: &str) -> u64 {
    let text = shipped(file);
    let value = text.split(key).nth(1).unwrap_or_else(|| panic!("{file} has no {key}"));
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{key} of {file} is no number"))
}

#[test]
fn nobody_ends_a_node_before_it_has_drained() {
    let drain = Settings::default().drain_timeout.as_secs();
    let before_it = seconds("kubernetes.yaml", "exec: {command: [sleep, \"");
    for (file, key, before_it) in [
        ("artigate.service", "TimeoutStopSec=", 0),
        ("compose.yml", "stop_grace_period: ", 0),
        ("kubernetes.yaml", "terminationGracePeriodSeconds: ", before_it),
    ] {
        assert!(seconds(file, key) > before_it + drain, "{file}");
    }
}

/// The number behind `key` in a file, which is GiB.
fn gibibytes(file: &str, key: &str) -> u64 {
    let text = shipped(file);
    let value = text.split(key).nth(1).unwrap_or_else(|| panic!("{file} has no {key}"));
    assert!(value.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('G'), "{file}");
    seconds(file, key) << 30
}

#[test]
fn a_node_may_hold_what_its_settings_let_it_hold() {
    let settings = Settings::default();
    let per_upload = 17 << 20;
    let scans = 2 * settings.archive_directory_bytes;
    let downloads_and_itself = 191_000_000;
    let most = 2 * settings.index_cache_bytes
        + settings.decompression_memory_bytes
        + settings.concurrent_uploads as u64 * per_upload
        + scans
        + downloads_and_itself;
    for (file, key) in [("artigate.service", "\nMemoryMax="), ("kubernetes.yaml", "limits: {memory: ")] {
        assert!(gibibytes(file, key) > most, "{file}: {most}");
    }
}

#[test]
fn nginx_lets_go_of_an_idle_connection_before_a_node_does() {
    let keep_alive = Settings::default().keep_alive.as_secs();
    for file in ["nginx.conf", "nginx-gitlab.conf", "gitlab/nginx-projects.conf"] {
        assert!(seconds(file, "keepalive_timeout ") < keep_alive, "{file}");
    }
}

#[test]
fn every_setting_that_is_named_exists_and_takes_the_value() {
    let mut named = 0;
    for file in ["artigate.service", "compose.yml", "kubernetes.yaml", "Containerfile"] {
        for line in shipped(file).lines() {
            let line = line.trim_start_matches(['#', ' ']).trim_start_matches("ENV ");
            if !line.starts_with("ARTIGATE_") {
                continue;
            }
            let (name, value) = line.split_once(['=', ':']).unwrap();
            // The build under test has no TLS to PostgreSQL; that of the container has.
            let value = value.trim().trim_matches('"').replace("?sslmode=require", "");
            if let Err(error) = Settings::load(None, [(name.to_owned(), value)]) {
                panic!("{file}: {error}");
            }
            named += 1;
        }
    }
    assert!(named > 8, "{named}");
}
