//! `artigate project member`, `allow` and `disallow`: a project's members and its job token allowlist.

use clap::Subcommand;

use crate::catalog::{projects, users};
use crate::cli::CommandError;
use crate::cli::catalog_session::CatalogSession;
use crate::cli::listing;
use crate::cli::options::one_of;
use crate::domain::role::Role;
use crate::domain::{Error, ErrorKind};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MemberCommand {
    /// Add a member, or change a member's role.
    Add {
        /// The project's full path.
        path: String,
        /// The username.
        user: String,
        /// The member's role.
        #[arg(value_parser = one_of(Role::ALL, Role::as_str))]
        role: Role,
    },
    /// Remove a member.
    Remove {
        /// The project's full path.
        path: String,
        /// The username.
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
                    Ok(format!("{user} is no longer a member of {}\n", project.path))
                } else {
                    Err(missing(format!("{user:?} is not a member of {:?}", project.path)))
                }
            })
        }
    };
    listing::print(&said?)
}

/// Adds a project or group to the job token allowlist.
pub(super) fn allow(
    administration: &CatalogSession,
    path: String,
    other: String,
) -> Result<(), CommandError> {
    let subject = format!("job tokens of {other} in project {path}");
    let said = administration.write("allowlist.add", subject, move |db| {
        let project = projects::find_by_path(db, &path)?;
        projects::add_to_allowlist(db, project.id, &other)?;
        Ok(format!("{} allows job tokens of {other}\n", project.path))
    });
    listing::print(&said?)
}

/// Removes a project or group from the job token allowlist.
pub(super) fn disallow(
    administration: &CatalogSession,
    path: String,
    other: String,
) -> Result<(), CommandError> {
    let subject = format!("job tokens of {other} in project {path}");
    let said = administration.write("allowlist.remove", subject, move |db| {
        let project = projects::find_by_path(db, &path)?;
        if projects::remove_from_allowlist(db, project.id, &other)? {
            Ok(format!("{} no longer allows job tokens of {other}\n", project.path))
        } else {
            Err(missing(format!("{other:?} is not on the allowlist of {:?}", project.path)))
        }
    });
    listing::print(&said?)
}

fn missing(why: String) -> Error {
    Error::new(ErrorKind::NotFound, why)
}
