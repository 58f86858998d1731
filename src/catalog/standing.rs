//! Who asks for what, in one statement: a project's artifact, its job, the personal token that was
//! shown, and what its user is in the project.
//!
//! This is the statement behind most requests. It only finds what is all there; what is missing is
//! found out one thing after the other, in the order in which clients are told.

use diesel::prelude::*;

use super::Db;
use super::artifacts::Artifact;
use super::jobs::Job;
use super::projects::Project;
use super::schema::{access_tokens, artifacts, jobs, project_members, projects, users};
use super::tokens::AccessToken;
use super::users::User;
use super::values::Finished;
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::domain::role::Role;
use crate::domain::{Error, Result, Sha256Digest};

/// A job's artifact, and what decides who may have it.
#[derive(Debug)]
pub struct Standing {
    /// The project.
    pub project: Project,
    /// Its job.
    pub job: Job,
    /// The job's artifact, expired or not.
    pub artifact: Artifact,
    /// The personal token that was shown, valid or not, and whose it is.
    pub token: Option<(AccessToken, User)>,
    /// The role of that user in the project.
    pub role: Option<Role>,
}

type Row = (Project, Job, Artifact, Option<AccessToken>, Option<User>, Option<String>);

/// Finds a job's artifact of a kind, and what the personal token with that digest stands for in the
/// job's project. `None` when the project, the job in it, or the artifact is not there.
///
/// # Errors
/// Only those of the database.
pub fn of_artifact(
    db: &mut Db,
    project: &ProjectRef,
    job_id: i64,
    kind: ArtifactKind,
    token: Sha256Digest,
) -> Result<Option<Standing>> {
    // One statement, of four types: two ways to name a project on two kinds of connection. Run on
    // `Db` itself, its text would be made anew three times for each execution.
    macro_rules! first {
        ($connection:expr, $named:expr) => {
            projects::table
                .inner_join(jobs::table.inner_join(artifacts::table))
                .left_join(access_tokens::table.on(access_tokens::sha256.eq(token.as_bytes().to_vec())))
                .left_join(users::table.on(users::id.nullable().eq(access_tokens::user_id.nullable())))
                .left_join(
                    project_members::table.on(project_members::project_id
                        .eq(projects::id)
                        .and(project_members::user_id.nullable().eq(users::id.nullable()))),
                )
                .filter($named)
                .filter(jobs::id.eq(job_id))
                .filter(artifacts::name.eq(kind.as_str()))
                .filter(artifacts::state.eq(Finished))
                .select((
                    Project::as_select(),
                    Job::as_select(),
                    Artifact::as_select(),
                    Option::<AccessToken>::as_select(),
                    Option::<User>::as_select(),
                    project_members::role.nullable(),
                ))
                .get_result($connection)
                .optional()?
        };
    }
    let row: Option<Row> = match (project, db) {
        (ProjectRef::Id(id), Db::Sqlite(sqlite)) => first!(sqlite, projects::id.eq(*id)),
        (ProjectRef::Id(id), Db::Postgres(postgres)) => first!(postgres, projects::id.eq(*id)),
        (ProjectRef::Path(path), Db::Sqlite(sqlite)) => {
            first!(sqlite, projects::path_lower.eq(path.to_lowercase()))
        }
        (ProjectRef::Path(path), Db::Postgres(postgres)) => {
            first!(postgres, projects::path_lower.eq(path.to_lowercase()))
        }
    };
    let Some((project, job, artifact, token, user, role)) = row else { return Ok(None) };
    let role = role.map(|name| name.parse()).transpose().map_err(Error::internal)?;
    Ok(Some(Standing { project, job, artifact, token: token.zip(user), role }))
}
