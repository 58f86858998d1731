//! The command line: one file per command.

mod catalog_session;
mod config;
mod confirm;
mod copy_store;
mod demo;
mod existing;
mod fsck;
mod gc;
mod group;
mod help;
mod keys;
mod listing;
mod load;
mod migrate;
mod options;
mod progress;
mod project;
mod serve;
mod sweep;
mod token;
mod upstream;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::catalog::Catalog;
use crate::domain::expiry::{NotADuration, parse_seconds};
use crate::domain::{Clock, Error, ErrorKind};
use crate::registry::LoadError;
use crate::retention::Retention;
use crate::settings::{Settings, SettingsError};
use crate::store::Store;
use crate::telemetry::{self, LogFormat, Unread};

/// The help heading that separates the options of every command from a command's own.
const GLOBAL: &str = "Options of every command";

/// An artifact server with a GitLab-compatible API.
#[derive(Debug, Parser)]
#[command(name = "artigate", version, arg_required_else_help = true, after_help = help::EXAMPLES, after_long_help = help::in_full())]
struct Arguments {
    /// Read settings from this file instead of artigate.toml in the working directory.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Log filter: a level, or directives such as `info,artigate::ingest=debug`.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILTER", env = "ARTIGATE_LOG", default_value = "info")]
    log: String,

    /// Format of log lines.
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, env = "ARTIGATE_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate the database and serve HTTP until SIGTERM.
    #[command(after_help = help::SERVE)]
    Serve {
        /// Load the built-in demo into an empty database first, and print commands to try.
        #[arg(long)]
        demo: bool,
    },
    /// Migrate the database schema, and record the shared instance ID in database and store.
    ///
    /// Exits with code 2 if they do not belong together.
    #[command(after_help = help::MIGRATE)]
    Migrate(migrate::Migrate),
    /// Load registry files: users, projects, pipelines, jobs and artifacts. Safe to repeat.
    #[command(after_help = help::LOAD)]
    Load {
        /// YAML or JSON files; all of them are loaded, or none.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run one expiry pass, as `serve` does on its timer.
    ///
    /// Deletes expired artifacts that are not locked, then their blobs and those of artifacts deleted
    /// earlier. Safe while servers run.
    #[command(after_help = help::SWEEP)]
    Sweep {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Delete blobs that no row references, and carry out queued deletions.
    ///
    /// A blob without a row is left by a server that died between storing and recording an upload. Safe
    /// while servers run. Deletes nothing and exits with code 2 if database and store do not belong
    /// together.
    #[command(after_help = help::GC)]
    Gc(gc::Gc),
    /// Check the blob of every artifact: presence, size and SHA-256.
    ///
    /// Prints one line per fault to standard output and a summary to standard error. Exits with code 1
    /// if there is a fault.
    #[command(after_help = help::FSCK)]
    Fsck {
        /// Check only presence and size.
        #[arg(long)]
        quick: bool,
        /// Print one JSON object per fault.
        #[arg(long)]
        json: bool,
    },
    /// Copy all blobs to another store and verify the copies.
    ///
    /// Safe while servers run; a second run continues where the first stopped. Prints one line per blob
    /// that could not be copied, and exits with code 1 then.
    #[command(after_help = copy_store::EXAMPLES)]
    CopyStore(copy_store::CopyStore),
    /// Rotate the keys that sign links and runtime tokens.
    #[command(subcommand, after_help = keys::EXAMPLES)]
    Keys(keys::KeysCommand),
    /// Create, list and revoke personal access tokens.
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::TokenCommand),
    /// Create, list and change users.
    #[command(subcommand, after_help = user::EXAMPLES)]
    User(user::UserCommand),
    /// Create, show and change projects, their members and their job token allowlists.
    #[command(subcommand, after_help = project::EXAMPLES)]
    Project(project::ProjectCommand),
    /// Set and list what the projects of groups may store.
    #[command(subcommand, after_help = group::EXAMPLES)]
    Group(group::GroupCommand),
    /// Check an upstream, and fetch archives from it.
    #[command(subcommand, after_help = upstream::EXAMPLES)]
    Upstream(upstream::UpstreamCommand),
    /// Show and check the settings.
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(config::ConfigCommand),
}

fn duration(text: &str) -> Result<Duration, NotADuration> {
    parse_seconds(text).map(Duration::from_secs)
}

/// The reason why a command failed. Determines the exit code.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Something is wrong with the data: exit code 1.
    #[error("{0:#}")]
    Data(anyhow::Error),
    /// Wrong use or wrong configuration: exit code 2.
    #[error("{0:#}")]
    Configuration(anyhow::Error),
}

impl CommandError {
    /// Returns the exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Data(_) => ExitCode::from(1),
            Self::Configuration(_) => ExitCode::from(2),
        }
    }

    /// Wraps an error of the start: database or store cannot be used, or they do not belong together.
    fn startup(error: Error) -> Self {
        Self::Configuration(log_message(&error))
    }

    /// Wraps an error of the catalog. A rejection shows its public message, a failure its source chain.
    fn rejected(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Invalid => {
                Self::Data(anyhow::anyhow!("{error}"))
            }
            ErrorKind::Unavailable => Self::startup(error),
            _ => Self::Data(log_message(&error)),
        }
    }
}

/// Returns the text that the log would hold for an error, on one line.
fn log_message(error: &Error) -> anyhow::Error {
    let why = error.source_chain().unwrap_or_else(|| error.to_string());
    // The database library's texts run over several lines.
    anyhow::Error::msg(why.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> Self {
        Self::Configuration(error.into())
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unreadable(_) => Self::Configuration(error.into()),
            LoadError::Malformed(_) | LoadError::Invalid(_) | LoadError::Access(_) | LoadError::Failed(_) => {
                Self::Data(error.into())
            }
        }
    }
}

/// Catalog, store, retention and runtime of the commands that work on blobs.
struct Maintenance {
    catalog: Catalog,
    store: Store,
    retention: Retention,
    runtime: tokio::runtime::Runtime,
}

impl Maintenance {
    /// Opens the existing catalog and store. Fails if one does not exist.
    fn open(settings: &Settings) -> Result<Self, CommandError> {
        let catalog = existing::catalog(settings)?;
        for url in [Some(&settings.storage), settings.previous_storage.as_ref()].into_iter().flatten() {
            existing::check_store(url, settings)?;
        }
        Self::with(catalog, settings)
    }

    /// Opens catalog and store, creating them if they do not exist.
    fn make(settings: &Settings) -> Result<Self, CommandError> {
        Self::with(migrate::open(settings)?.0, settings)
    }

    fn with(catalog: Catalog, settings: &Settings) -> Result<Self, CommandError> {
        let store = Store::open(settings).map_err(CommandError::startup)?;
        let (kept, clock) = (settings.tombstones, Clock::System);
        let retention =
            Retention::new(catalog.clone(), store.clone(), clock, kept, settings.agents_lost_after)
                .with_cache(crate::app::cache_bytes(settings));
        Ok(Self { catalog, store, retention, runtime: runtime()? })
    }

    fn block_on<T, E: Into<CommandError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CommandError> {
        self.runtime.block_on(work).map_err(Into::into)
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| CommandError::Configuration(error.into()))
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self::rejected(error)
    }
}

/// Parses the arguments and runs the command. Help and wrong use end the program here.
///
/// # Errors
/// [`CommandError`], for `main` to print.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), CommandError> {
    let arguments = Arguments::parse_from(arguments);
    // A server does not wait for a reader of its log that has stalled; a command writes all its lines.
    let unread = match arguments.command {
        Command::Serve { .. } => Unread::IsDropped,
        _ => Unread::Waits,
    };
    let _log = telemetry::init(&arguments.log, arguments.log_format, unread)
        .map_err(|e| CommandError::Configuration(anyhow::anyhow!("--log: {e}")))?;
    let file = arguments.config.as_deref();
    if let Command::Config(command) = arguments.command {
        return config::run(file, command);
    }
    let settings = Settings::load(file, environment()?)?;
    match arguments.command {
        Command::Config(_) => Ok(()),
        Command::Serve { demo } => serve::run(settings, demo),
        Command::Migrate(options) => migrate::run(&settings, &options),
        Command::Load { files } => load::run(&settings, &files),
        Command::Sweep { json } => sweep::run(&settings, json),
        Command::Gc(options) => gc::run(&settings, &options),
        Command::Fsck { quick, json } => fsck::run(&settings, quick, json),
        Command::CopyStore(command) => command.run(&settings),
        Command::Keys(command) => keys::run(&settings, &command),
        Command::Token(command) => token::run(&settings, command),
        Command::User(command) => user::run(&settings, command),
        Command::Project(command) => project::run(&settings, command),
        Command::Group(command) => group::run(&settings, command),
        Command::Upstream(command) => upstream::run(&settings, &command),
    }
}

/// Returns the variables of the environment that are valid UTF-8.
///
/// # Errors
/// If a variable that begins with `ARTIGATE_` is not valid UTF-8: it was meant for artigate.
fn environment() -> Result<impl Iterator<Item = (String, String)>, CommandError> {
    let ours = |name: &OsString| name.to_string_lossy().starts_with("ARTIGATE_");
    let is_text = |(name, value): &(OsString, OsString)| name.to_str().is_some() && value.to_str().is_some();
    if let Some((name, _)) = std::env::vars_os().find(|pair| ours(&pair.0) && !is_text(pair)) {
        let why = format!("environment variable {} is not valid UTF-8", name.to_string_lossy());
        return Err(CommandError::Configuration(anyhow::Error::msg(why)));
    }
    Ok(std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))
}
