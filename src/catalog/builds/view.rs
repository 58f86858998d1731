//! Build views: builds with their jobs, projects, creators and meta-data, as dialects show them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::counters::{Counters, counters};
use super::jobs::{JobGroup, groups};
use crate::catalog::Db;
use crate::catalog::agents::AgentJob;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{agent_jobs, commits, jobs, pipelines, projects, users};
use crate::catalog::users::UserDetails;
use crate::domain::build::{Agent, Author, PullRequest, Slugs, TextMap};
use crate::domain::pipeline::Source;
use crate::domain::status::Status;
use crate::domain::{Result, RowId, Timestamp, Uuid};

/// The columns of a build.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = pipelines, check_for_backend(MultiBackend))]
pub struct BuildView {
    /// The ID of the pipeline.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// The project it belongs to.
    pub project_id: i64,
    /// Its number in the project.
    pub iid: i64,
    /// The branch, tag or merge request it ran on.
    pub ref_name: String,
    /// Whether the ref is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: String,
    /// The status that was registered last.
    pub status: Status,
    /// The source of the pipeline.
    pub source: Source,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The message.
    pub message: Option<String>,
    /// Environment variables.
    pub env: Option<TextMap>,
    /// The author.
    pub author: Option<Author>,
    /// The pull request.
    pub pull_request: Option<PullRequest>,
    /// Why it was canceled.
    pub cancel_reason: Option<String>,
    /// The pipeline of which it is a repetition.
    pub rebuilt_from: Option<i64>,
}

/// The columns of a job of a build.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
pub struct BuildJob {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// The pipeline it belongs to.
    pub pipeline_id: i64,
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// The status that was registered last.
    pub status: Status,
    /// Whether its failure does not fail the pipeline.
    pub allow_failure: bool,
    /// Whether a later attempt replaced it.
    pub retried: bool,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The command.
    pub command: Option<String>,
    /// The exit status of the command.
    pub exit_status: Option<i64>,
    /// The name of the step that stays the same when its label changes.
    pub step_key: Option<String>,
    /// Whether it failed in a way that fails nothing else.
    pub soft_failed: Option<bool>,
    /// Its number among the parallel jobs of its step.
    pub parallel_group_index: Option<i64>,
    /// The number of parallel jobs of its step.
    pub parallel_group_total: Option<i64>,
    /// The agent that runs it.
    pub agent: Option<Agent>,
    /// What it has beside other jobs, if agents run it.
    #[diesel(embed)]
    pub by_agents: Option<AgentJob>,
}

impl BuildJob {
    /// Whether its failure fails nothing else.
    pub fn may_fail(&self) -> bool {
        self.soft_failed.unwrap_or(self.allow_failure)
    }

    /// Whether it failed, is the newest attempt, and fails its build.
    pub fn fails_the_build(&self) -> bool {
        self.status == Status::Failed && !self.retried && !self.allow_failure && !self.may_fail()
    }
}

/// The columns of a project of builds.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(MultiBackend))]
pub struct BuildProject {
    /// Its ID.
    pub id: i64,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its full path.
    pub path: String,
    /// The display name.
    pub name: String,
    /// The branch that is shown first.
    pub default_branch: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The organization's slug; `None` for a row of a node of an older release.
    pub organization_slug: Option<String>,
    /// The pipeline's slug.
    pub pipeline_slug: Option<String>,
}

impl BuildProject {
    /// Its slugs; one that an older release has just created is named as it will be.
    pub fn slugs(&self) -> Slugs {
        match (&self.organization_slug, &self.pipeline_slug) {
            (Some(organization), Some(pipeline)) => {
                Slugs { organization: organization.clone(), pipeline: pipeline.clone() }
            }
            _ => Slugs::of_path(&self.path),
        }
    }
}

/// A build and the rows that belong to it.
#[derive(Debug, Clone)]
pub struct Build {
    /// The build.
    pub build: BuildView,
    /// Its project.
    pub project: BuildProject,
    /// The user who started it.
    pub creator: Option<UserDetails>,
    /// All its jobs, retried ones too, in the order of creation; none if it is read in outline.
    pub jobs: Vec<BuildJob>,
    /// All its jobs, as far as they decide its state.
    pub groups: Vec<JobGroup>,
    /// What waits and runs in its project.
    pub counters: Counters,
    /// Its meta-data.
    pub meta_data: TextMap,
    /// UUID and number of the build of which it is a repetition.
    pub rebuilt_from: Option<(Uuid, i64)>,
    /// The title of its commit, if it was registered.
    pub commit_title: Option<String>,
}

/// Finds the builds with these pipeline IDs, in this order, without those that do not exist: a few statements,
/// however many there are.
///
/// # Errors
/// Those of the database.
pub fn all(db: &mut Db, ids: &[i64]) -> Result<Vec<Build>> {
    read(db, ids, true)
}

/// Like [`all`], without the jobs themselves.
///
/// # Errors
/// Those of the database.
pub fn in_outline(db: &mut Db, ids: &[i64]) -> Result<Vec<Build>> {
    read(db, ids, false)
}

fn read(db: &mut Db, ids: &[i64], with_jobs: bool) -> Result<Vec<Build>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    type Row = (BuildView, BuildProject, Option<UserDetails>, Option<String>);
    let of_pipeline = commits::project_id.eq(pipelines::project_id).and(commits::sha.eq(pipelines::sha));
    let rows: Vec<Row> = pipelines::table
        .inner_join(projects::table)
        .left_join(users::table)
        .left_join(commits::table.on(of_pipeline))
        .filter(pipelines::id.eq_any(ids))
        .select((
            BuildView::as_select(),
            BuildProject::as_select(),
            Option::<UserDetails>::as_select(),
            commits::title.nullable(),
        ))
        .load(db)?;
    let mut groups = if with_jobs { HashMap::new() } else { groups(db, ids)? };
    let of_builds: Vec<BuildJob> = if with_jobs {
        let of_pipelines = jobs::table.left_join(agent_jobs::table).filter(jobs::pipeline_id.eq_any(ids));
        of_pipelines.order(jobs::id.asc()).select(BuildJob::as_select()).load(db)?
    } else {
        Vec::new()
    };
    let mut project_ids: Vec<i64> = rows.iter().map(|(build, ..)| build.project_id).collect();
    project_ids.sort_unstable();
    project_ids.dedup();
    let counters = counters(db, &project_ids)?;
    let mut by_build: HashMap<i64, Vec<BuildJob>> = HashMap::new();
    for job in of_builds {
        by_build.entry(job.pipeline_id).or_default().push(job);
    }
    let originals: Vec<i64> = rows.iter().filter_map(|(build, ..)| build.rebuilt_from).collect();
    let originals: Vec<(i64, i64, Uuid, i64)> = pipelines::table
        .filter(pipelines::id.eq_any(originals))
        .select((pipelines::id, pipelines::project_id, pipelines::uuid, pipelines::iid))
        .load(db)?;
    let mut meta_data = super::meta_data(db, ids)?;
    let mut found: HashMap<i64, Build> = HashMap::with_capacity(rows.len());
    for (build, project, creator, commit_title) in rows {
        let id = build.id;
        // One of another project is not shown: the number may have been taken there after it was named.
        let named = (build.rebuilt_from, build.project_id);
        let original = originals.iter().find(|(id, project_id, ..)| (Some(*id), *project_id) == named);
        let jobs = by_build.remove(&id).unwrap_or_default();
        let details = Build {
            groups: if with_jobs { JobGroup::of(&jobs) } else { groups.remove(&id).unwrap_or_default() },
            counters: counters.get(&build.project_id).copied().unwrap_or_default(),
            project,
            creator,
            jobs,
            meta_data: meta_data.remove(&id).unwrap_or_default(),
            rebuilt_from: original.map(|(.., uuid, iid)| (*uuid, *iid)),
            commit_title,
            build,
        };
        found.insert(id, details);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Finds the build with this pipeline ID.
///
/// # Errors
/// Those of the database.
pub fn find(db: &mut Db, id: i64) -> Result<Option<Build>> {
    Ok(all(db, &[id])?.pop())
}

/// Finds the pipeline of a project by its number in the project.
///
/// # Errors
/// Those of the database.
pub fn find_by_number(db: &mut Db, project_id: i64, number: i64) -> Result<Option<i64>> {
    Ok(pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::iid.eq(number))
        .select(pipelines::id)
        .first(db)
        .optional()?)
}

/// Finds a job by its UUID: its ID, its pipeline's and its project's.
///
/// # Errors
/// Those of the database.
pub fn job_by_uuid(db: &mut Db, uuid: Uuid) -> Result<Option<(i64, i64, i64)>> {
    Ok(jobs::table
        .filter(jobs::uuid.eq(uuid.as_bytes().as_slice()))
        .select((jobs::id, jobs::pipeline_id, jobs::project_id))
        .first(db)
        .optional()?)
}

/// Finds a pipeline by its ID or UUID: its ID and its project's.
///
/// # Errors
/// Those of the database.
pub fn ids_of(db: &mut Db, id: &RowId) -> Result<Option<(i64, i64)>> {
    let ids = (pipelines::id, pipelines::project_id);
    let found = match id {
        RowId::Number(number) => pipelines::table.find(*number).select(ids).get_result(db),
        RowId::Uuid(uuid) => {
            pipelines::table.filter(pipelines::uuid.eq(uuid.as_bytes().as_slice())).select(ids).get_result(db)
        }
    };
    Ok(found.optional()?)
}

/// Finds a project of builds by ID.
///
/// # Errors
/// Those of the database.
pub fn project(db: &mut Db, id: i64) -> Result<Option<BuildProject>> {
    Ok(projects::table.find(id).select(BuildProject::as_select()).first(db).optional()?)
}
