//! Projects, their members, and the projects whose job tokens they accept.

mod job_token_allowlist;
mod list;
mod members;
mod moving;
mod removal;
mod slugs;

use diesel::prelude::*;

use super::Db;
use super::builds::FIRST_NUMBER;
use super::db::MultiBackend;
use super::schema::{jobs, pipelines, projects};
use super::usage::{self, Stored};
use super::users::next_unused_number;
use super::values::new_uuid;
use crate::domain::project::{ProjectRef, Visibility};
use crate::domain::step::Steps;
use crate::domain::{Error, ErrorKind, Result, Timestamp, Uuid};

pub use job_token_allowlist::{
    add_to_allowlist, allowlist, allows_job_token, remove_from_allowlist, set_allowlist,
};
pub use list::{Order, Viewer, VisibleProjects, count, roles, visible};
pub use members::{members, remove_member, role_of, set_member, set_members};
pub use moving::{Moved, find_moved, relocate};
pub use removal::{delete, delete_gone};
pub use slugs::{
    find_by_slugs, give_missing_slugs, groups_of_organization, lacks_slugs, of_organization, set_slugs,
    slugs_of,
};

/// A project, with the columns that lookups and permission checks need.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(MultiBackend))]
pub struct Project {
    /// Its ID.
    pub id: i64,
    /// Its full path.
    pub path: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether everyone who may see it may read its jobs.
    pub public_jobs: bool,
    /// Whether the newest successful pipeline of each ref keeps its artifacts.
    pub keep_latest_artifact: bool,
    /// The project's own upload limit in bytes; the instance's if `None`.
    pub max_artifact_bytes: Option<i64>,
    /// The upstream that it is learnt from, and that decides who may read it; `None` if it is registered here.
    pub upstream: Option<String>,
    /// Since when it is hidden, because its upstream has deleted it.
    pub gone_at: Option<Timestamp>,
}

/// The columns of a project that are shown.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(MultiBackend))]
pub struct ProjectDetails {
    /// The columns that permission checks need.
    #[diesel(embed)]
    pub project: Project,
    /// Its UUID.
    pub uuid: Uuid,
    /// The display name.
    pub name: String,
    /// The branch that is shown first.
    pub default_branch: Option<String>,
    /// What it may store in bytes; not limited if `None`.
    pub max_storage_bytes: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The number of rows that belong to a project, and the size of its artifacts.
#[derive(Debug, Clone, Copy)]
pub struct ProjectUsage {
    /// Pipelines, children included.
    pub pipelines: i64,
    /// Jobs, retried attempts included.
    pub jobs: i64,
    /// Artifacts, expired ones included until they are swept.
    pub artifacts: i64,
    /// The size of these artifacts in bytes.
    pub artifact_bytes: i64,
}

/// The columns of a project that a registry file or a command sets; `None` leaves a column unchanged, or at
/// its default in a new row.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = projects)]
pub struct ProjectChanges {
    /// The full path.
    pub path: String,
    /// The same in lower case.
    pub path_lower: String,
    /// The display name; the path's last segment by default.
    pub name: Option<String>,
    /// Who may see it; private by default.
    pub visibility: Option<&'static str>,
    /// Whether everyone who may see it may read its jobs; `true` by default.
    pub public_jobs: Option<bool>,
    /// The branch that is shown first; none by default.
    pub default_branch: Option<Option<String>>,
    /// Whether the newest successful pipeline of each ref keeps its artifacts; `true` by default.
    pub keep_latest_artifact: Option<bool>,
    /// The upload limit in bytes; the instance's by default.
    pub max_artifact_bytes: Option<Option<i64>>,
    /// What the project may store in bytes; not limited by default.
    pub max_storage_bytes: Option<Option<i64>>,
}

/// Returns the steps of a project's builds; `None` if they are not run here.
///
/// # Errors
/// Those of the database.
pub fn steps(db: &mut Db, id: i64) -> Result<Option<Steps>> {
    let steps: Option<Option<Steps>> =
        projects::table.find(id).select(projects::steps).get_result(db).optional()?;
    Ok(steps.flatten().filter(|steps| !steps.0.is_empty()))
}

/// Sets the steps of a project's builds; those that were created keep theirs.
///
/// # Errors
/// Those of the database.
pub fn set_steps(db: &mut Db, id: i64, steps: &Steps) -> Result<()> {
    let text = crate::domain::build::as_json(steps)?;
    diesel::update(projects::table.find(id)).set(projects::steps.eq(Some(text))).execute(db)?;
    Ok(())
}

/// Finds a project by ID, or by path in any letter case.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, project: &ProjectRef) -> Result<Option<Project>> {
    let found = match project {
        ProjectRef::Id(id) => projects::table.find(*id).select(Project::as_select()).get_result(db),
        ProjectRef::Path(path) => projects::table
            .filter(projects::path_lower.eq(path.to_lowercase()))
            .select(Project::as_select())
            .get_result(db),
    };
    Ok(found.optional()?)
}

/// Like [`find`] by path, but a missing project is an error.
///
/// # Errors
/// `NotFound`, with a text that contains the path.
pub fn find_by_path(db: &mut Db, path: &str) -> Result<Project> {
    find(db, &ProjectRef::Path(path.to_owned()))?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no project {path:?}")))
}

impl Project {
    /// Returns a project of an upstream of which nothing is known but its ID: it has no pipelines here.
    pub fn unknown(id: i64, upstream: &str) -> Self {
        Self {
            id,
            path: String::new(),
            visibility: Visibility::Private,
            public_jobs: false,
            keep_latest_artifact: true,
            max_artifact_bytes: None,
            upstream: Some(upstream.to_owned()),
            gone_at: None,
        }
    }

    /// Whether its upstream has deleted it: nobody finds anything of it.
    pub fn is_gone(&self) -> bool {
        self.gone_at.is_some()
    }
}

/// Lists all projects by ID, or only the project `id`.
///
/// # Errors
/// Those of the database.
pub fn details(db: &mut Db, id: Option<i64>) -> Result<Vec<ProjectDetails>> {
    let of_all = projects::table.order(projects::id).select(ProjectDetails::as_select());
    Ok(match id {
        Some(id) => of_all.filter(projects::id.eq(id)).load(db)?,
        None => of_all.load(db)?,
    })
}

/// Returns the branch of a project that is shown first.
///
/// # Errors
/// Those of the database.
pub fn default_branch(db: &mut Db, id: i64) -> Result<Option<String>> {
    Ok(projects::table.find(id).select(projects::default_branch).first(db).optional()?.flatten())
}

/// Counts the rows that belong to a project.
///
/// # Errors
/// Those of the database.
pub fn usage(db: &mut Db, id: i64) -> Result<ProjectUsage> {
    let Stored { artifacts, bytes: artifact_bytes } = usage::of_project(db, id)?;
    Ok(ProjectUsage {
        pipelines: pipelines::table.filter(pipelines::project_id.eq(id)).count().get_result(db)?,
        jobs: jobs::table.filter(jobs::project_id.eq(id)).count().get_result(db)?,
        artifacts,
        artifact_bytes,
    })
}

/// Creates a project, with the next free ID unless `id` is given. Needs [`super::Catalog::write`].
///
/// # Errors
/// `Conflict` when the path or the ID is taken, with a text that says which.
pub fn create(db: &mut Db, id: Option<i64>, new: &ProjectChanges, now: Timestamp) -> Result<i64> {
    db.lock_whole_catalog()?;
    if let Some(other) = find(db, &ProjectRef::Path(new.path.clone()))? {
        return Err(Error::new(ErrorKind::Conflict, format!("project {:?} already exists", other.path)));
    }
    let id = match id {
        Some(id) => {
            if let Some(other) = find(db, &ProjectRef::Id(id))? {
                let text = format!("ID {id} already belongs to project {:?}", other.path);
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            id
        }
        None => {
            // Those of upstreams have numbers far above, which are given apart.
            let ours = projects::table.filter(projects::id.lt(FIRST_NUMBER));
            let last: Option<i64> = ours.select(diesel::dsl::max(projects::id)).first(db)?;
            next_unused_number(db, last, "project")?
        }
    };
    upsert(db, id, new, now)?;
    Ok(id)
}

/// Changes the project with the path of `changes` in any letter case; its path stays unchanged. Needs
/// [`super::Catalog::write`].
///
/// # Errors
/// `NotFound`, with a text that contains the path.
pub fn change(db: &mut Db, changes: ProjectChanges) -> Result<()> {
    db.lock_whole_catalog()?;
    let Project { id, path, .. } = find_by_path(db, &changes.path)?;
    let changes = ProjectChanges { path_lower: path.to_lowercase(), path, ..changes };
    diesel::update(projects::table.find(id)).set(&changes).execute(db)?;
    Ok(())
}

/// Creates or updates the project `id`. One that has another path afterwards was moved.
///
/// # Errors
/// `Conflict` when another project has the path.
pub fn upsert(db: &mut Db, id: i64, changes: &ProjectChanges, now: Timestamp) -> Result<()> {
    moving::remember_if_moved(db, id, &changes.path)?;
    if diesel::update(projects::table.find(id)).set(changes).execute(db)? == 0 {
        let last_segment = changes.path.rsplit('/').next().unwrap_or(&changes.path);
        diesel::insert_into(projects::table)
            .values((
                projects::id.eq(id),
                projects::uuid.eq(new_uuid()),
                projects::path.eq(&changes.path),
                projects::path_lower.eq(&changes.path_lower),
                projects::name.eq(changes.name.as_deref().unwrap_or(last_segment)),
                projects::visibility.eq(changes.visibility.unwrap_or(Visibility::Private.as_str())),
                projects::public_jobs.eq(changes.public_jobs.unwrap_or(true)),
                projects::default_branch.eq(changes.default_branch.clone().flatten()),
                projects::keep_latest_artifact.eq(changes.keep_latest_artifact.unwrap_or(true)),
                projects::max_artifact_bytes.eq(changes.max_artifact_bytes.flatten()),
                projects::max_storage_bytes.eq(changes.max_storage_bytes.flatten()),
                projects::created_at.eq(now.as_millis()),
            ))
            .execute(db)?;
        give_missing_slugs(db)?;
    }
    Ok(())
}
