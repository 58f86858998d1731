//! Where log lines go and what they look like.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is said of log targets whose lines are written, or not, whatever the level: audit lines are. The
/// HTTP library complains as an error about what clients send, without saying who; `server` says it with
/// the address.
const TARGETS: &[(&str, &str)] = &[("audit", "info"), ("actix_http", "off")];

/// Sends the log to standard error; may be called once. `filter` is a level, or directives such as
/// `info,artigate::ingest=debug`. Audit lines are written whatever the level, unless a directive of
/// their own says otherwise (`warn,audit=off`).
///
/// # Errors
/// When `filter` does not parse.
pub fn init(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(env_filter(filter)?)
        .with_writer(std::io::stderr)
        // Its complaint about a closed standard error would go to standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

fn env_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    let named = |target: &str| filter.split(',').any(|directive| directive.trim().starts_with(target));
    let added = TARGETS.iter().filter(|(target, _)| !named(target));
    let added: String = added.map(|(target, level)| format!(",{target}={level}")).collect();
    EnvFilter::try_new(format!("{filter}{added}"))
}
