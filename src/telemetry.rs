//! Where log lines go and what they look like.

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

/// What becomes of lines while nobody reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Whoever logs waits for a reader, and no line is lost.
    Waits,
    /// Nobody waits. Some lines are kept for a reader who comes late, the others dropped, and their number is
    /// told once it can be.
    IsDropped,
}

/// The log, to be held as long as something may be logged: dropping it writes what is left.
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

/// What is said of log targets whose lines are written, or not, whatever the level: audit lines are, and how many
/// lines were dropped. The HTTP library complains as an error about what clients send, without saying who; `server`
/// says it with the address.
const TARGETS: &[(&str, &str)] = &[("audit", "info"), (lines::DROPPED, "warn"), ("actix_http", "off")];

/// Sends the log to standard error; may be called once. `filter` is a level, or directives such as
/// `info,artigate::ingest=debug`. Audit lines are written whatever the level, unless a directive of
/// their own says otherwise (`warn,audit=off`).
///
/// # Errors
/// When `filter` does not parse.
pub fn init(filter: &str, format: LogFormat, unread: Unread) -> Result<Log, ParseError> {
    let filter = env_filter(filter)?;
    let lines = match unread {
        Unread::Waits => None,
        // Without a thread, or a standard error, they are written as well as can be.
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
        // Its complaint about a closed standard error would go to standard error, and panic.
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
