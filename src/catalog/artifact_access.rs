//! Artifact access: a project's artifact, its job, the request's personal token, and the role of its user in
//! the project, all found in one statement.
//!
//! Most requests run this statement. It only finds rows that all exist; callers find a missing one by single
//! lookups, in the order in which clients are told.

use diesel::prelude::*;

use super::Db;
use super::artifacts::Artifact;
use super::jobs::Job;
use super::latest;
use super::projects::Project;
use super::schema::{access_tokens, artifacts, jobs, project_members, projects, users};
use super::tokens::AccessToken;
use super::users::User;
use super::values::{Always, Finished, HasFiles};
use crate::domain::artifact::ArtifactKind;
use crate::domain::expiry::is_available;
use crate::domain::project::ProjectRef;
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::{Error, Result, Sha256Digest, Timestamp};

/// A job's artifact, and the rows that decide who may read it.
#[derive(Debug)]
pub struct ArtifactAccess {
    /// The project of the job.
    pub project: Project,
    /// The job that made the artifact.
    pub job: Job,
    /// The job's artifact, expired or not.
    pub artifact: Artifact,
    /// The personal token of the request, valid or not, and its user.
    pub token: Option<(AccessToken, User)>,
    /// The role of the token's user in the project.
    pub role: Option<Role>,
    /// Whether the job has single files, too.
    pub has_files: bool,
}

type Row = (Project, Job, Option<Artifact>, Option<AccessToken>, Option<User>, Option<String>, bool);

/// Finds jobs of a project, each with its archive, and the personal token of that digest with its user's
/// role. `$on` binds no value, because diesel copies the condition of a join several times.
///
/// It expands to a statement for each of four types: by ID or path, on SQLite or PostgreSQL. Run on `Db`
/// itself, its text would be built three times for each execution.
macro_rules! find {
    ($db:expr, $project:expr, $token:expr, $on:expr, $jobs:expr) => {{
        // No token has an empty digest.
        let digest = $token.map(|digest: Sha256Digest| digest.as_bytes().to_vec()).unwrap_or_default();
        match ($project, $db) {
            (ProjectRef::Id(id), Db::Sqlite(sqlite)) => {
                find!(sqlite, projects::id.eq(*id), digest, $on, $jobs, rows)
            }
            (ProjectRef::Id(id), Db::Postgres(postgres)) => {
                find!(postgres, projects::id.eq(*id), digest, $on, $jobs, rows)
            }
            (ProjectRef::Path(path), Db::Sqlite(sqlite)) => {
                find!(sqlite, projects::path_lower.eq(path.to_lowercase()), digest, $on, $jobs, rows)
            }
            (ProjectRef::Path(path), Db::Postgres(postgres)) => {
                find!(postgres, projects::path_lower.eq(path.to_lowercase()), digest, $on, $jobs, rows)
            }
        }
    }};
    ($connection:expr, $named:expr, $digest:expr, $on:expr, $jobs:expr, rows) => {
        projects::table
            .inner_join(jobs::table.on($on))
            .left_join(
                artifacts::table.on(artifacts::job_id
                    .eq(jobs::id)
                    .and(artifacts::name.eq(ArtifactKind::Archive.as_str()))
                    .and(artifacts::state.eq(Finished))),
            )
            .left_join(access_tokens::table.on(access_tokens::sha256.eq($digest)))
            .left_join(users::table.on(users::id.nullable().eq(access_tokens::user_id.nullable())))
            .left_join(
                project_members::table.on(project_members::project_id
                    .eq(projects::id)
                    .and(project_members::user_id.nullable().eq(users::id.nullable()))),
            )
            .filter($named)
            .filter($jobs)
            .select((
                Project::as_select(),
                Job::as_select(),
                Option::<Artifact>::as_select(),
                Option::<AccessToken>::as_select(),
                Option::<User>::as_select(),
                project_members::role.nullable(),
                HasFiles,
            ))
            .load::<Row>($connection)?
    };
}

impl ArtifactAccess {
    /// Finds a job's archive, and the user and role of the personal token with that digest, if any. Returns
    /// `None` when the project, the job in it, or the archive does not exist.
    ///
    /// # Errors
    /// Those of the database.
    pub fn find(
        db: &mut Db,
        project: &ProjectRef,
        job_id: i64,
        token: Option<Sha256Digest>,
    ) -> Result<Option<Self>> {
        let found = find!(db, project, token, jobs::project_id.eq(projects::id), jobs::id.eq(job_id));
        found.into_iter().next().map_or(Ok(None), from_row)
    }

    /// Like [`ArtifactAccess::find`], for the archive of the job that [`latest::job_by_ref`] finds by ref and
    /// job name.
    ///
    /// Returns `None` also when this needs another job or a pipeline below the newest successful one, or
    /// finds no archive that can be read at `now`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn find_by_ref(
        db: &mut Db,
        project: &ProjectRef,
        ref_name: &str,
        job_name: &str,
        token: Option<Sha256Digest>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        // The project of the pipeline is condition enough: one on the job's project as well would make SQLite
        // choose between two indexes.
        let newest = latest::NewestSuccessful { ref_name };
        let candidates = find!(
            db,
            project,
            token,
            Always,
            jobs::pipeline_id
                .nullable()
                .eq(newest)
                .and(jobs::name.eq(job_name))
                .and(jobs::status.eq(Status::Success.as_str()))
                .and(jobs::retried.eq(false))
        );
        let first = candidates.into_iter().max_by_key(|(_, job, ..)| job.id);
        let found = first.map_or(Ok(None), from_row)?;
        // The newest successful pipeline is locked exactly if its project keeps the latest artifacts.
        Ok(found.filter(|ArtifactAccess { project, artifact, .. }| {
            is_available(artifact.expire_at, project.keep_latest_artifact, now)
        }))
    }
}

fn from_row((project, job, artifact, token, user, role, has_files): Row) -> Result<Option<ArtifactAccess>> {
    let role = role.map(|name| name.parse()).transpose().map_err(Error::internal)?;
    Ok(artifact.map(|artifact| ArtifactAccess {
        project,
        job,
        artifact,
        token: token.zip(user),
        has_files,
        role,
    }))
}
