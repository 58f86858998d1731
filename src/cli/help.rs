//! Help texts that follow the options: examples, sources of settings, and exit codes.

use crate::settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate serve --demo
  artigate load registry.yml
  artigate config show
  ARTIGATE_SERVER__LISTEN=0.0.0.0:8929 artigate serve

Settings come from artigate.toml in the working directory, or --config FILE, and then from the
environment: [server] listen is ARTIGATE_SERVER__LISTEN. --help names them all.

Exit codes: 0 done, 1 something is wrong with the data, 2 wrong use or wrong configuration.";

pub(super) const SERVE: &str = "\
Examples:
  artigate serve --demo
  artigate serve --config /etc/artigate.toml --log-format json
  ARTIGATE_SERVER__LISTEN=0.0.0.0:8929 artigate serve";

pub(super) const MIGRATE: &str = "\
Examples:
  artigate migrate && artigate user create root --admin
  artigate migrate --adopt-store   # after checking database.url and storage.url";

pub(super) const LOAD: &str = "\
Examples:
  artigate load registry.yml
  artigate load users.yml projects/*.yml

Exit codes: 0 all files are loaded, 1 a document is invalid and nothing has changed, 2 a file cannot
be read, or database and store do not belong together.";

pub(super) const SWEEP: &str = "\
Example:
  artigate sweep --json";

pub(super) const GC: &str = "\
Examples:
  artigate gc
  artigate gc --grace '6 hours' --json";

pub(super) const FSCK: &str = "\
Examples:
  artigate fsck
  artigate fsck --quick --json > faults";

/// Returns [`EXAMPLES`] followed by every environment variable with its default.
pub(super) fn in_full() -> String {
    let variables = settings::variables();
    let width = variables.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = variables.iter().map(|(name, default)| {
        let line = format!("  {name:width$}  {}", default.unwrap_or_default());
        format!("{}\n", line.trim_end())
    });
    let lines: String = lines.collect();
    format!("{EXAMPLES}\n\nEnvironment, with the defaults:\n{}", lines.trim_end())
}
