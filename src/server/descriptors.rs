//! Descriptors: the numbers of open sockets and files, of which a process may have a limited count.
//!
//! A server that accepts connections until none is left cannot open a blob for any of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::spare::SPARE_CONNECTIONS;
use crate::settings::{Settings, UpstreamKind};
use crate::upstream::passed_at_once;

/// Descriptors of log, listener, timers and workers, and some to spare.
const OWN: u64 = 64;

/// SQLite opens the database, its log and the log's index for each connection.
const PER_DATABASE_CONNECTION: u64 = 3;

/// Fraction (one in this many) reserved for files being read: a connection that downloads holds two.
const FILES: u64 = 4;

/// Raises the limit of open files to the most that the system allows, and lowers `server.max_connections` so
/// that the rest of the server has what it needs; logs when it does.
pub(super) fn bounded_connections(settings: &Settings) -> usize {
    let Some(limit) = raise() else { return settings.max_connections };
    let most = within(limit, settings);
    if most < settings.max_connections {
        tracing::warn!(
            "server.max_connections is {}, but the process may open {limit} files: \
             at most {most} connections are accepted (raise the limit, as LimitNOFILE or ulimit -n)",
            settings.max_connections
        );
    }
    most
}

/// Raises the limit of open files, mostly 1,024 at first, to the most that the system allows. Returns it;
/// `None` if there is no limit.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = limit.current, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// Returns how many of `limit` descriptors may be connections; at least one.
fn within(limit: u64, settings: &Settings) -> usize {
    let database = u64::from(settings.database_connections) * PER_DATABASE_CONNECTION;
    let spare = SPARE_CONNECTIONS as u64;
    // A runner's question for a job holds a connection to the upstream besides.
    let passes_on = settings.upstreams.iter().any(|upstream| upstream.kind == UpstreamKind::GitLab);
    let passed = if passes_on { passed_at_once(Some(limit)) as u64 } else { 0 };
    let reserve = OWN + spare + database + passed + settings.concurrent_uploads as u64 + limit / FILES;
    let most = limit.saturating_sub(reserve).max(limit / FILES).max(1);
    usize::try_from(most).unwrap_or(usize::MAX).min(settings.max_connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_that_we_ship_lets_as_many_connections_in_as_are_set() {
        let unit = include_str!("../../deploy/artigate.service");
        let limit = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        let settings = Settings::default();
        assert_eq!(within(limit.parse().unwrap(), &settings), settings.max_connections);
    }

    #[test]
    fn connections_leave_files_to_the_rest_of_the_server() {
        let settings = Settings::default();
        assert_eq!(within(1 << 20, &settings), 20_000, "as many as were set");
        assert_eq!(within(1_024, &settings), 1_024 - 64 - 64 - 48 - 64 - 256);
        assert_eq!(within(200, &settings), 50, "a quarter at least");
        assert_eq!(within(0, &settings), 1);
        let few = Settings { max_connections: 10, ..settings };
        assert_eq!(within(1_024, &few), 10);
    }
}
