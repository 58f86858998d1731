//! Foreign rows: projects, pipelines, jobs and users that an upstream tells of.
//!
//! They have the upstream's numbers. A row that is registered here is never overwritten, and what is known is only
//! filled or moved forward: a job that has ended stays as it ended.

mod refs;

use diesel::prelude::*;

pub use refs::{ForeignRef, ListedForeignJob, ListedForeignPipeline, store_ref};

use super::Db;
use super::jobs::{self, JobChanges};
use super::pipelines::{self, PipelineChanges};
use super::projects::{self, Project, ProjectChanges};
use super::schema::{jobs as jobs_table, pipelines as pipelines_table, projects as projects_table, users};
use super::values::new_uuid;
use crate::domain::pipeline::Source;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// A running job as its upstream describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignJob {
    /// Its number.
    pub id: i64,
    /// Its name in the pipeline.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// Its status.
    pub status: Status,
    /// Whether its failure does not fail the pipeline.
    pub allow_failure: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// The number of its project.
    pub project_id: i64,
    /// The full path of its project.
    pub project_path: String,
    /// Its pipeline.
    pub pipeline: ForeignPipeline,
    /// The user whose rights it has.
    pub user: Option<ForeignUser>,
}

/// A pipeline as its upstream describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignPipeline {
    /// Its number.
    pub id: i64,
    /// Its number in the project; old servers do not tell it.
    pub iid: Option<i64>,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag, if that is known.
    pub tag: Option<bool>,
    /// The commit.
    pub sha: String,
    /// Its status.
    pub status: Status,
    /// Its source.
    pub source: Source,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// A user as an upstream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignUser {
    /// Its number.
    pub id: i64,
    /// Its unique short name.
    pub username: String,
    /// Its display name.
    pub name: String,
}

/// What became of foreign facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOutcome {
    /// The rows say so now.
    Stored,
    /// A row that is registered here, or belongs elsewhere, is in the way: nothing was changed. The text says which.
    InTheWay(String),
}

/// Whether the rows already say what is told of a job, so that no write is needed.
///
/// # Errors
/// Those of the database.
pub fn is_stored(db: &mut Db, upstream: &str, job: &ForeignJob) -> Result<bool> {
    let Some(project) = projects::find(db, &ProjectRef::Id(job.project_id))? else { return Ok(false) };
    let Some(known) = jobs::find(db, job.id)? else { return Ok(false) };
    let pipeline: Option<(i64, String, String)> = pipelines_table::table
        .find(job.pipeline.id)
        .select((pipelines_table::project_id, pipelines_table::status, pipelines_table::ref_name))
        .first(db)
        .optional()?;
    let pipeline_is_same = pipeline.is_some_and(|(project_id, status, ref_name)| {
        project_id == job.project_id
            && status == job.pipeline.status.as_str()
            && ref_name == job.pipeline.ref_name
    });
    Ok(project.upstream.as_deref() == Some(upstream)
        && project.path == job.project_path
        && known.project_id == job.project_id
        && known.pipeline_id == job.pipeline.id
        && (known.status == job.status || known.status.is_final())
        && pipeline_is_same)
}

/// Stores what is told of a job, its pipeline, its project and its user. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_job(db: &mut Db, upstream: &str, job: &ForeignJob, now: Timestamp) -> Result<StoreOutcome> {
    // Rows of the same numbers appear on one node only.
    db.lock_whole_catalog()?;
    if is_stored(db, upstream, job)? {
        return Ok(StoreOutcome::Stored);
    }
    if let Some(why) = in_the_way(db, upstream, job)? {
        return Ok(StoreOutcome::InTheWay(why));
    }
    let user_id = match &job.user {
        Some(user) => store_user(db, upstream, user, now)?,
        None => None,
    };
    store_project(db, upstream, job.project_id, &job.project_path, now)?;
    store_pipeline(db, job.project_id, &job.pipeline, user_id, now)?;
    if jobs::find(db, job.id)?.is_some_and(|known| known.status.is_final()) {
        return Ok(StoreOutcome::Stored);
    }
    let changes = JobChanges {
        name: job.name.clone(),
        stage: Some(job.stage.clone()),
        status: job.status.as_str(),
        allow_failure: Some(job.allow_failure),
        retried: None,
        user_id: user_id.map(Some),
        token_sha256: None,
        coverage: None,
        failure_reason: None,
        created_at: job.created_at.map(Timestamp::as_millis),
        started_at: job.started_at.map(|time| Some(time.as_millis())),
        finished_at: None,
        erased_at: None,
    };
    jobs::upsert(db, job.id, job.project_id, job.pipeline.id, &changes, now)?;
    Ok(StoreOutcome::Stored)
}

/// Stores the path of a project of an upstream that has a row here: it may have been renamed or moved. Another
/// project of the upstream that had the path loses it. Needs [`super::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn store_path(db: &mut Db, upstream: &str, id: i64, path: &str, now: Timestamp) -> Result<()> {
    db.lock_whole_catalog()?;
    let known = projects::find(db, &ProjectRef::Id(id))?;
    let is_ours = known.is_some_and(|known| known.upstream.as_deref() == Some(upstream));
    if is_ours && holder(db, path)?.is_none_or(|holder| holder.upstream.as_deref() == Some(upstream)) {
        store_project(db, upstream, id, path, now)?;
    }
    Ok(())
}

/// Returns what keeps a job from being stored, in a few words.
fn in_the_way(db: &mut Db, upstream: &str, job: &ForeignJob) -> Result<Option<String>> {
    let is_foreign = |project: &Project| project.upstream.as_deref() == Some(upstream);
    if let Some(project) = projects::find(db, &ProjectRef::Id(job.project_id))?
        && !is_foreign(&project)
    {
        return Ok(Some(format!("project {} is registered here as {}", project.id, project.path)));
    }
    if let Some(project) = holder(db, &job.project_path)?
        && !is_foreign(&project)
    {
        return Ok(Some(format!("path {} is registered here for project {}", project.path, project.id)));
    }
    let pipeline = pipelines::project_of(db, job.pipeline.id)?;
    if pipeline.is_some_and(|project_id| project_id != job.project_id) {
        return Ok(Some(format!("pipeline {} belongs to another project here", job.pipeline.id)));
    }
    let known = jobs::find(db, job.id)?;
    if known.is_some_and(|known| known.project_id != job.project_id || known.pipeline_id != job.pipeline.id) {
        return Ok(Some(format!("job {} belongs to another pipeline here", job.id)));
    }
    Ok(None)
}

fn holder(db: &mut Db, path: &str) -> Result<Option<Project>> {
    projects::find(db, &ProjectRef::Path(path.to_owned()))
}

fn store_project(db: &mut Db, upstream: &str, id: i64, path: &str, now: Timestamp) -> Result<()> {
    let known = projects::find(db, &ProjectRef::Id(id))?;
    if known.as_ref().is_some_and(|known| known.path == path) {
        return Ok(());
    }
    if let Some(other) = holder(db, path)?.filter(|other| other.id != id) {
        // No path begins with a hyphen: this one leads nowhere until the other project's own is learnt.
        let nowhere = format!("-/{}", other.id);
        diesel::update(projects_table::table.find(other.id))
            .set((projects_table::path.eq(&nowhere), projects_table::path_lower.eq(&nowhere)))
            .execute(db)?;
    }
    let is_new = known.is_none();
    let changes = ProjectChanges {
        path: path.to_owned(),
        path_lower: path.to_lowercase(),
        name: path.rsplit('/').next().map(str::to_owned),
        visibility: None,
        // Nobody reads by what is stored here: the upstream is asked.
        public_jobs: is_new.then_some(false),
        default_branch: None,
        keep_latest_artifact: None,
        max_artifact_bytes: None,
    };
    projects::upsert(db, id, &changes, now)?;
    diesel::update(projects_table::table.find(id))
        .set(projects_table::upstream.eq(Some(upstream)))
        .execute(db)?;
    Ok(())
}

fn store_pipeline(
    db: &mut Db,
    project_id: i64,
    pipeline: &ForeignPipeline,
    user_id: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let is_known = pipelines::project_of(db, pipeline.id)?.is_some();
    let iid = match (is_known, pipeline.iid) {
        (true, _) => None,
        (false, Some(iid)) => Some(iid),
        // Unlike any that a server gives, and no other pipeline's.
        (false, None) => Some(-pipeline.id),
    };
    let changes = PipelineChanges {
        iid,
        ref_name: pipeline.ref_name.clone(),
        tag: pipeline.tag,
        sha: pipeline.sha.clone(),
        status: pipeline.status.as_str(),
        source: (pipeline.source != Source::Unknown).then_some(pipeline.source.as_str()),
        user_id: user_id.filter(|_| !is_known).map(Some),
        created_at: pipeline.created_at.map(Timestamp::as_millis),
        updated_at: now.as_millis(),
        started_at: None,
        // A pipeline that runs has not ended, whatever was known before.
        finished_at: (!pipeline.status.is_finished()).then_some(None),
    };
    let source = changes.source.unwrap_or(Source::Unknown.as_str());
    let source = if is_known { changes.source } else { Some(source) };
    pipelines::upsert(db, pipeline.id, project_id, &PipelineChanges { source, ..changes }, now)
}

/// Stores a user, and returns its ID; `None` if the number or the name is another's here.
fn store_user(db: &mut Db, upstream: &str, user: &ForeignUser, now: Timestamp) -> Result<Option<i64>> {
    let known: Option<(String, Option<String>)> =
        users::table.find(user.id).select((users::username, users::upstream)).first(db).optional()?;
    let named: Option<i64> = super::users::id_by_username(db, &user.username)?;
    let name_is_free = named.is_none_or(|id| id == user.id);
    match known {
        Some((_, of)) if of.as_deref() != Some(upstream) => Ok(None),
        Some((username, _)) => {
            if username != user.username && name_is_free {
                diesel::update(users::table.find(user.id))
                    .set((users::username.eq(&user.username), users::name.eq(&user.name)))
                    .execute(db)?;
            }
            Ok(Some(user.id))
        }
        None if !name_is_free => Ok(None),
        None => {
            diesel::insert_into(users::table)
                .values((
                    users::id.eq(user.id),
                    users::uuid.eq(new_uuid()),
                    users::username.eq(&user.username),
                    users::name.eq(&user.name),
                    users::admin.eq(false),
                    users::created_at.eq(now.as_millis()),
                    users::upstream.eq(Some(upstream)),
                ))
                .execute(db)?;
            Ok(Some(user.id))
        }
    }
}

/// Returns the upstream of the project of a job.
///
/// # Errors
/// Those of the database.
pub fn upstream_of_job(db: &mut Db, id: i64) -> Result<Option<String>> {
    let found: Option<Option<String>> = jobs_table::table
        .inner_join(projects_table::table)
        .filter(jobs_table::id.eq(id))
        .select(projects_table::upstream)
        .first(db)
        .optional()?;
    Ok(found.flatten())
}

/// Returns the upstream of the project of a pipeline.
///
/// # Errors
/// Those of the database.
pub fn upstream_of_pipeline(db: &mut Db, id: i64) -> Result<Option<String>> {
    let found: Option<Option<String>> = pipelines_table::table
        .inner_join(projects_table::table)
        .filter(pipelines_table::id.eq(id))
        .select(projects_table::upstream)
        .first(db)
        .optional()?;
    Ok(found.flatten())
}
