//! The command line: one file a command.

mod demo;
mod load;
mod migrate;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::domain::Error;
use crate::registry::LoadError;
use crate::settings::{Settings, SettingsError};
use crate::telemetry::{self, LogFormat};

/// A GitLab-compatible artifact gateway.
#[derive(Debug, Parser)]
#[command(name = "artigate", version, arg_required_else_help = true)]
struct Arguments {
    /// Read settings from this file instead of artigate.toml in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to log: a level, or directives such as info,artigate::ingest=debug.
    #[arg(long, global = true, value_name = "FILTER", env = "ARTIGATE_LOG", default_value = "info")]
    log: String,

    /// The form of log lines.
    #[arg(long, global = true, value_enum, env = "ARTIGATE_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate the database and serve HTTP until SIGTERM.
    Serve {
        /// Load the built-in demo into an empty database first, and print commands to try.
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database schema up to date.
    Migrate,
    /// Load registry files: users, projects, pipelines, jobs and artifacts. Safe to repeat.
    Load {
        /// YAML or JSON files, loaded all or none.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Why a command failed; decides the exit code.
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
    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Data(_) => ExitCode::from(1),
            Self::Configuration(_) => ExitCode::from(2),
        }
    }

    /// A part that the settings name cannot be used.
    fn unusable(error: Error) -> Self {
        let why = error.causes().unwrap_or_else(|| error.to_string());
        // The database library's texts run over several lines.
        Self::Configuration(anyhow::Error::msg(why.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
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
            LoadError::Wrong(_) | LoadError::Failed(_) => Self::Data(error.into()),
        }
    }
}

/// Parses the arguments and runs the command. Help and wrong use end the program here.
///
/// # Errors
/// [`CommandError`], for `main` to print.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), CommandError> {
    let arguments = Arguments::parse_from(arguments);
    telemetry::init(&arguments.log, arguments.log_format)
        .map_err(|e| CommandError::Configuration(anyhow::anyhow!("--log: {e}")))?;
    let settings = Settings::load(arguments.config.as_deref(), environment())?;
    match arguments.command {
        Command::Serve { demo } => serve::run(settings, demo),
        Command::Migrate => migrate::run(&settings),
        Command::Load { files } => load::run(&settings, &files),
    }
}

/// The environment as far as it is text; what is not cannot be one of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
