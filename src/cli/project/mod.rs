//! `artigate project …`: projects, their members and their job token allowlists.

mod admission;
mod fields;
mod removal;
mod show;
mod usage;

use clap::{Args, Subcommand};

use super::CommandError;
use super::catalog_session::CatalogSession;
use super::options::full_path;
use crate::settings::Settings;
use admission::MemberCommand;
use fields::Fields;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate project create group/demo --visibility internal --max-artifact-size '10 MiB'
  artigate project member add group/demo alice maintainer
  artigate project allow group/demo group/other
  artigate project show group/demo
  artigate project list --usage
  artigate project move group/demo other/demo
  artigate project delete other/demo --yes";

const MEMBER_EXAMPLES: &str = "\
Examples:
  artigate project member add group/demo alice maintainer
  artigate project member remove group/demo alice";

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Create a project and print its ID.
    Create(Create),
    /// List all projects, sorted by ID.
    List {
        /// Print what is stored as well, by project, the largest first, and what will be deleted. Counts the artifacts for
        /// that.
        #[arg(long)]
        usage: bool,
        /// Print one JSON array; with --usage, one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show a project with its members, its job token allowlist and its usage.
    Show {
        /// The project's full path, case-insensitive.
        path: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Change the given fields of a project.
    #[command(mut_group("Fields", |fields| fields.required(true)))]
    Set {
        /// The project's full path, case-insensitive.
        path: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Delete a project with its pipelines, jobs and artifacts. Prints what that is, and asks first.
    Delete {
        /// The project's full path, case-insensitive.
        path: String,
        /// Delete without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Move a project, or all projects of a group, to another path.
    Move {
        /// The full path of the project or group, case-insensitive.
        from: String,
        /// The new full path.
        #[arg(value_parser = full_path)]
        to: String,
    },
    /// Add and remove members.
    #[command(subcommand, after_help = MEMBER_EXAMPLES)]
    Member(MemberCommand),
    /// Allow job tokens of another project, or of all projects of a group.
    Allow {
        /// The full path of the project whose allowlist changes.
        path: String,
        /// The full path of the project or group to allow; it need not exist yet.
        #[arg(value_parser = full_path)]
        other: String,
    },
    /// Remove a project or group from the job token allowlist.
    Disallow {
        /// The full path of the project whose allowlist changes.
        path: String,
        /// The allowlist entry to remove.
        other: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The full path, for example group/project.
    #[arg(value_parser = full_path)]
    path: String,
    /// The project's ID; the next free one by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    id: Option<i64>,
    #[command(flatten)]
    fields: Fields,
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: ProjectCommand) -> Result<(), CommandError> {
    let administration = &CatalogSession::open(settings)?;
    match command {
        ProjectCommand::Create(Create { path, id, fields }) => {
            fields::create(administration, path, id, fields)
        }
        ProjectCommand::List { json, usage: true } => {
            usage::list(administration, crate::app::cache_bytes(settings), json)
        }
        ProjectCommand::List { json, usage: false } => show::list(administration, json),
        ProjectCommand::Show { path, json } => show::show(administration, path, json),
        ProjectCommand::Set { path, fields } => fields::set(administration, path, fields),
        ProjectCommand::Delete { path, yes } => removal::delete(administration, path, yes),
        ProjectCommand::Move { from, to } => removal::relocate(administration, from, to),
        ProjectCommand::Member(command) => admission::member(administration, command),
        ProjectCommand::Allow { path, other } => admission::allow(administration, path, other),
        ProjectCommand::Disallow { path, other } => admission::disallow(administration, path, other),
    }
}
