//! `artigate group …`: what holds of all projects of a group together.

use clap::Subcommand;

use super::CommandError;
use super::catalog_session::CatalogSession;
use super::listing::{self, Record};
use super::options::{SizeLimit, full_path};
use crate::catalog::{quotas, usage};
use crate::domain::byte_size;
use crate::domain::quota::is_nearly_used_up;
use crate::settings::Settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate group set acme --max-storage '500 GiB'
  artigate group set acme --max-storage none
  artigate group list";

#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// Set what all projects of a group may store together, nested groups included.
    Set {
        /// The group's full path; no project need be there yet.
        #[arg(value_parser = full_path)]
        path: String,
        /// The most that its projects may store, for example 500 GiB, or none; uploads past it are refused.
        #[arg(long, value_name = "SIZE|none")]
        max_storage: SizeLimit,
    },
    /// List the groups for which something is set, sorted by path, with what they store.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: GroupCommand) -> Result<(), CommandError> {
    let administration = CatalogSession::open(settings)?;
    match command {
        GroupCommand::Set { path, max_storage: SizeLimit(max_bytes) } => {
            let subject = format!("group {path}");
            let named = path.clone();
            administration
                .write("group.set", subject, move |db| quotas::set_of_group(db, &named, max_bytes))?;
            listing::print(&format!("changed group {path}\n"))
        }
        GroupCommand::List { json } => list(&administration, json),
    }
}

fn list(administration: &CatalogSession, json: bool) -> Result<(), CommandError> {
    let size = |bytes: i64| byte_size::show(bytes.unsigned_abs());
    let records = administration.read(move |db| {
        let mut records = Vec::new();
        for (path, max_bytes) in quotas::of_groups(db)? {
            let stored = usage::of_group(db, &path.to_lowercase())?;
            records.push(
                Record::default()
                    .with("path", path)
                    .with("artifacts", stored.artifacts)
                    .with_shown("artifact_bytes", stored.bytes, Some(size(stored.bytes)))
                    .with_shown("max_storage", max_bytes, Some(size(max_bytes)))
                    .with("nearly_full", is_nearly_used_up(stored.bytes, max_bytes)),
            );
        }
        Ok(records)
    })?;
    listing::print_all(&["path", "artifacts", "artifact_bytes", "max_storage", "nearly_full"], &records, json)
}
