//! `artigate config show` and `check`: print the settings with their origins, and check them.

use std::path::Path;

use clap::Subcommand;
use serde_json::Value;

use super::listing::{self, Record};
use super::{CommandError, environment};
use crate::server;
use crate::settings::{Explained, Origin, Setting, Settings, StorageUrl};
use crate::store::Store;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate config show
  artigate config show --json --config /etc/artigate.toml
  ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE=lots artigate config check";

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting with its origin: default, file or environment variable.
    ///
    /// Passwords and keys are blanked. Database and store are not opened.
    Show {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Check the settings: print one line per fault, and exit with code 2 if there is one.
    ///
    /// Database and store are not opened, so it is not checked whether they can be reached. The certificate of
    /// the listener and its key are read. Credentials for a bucket are looked up: in the environment, and if it
    /// has none, for 3 seconds on the machine.
    Check,
}

/// Runs a sub-command on the settings that `file` and the environment set.
pub(super) fn run(file: Option<&Path>, command: ConfigCommand) -> Result<(), CommandError> {
    let explained = Explained::read(file, environment()?);
    let mut faults: Vec<String> = explained.faults.iter().map(ToString::to_string).collect();
    if matches!(command, ConfigCommand::Check) {
        faults.extend(of_buckets(&explained.settings)?);
        faults.extend(
            server::check_tls(&explained.settings).err().map(|error| super::log_message(&error).to_string()),
        );
    }
    if !faults.is_empty() {
        return Err(refuse(&faults)?);
    }
    match command {
        ConfigCommand::Show { json } => show(&explained, json),
        ConfigCommand::Check => listing::print("the settings are valid\n"),
    }
}

/// Returns the errors in the bucket settings of the environment, credentials included.
fn of_buckets(settings: &Settings) -> Result<Vec<String>, CommandError> {
    let stores = [
        ("storage.url", Some(&settings.storage)),
        ("storage.previous_url", settings.previous_storage.as_ref()),
    ];
    let mut faults = Vec::new();
    for (key, url) in stores {
        let Some(url @ StorageUrl::Bucket(_)) = url else { continue };
        let found = match Store::open_at(url, settings.storage_timeout) {
            Ok(store) => super::runtime()?.block_on(store.look_for_credentials()),
            Err(error) => Err(error),
        };
        faults.extend(found.err().map(|error| format!("{key}: {}", super::log_message(&error))));
    }
    Ok(faults)
}

/// Prints the faults, and returns the error that ends the command.
fn refuse(faults: &[String]) -> Result<CommandError, CommandError> {
    let lines: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    listing::print(&lines)?;
    let why = match faults.len() {
        1 => "there is 1 fault in the settings".to_owned(),
        count => format!("there are {count} faults in the settings"),
    };
    Ok(CommandError::Configuration(anyhow::Error::msg(why)))
}

fn show(explained: &Explained, json: bool) -> Result<(), CommandError> {
    let records: Vec<Record> = explained.values.iter().map(record).collect();
    listing::print_all(&["key", "value", "from"], &records, json)
}

/// Builds the record of a setting. `from` is `default` or the name of the file or variable; in JSON `source`
/// is `default`, `file` or `environment`.
fn record(Setting { key, value, origin, .. }: &Setting) -> Record {
    let (source, from) = match origin {
        Origin::Default => ("default", Value::Null),
        Origin::File(path) => ("file", path.display().to_string().into()),
        Origin::Variable(name) => ("environment", name.clone().into()),
    };
    let shown = from.as_str().unwrap_or(source).to_owned();
    Record::default()
        .with("key", key.as_str())
        .with("value", value.as_deref())
        .with("source", source)
        .with_shown("from", from, Some(shown))
}
