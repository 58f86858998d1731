//! Telemetry: the log's destination, filter and format.

mod lines;

use std::io::IsTerminal;

use lines::Lines;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How log lines are treated while nobody reads standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The logging thread waits for a reader, and no line is lost.
    Waits,
    /// No thread waits. A bounded number of lines is buffered for a later reader, the others are dropped, and
    /// their count is logged once it can be.
    IsDropped,
}

/// The log, held as long as anything may be logged: dropping it writes the buffered lines.
#[must_use]
#[derive(Debug)]
pub struct Log(Option<Lines>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(lines) = &self.0 {
            lines.finish();
        }
    }
}

/// Log targets with a level of their own, whatever the configured one: audit lines and the count of dropped
/// lines are written. The HTTP library logs clients' malformed requests as errors without the address;
/// `server` logs them with it.
const TARGETS: &[(&str, &str)] = &[("audit", "info"), (lines::DROPPED, "warn"), ("actix_http", "off")];

/// Sends the log to standard error; may be called once. `filter` is a level, or directives such as
/// `info,artigate::ingest=debug`.
///
/// Audit lines are written whatever the level, unless a directive of their own says otherwise
/// (`warn,audit=off`).
///
/// # Errors
/// When `filter` does not parse.
pub fn init(filter: &str, format: LogFormat, unread: Unread) -> Result<Log, ParseError> {
    let filter = env_filter(filter)?;
    let lines = match unread {
        Unread::Waits => None,
        // Without a thread or a handle of standard error, lines are written directly.
        Unread::IsDropped => Lines::to_standard_error().ok(),
    };
    if let Some(lines) = lines.clone() {
        std::panic::set_hook(Box::new(move |panic| lines.take_panic(panic)));
    }
    let writer = match lines.clone() {
        Some(lines) => BoxMakeWriter::new(lines),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // A report of a closed standard error would go to standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(Log(lines))
}

fn env_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    let named = |target: &str| filter.split(',').any(|directive| directive.trim().starts_with(target));
    let added = TARGETS.iter().filter(|(target, _)| !named(target));
    let added: String = added.map(|(target, level)| format!(",{target}={level}")).collect();
    EnvFilter::try_new(format!("{filter}{added}"))
}
