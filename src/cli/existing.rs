//! Existing data: the database and the store of the commands that create neither.
//!
//! In the wrong directory, or with wrong settings, such a command would otherwise work on a new, empty
//! database and store and report success.

use std::path::Path;

use super::CommandError;
use crate::catalog::Catalog;
use crate::settings::{DEFAULT_FILE, DatabaseUrl, Settings, StorageUrl};

/// Opens the existing catalog and migrates its schema. Fails if the database does not exist or is empty.
pub(super) fn catalog(settings: &Settings) -> Result<Catalog, CommandError> {
    if let DatabaseUrl::Sqlite(path) = &settings.database
        && matches!(path.try_exists(), Ok(false))
    {
        return Err(missing(&format!("there is no database at {}", absolute(path)), settings));
    }
    let catalog = Catalog::open(settings).map_err(CommandError::startup)?;
    if !catalog.has_schema().map_err(CommandError::startup)? {
        let which = match &settings.database {
            DatabaseUrl::Sqlite(path) => absolute(path),
            DatabaseUrl::Postgres(_) => "that database.url names".to_owned(),
        };
        return Err(missing(&format!("the database {which} is empty"), settings));
    }
    catalog.migrate().map_err(CommandError::startup)?;
    Ok(catalog)
}

/// Rejects a store directory that does not exist. Accepts every bucket: artigate never creates one.
pub(super) fn check_store(url: &StorageUrl, settings: &Settings) -> Result<(), CommandError> {
    match url {
        StorageUrl::Directory(path) if !path.is_dir() => {
            Err(missing(&format!("there is no store at {}", absolute(path)), settings))
        }
        _ => Ok(()),
    }
}

fn missing(what: &str, settings: &Settings) -> CommandError {
    let read = match &settings.file {
        Some(file) => format!("settings were read from {}", absolute(file)),
        None => format!("there is no {}", absolute(Path::new(DEFAULT_FILE))),
    };
    let why = format!("{what} ({read}); only serve, migrate and load create a new one");
    CommandError::Configuration(anyhow::Error::msg(why))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
