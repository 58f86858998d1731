//! `artigate project member`, `allow` and `disallow`: whom a project lets in.

use clap::Subcommand;

use crate::catalog::{projects, users};
use crate::cli::CommandError;
use crate::cli::administration::CatalogSession;
use crate::cli::listing;
use crate::cli::options::one_of;
use crate::domain::role::Role;
use crate::domain::{Error, ErrorKind};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MemberCommand {
    /// Make a user a member, or give a member another role.
    Add {
        /// The project's full path.
        path: String,
        /// The user's short name.
        user: String,
        /// What the user may do in the project.
        #[arg(value_parser = one_of(Role::ALL, Role::as_str))]
        role: Role,
    },
    /// Take a member out.
    Remove {
        /// The project's full path.
        path: String,
        /// The user's short name.
        user: String,
    },
}

/// Adds or removes a member.
pub(super) fn member(administration: &CatalogSession, command: MemberCommand) -> Result<(), CommandError> {
    let said = match command {
        MemberCommand::Add { path, user, role } => {
            let subject = format!("user {user} as {role} of project {path}");
            administration.write("member.add", subject, move |db| {
                let project = projects::find_by_path(db, &path)?;
                let user_id = users::find_by_username(db, &user)?;
                projects::set_member(db, project.id, user_id, role)?;
                Ok(format!("{user} is {role} of {}\n", project.path))
            })
        }
        MemberCommand::Remove { path, user } => {
            let subject = format!("user {user} of project {path}");
            administration.write("member.remove", subject, move |db| {
                let project = projects::find_by_path(db, &path)?;
                let user_id = users::find_by_username(db, &user)?;
                if projects::remove_member(db, project.id, user_id)? {
                    Ok(format!("{user} is no member of {} any more\n", project.path))
                } else {
                    Err(missing(format!("{user:?} is no member of {:?}", project.path)))
                }
            })
        }
    };
    listing::print(&said?)
}

/// Adds to the allowlist.
pub(super) fn allow(
    administration: &CatalogSession,
    path: String,
    other: String,
) -> Result<(), CommandError> {
    let subject = format!("job tokens of {other} in project {path}");
    let said = administration.write("allowlist.add", subject, move |db| {
        let project = projects::find_by_path(db, &path)?;
        projects::add_to_allowlist(db, project.id, &other)?;
        Ok(format!("{} lets in the job tokens of {other}\n", project.path))
    });
    listing::print(&said?)
}

/// Takes from the allowlist.
pub(super) fn disallow(
    administration: &CatalogSession,
    path: String,
    other: String,
) -> Result<(), CommandError> {
    let subject = format!("job tokens of {other} in project {path}");
    let said = administration.write("allowlist.remove", subject, move |db| {
        let project = projects::find_by_path(db, &path)?;
        if projects::remove_from_allowlist(db, project.id, &other)? {
            Ok(format!("{} does not let in the job tokens of {other} any more\n", project.path))
        } else {
            Err(missing(format!("{other:?} is not on the allowlist of {:?}", project.path)))
        }
    });
    listing::print(&said?)
}

fn missing(why: String) -> Error {
    Error::new(ErrorKind::NotFound, why)
}
