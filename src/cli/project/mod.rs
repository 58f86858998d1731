//! `artigate project …`

mod admission;
mod fields;
mod show;

use clap::{Args, Subcommand};

use super::CommandError;
use super::administration::CatalogSession;
use super::options::full_path;
use crate::settings::Settings;
use admission::MemberCommand;
use fields::Fields;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate project create group/demo --visibility internal --max-artifact-size '10 MiB'
  artigate project member add group/demo alice maintainer
  artigate project allow group/demo group/other
  artigate project show group/demo";

const MEMBER_EXAMPLES: &str = "\
Examples:
  artigate project member add group/demo alice maintainer
  artigate project member remove group/demo alice";

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Create a project and say its number.
    Create(Create),
    /// List all projects, by number.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show a project with its members, its allowlist, and how much it holds.
    Show {
        /// The project's full path, in any case.
        path: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Change what is named of a project and leave the rest.
    #[command(mut_group("Fields", |fields| fields.required(true)))]
    Set {
        /// The project's full path, in any case.
        path: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Add and remove members.
    #[command(subcommand, after_help = MEMBER_EXAMPLES)]
    Member(MemberCommand),
    /// Let in the job tokens of another project, or of all projects of a group.
    Allow {
        /// The full path of the project that lets in.
        path: String,
        /// The full path of the project or group to let in; it need not exist yet.
        #[arg(value_parser = full_path)]
        other: String,
    },
    /// Let in the job tokens of another project or group no more.
    Disallow {
        /// The full path of the project that lets in.
        path: String,
        /// The entry of its allowlist to take off.
        other: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The full path, for example group/project.
    #[arg(value_parser = full_path)]
    path: String,
    /// The project's number, instead of the next free one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    id: Option<i64>,
    #[command(flatten)]
    fields: Fields,
}

/// Runs one of the commands.
pub(super) fn run(settings: &Settings, command: ProjectCommand) -> Result<(), CommandError> {
    let administration = &CatalogSession::open(settings)?;
    match command {
        ProjectCommand::Create(Create { path, id, fields }) => {
            fields::create(administration, path, id, fields)
        }
        ProjectCommand::List { json } => show::list(administration, json),
        ProjectCommand::Show { path, json } => show::show(administration, path, json),
        ProjectCommand::Set { path, fields } => fields::set(administration, path, fields),
        ProjectCommand::Member(command) => admission::member(administration, command),
        ProjectCommand::Allow { path, other } => admission::allow(administration, path, other),
        ProjectCommand::Disallow { path, other } => admission::disallow(administration, path, other),
    }
}
