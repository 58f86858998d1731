//! Rows of what an upstream tells: the states of pipelines and jobs, in the order of its own clock.

use diesel::prelude::*;

use super::numbers::{self, Kind};
use super::projects::{IS_GONE, known_project};
use super::{Applied, ForeignId, Report, ReportedJob, ReportedPipeline, ReportedState};
use crate::catalog::Db;
use crate::catalog::jobs::{self, JobChanges};
use crate::catalog::pipelines::{self, PipelineChanges};
use crate::catalog::schema::{jobs as jobs_table, pipelines as pipelines_table};
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::status::Status;
use crate::domain::{Result, Timestamp};

/// What is known besides of what is told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Telling {
    /// The user whose rights it has, if that is told.
    pub(super) user_id: Option<i64>,
    /// Whether it is told now, so that nothing that is known can be newer.
    pub(super) is_current: bool,
}

/// What is known of a state.
struct Known {
    status: Status,
    told_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

/// Takes a report over into the rows of a project that is kept here. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn apply_report(db: &mut Db, report: &Report, now: Timestamp) -> Result<Applied> {
    db.lock_whole_catalog()?;
    let Some(project) = known_project(db, &report.project)? else {
        return Ok(Applied::Ignored("nothing of the project is kept here"));
    };
    if project.is_gone() {
        return Ok(Applied::Ignored(IS_GONE));
    }
    let upstream = &report.project.upstream;
    let kind = Kind::Pipeline(project.id);
    let pipeline_id = match &report.of_pipeline {
        Some(_) => numbers::find_or_give(db, upstream, kind, &report.pipeline)?,
        None => match numbers::find(db, upstream, kind, &report.pipeline)? {
            Some(id) => id,
            None => return Ok(Applied::Ignored("pipeline is not known")),
        },
    };
    let owner = pipelines::project_of(db, pipeline_id)?;
    if owner.is_some_and(|owner| owner != project.id) {
        return Ok(Applied::Ignored("pipeline belongs to another project"));
    }
    let mut applied = Applied::Older;
    match &report.of_pipeline {
        Some((pipeline, state)) => {
            let told = (pipeline, state);
            if apply_pipeline(db, (project.id, pipeline_id), told, Telling::default(), now)? {
                applied = Applied::Taken;
            }
            if report.ref_is_foreign {
                let of_pipeline = pipelines_table::table.find(pipeline_id);
                let source = Source::ExternalPullRequestEvent.as_str();
                diesel::update(of_pipeline)
                    .set((pipelines_table::ref_name.eq(UNKNOWN_REF), pipelines_table::source.eq(source)))
                    .execute(db)?;
            }
            apply_parent(db, project.id, pipeline_id, report.parent)?;
        }
        None if owner.is_none() => return Ok(Applied::Ignored("pipeline is not known")),
        None => {}
    }
    for job in &report.jobs {
        if apply_job(db, upstream, (project.id, pipeline_id), job, Telling::default(), now)? {
            applied = Applied::Taken;
        }
    }
    Ok(applied)
}

/// Whether a report is to be taken over what is known: it is newer by the upstream's clock, or of the same time and
/// tells the end.
fn is_newer(known: &Known, state: &ReportedState) -> bool {
    let told = known.told_at.max(known.finished_at.filter(|_| known.status.is_final()));
    match told {
        Some(told) if state.clock == told => state.status.is_final() || !known.status.is_final(),
        Some(told) => state.clock > told,
        None => true,
    }
}

/// Stores what is told of a pipeline; `false` if what is known is newer. Needs [`crate::catalog::Catalog::write`] and the
/// lock of the whole catalog.
pub(super) fn apply_pipeline(
    db: &mut Db,
    (project_id, id): (i64, i64),
    (pipeline, state): (&ReportedPipeline, &ReportedState),
    telling: Telling,
    now: Timestamp,
) -> Result<bool> {
    type Row = (Status, Option<Timestamp>, Option<Timestamp>, String);
    let known: Option<Row> = pipelines_table::table
        .find(id)
        .select((
            pipelines_table::status,
            pipelines_table::told_at,
            pipelines_table::finished_at,
            pipelines_table::ref_name,
        ))
        .first(db)
        .optional()?;
    if let Some((status, told_at, finished_at, _)) = known
        && !telling.is_current
        && !is_newer(&Known { status, told_at, finished_at }, state)
    {
        return Ok(false);
    }
    let is_new = known.is_none();
    let told_at = known.as_ref().and_then(|(_, told_at, ..)| *told_at).max(Some(state.clock));
    // What is known of a ref and a source stays where the report does not tell them.
    let tells_ref = known.is_none() || pipeline.ref_name != UNKNOWN_REF;
    let ref_name = match known {
        Some((.., ref_name)) if !tells_ref => ref_name,
        _ => pipeline.ref_name.clone(),
    };
    let ends = state.status.is_final();
    let changes = PipelineChanges {
        iid: iid_of(db, project_id, id, pipeline)?,
        ref_name,
        tag: pipeline.tag.filter(|_| tells_ref),
        sha: pipeline.sha.clone(),
        status: state.status.as_str(),
        source: (is_new || pipeline.source != Source::Unknown).then_some(pipeline.source.as_str()),
        user_id: telling.user_id.filter(|_| is_new).map(Some),
        created_at: state.created_at.map(Timestamp::as_millis),
        updated_at: now.as_millis(),
        started_at: state.started_at.map(|time| Some(time.as_millis())),
        finished_at: Some(
            state.finished_at.or(ends.then_some(state.clock)).filter(|_| ends).map(Timestamp::as_millis),
        ),
    };
    pipelines::upsert(db, id, project_id, &changes, now)?;
    diesel::update(pipelines_table::table.find(id))
        .set(pipelines_table::told_at.eq(told_at.map(Timestamp::as_millis)))
        .execute(db)?;
    if state.status == Status::Success {
        end_untold_jobs(db, id, state.finished_at.unwrap_or(state.clock))?;
    }
    Ok(true)
}

/// Ends the jobs of a successful pipeline of which only they themselves told: they ran, and did not fail it.
fn end_untold_jobs(db: &mut Db, pipeline_id: i64, finished_at: Timestamp) -> Result<()> {
    let executing = Status::words(Status::is_executing);
    let untold = jobs_table::table
        .filter(jobs_table::pipeline_id.eq(pipeline_id))
        .filter(jobs_table::told_at.is_null())
        .filter(jobs_table::status.eq_any(executing));
    diesel::update(untold)
        .set((
            jobs_table::status.eq(Status::Success.as_str()),
            jobs_table::finished_at.eq(Some(finished_at.as_millis())),
        ))
        .execute(db)?;
    Ok(())
}

/// Sets the parent of a pipeline once, within its project.
fn apply_parent(db: &mut Db, project_id: i64, id: i64, parent: Option<i64>) -> Result<()> {
    let Some(parent) = parent.filter(|parent| *parent != id) else { return Ok(()) };
    if pipelines::parent_of(db, id)?.is_some() || pipelines::project_of(db, parent)? != Some(project_id) {
        return Ok(());
    }
    match pipelines::set_parent(db, id, Some(parent)) {
        // A cycle: the report is wrong about it.
        Err(error) if error.kind() == crate::domain::ErrorKind::Invalid => Ok(()),
        done => done,
    }
}

/// Stores what is told of a job; `false` if what is known is newer, or it cannot be stored. Needs
/// [`crate::catalog::Catalog::write`] and the lock of the whole catalog.
pub(super) fn apply_job(
    db: &mut Db,
    upstream: &str,
    (project_id, pipeline_id): (i64, i64),
    job: &ReportedJob,
    telling: Telling,
    now: Timestamp,
) -> Result<bool> {
    let kind = Kind::Job(pipeline_id);
    let id = match (&job.name, numbers::find(db, upstream, kind, &job.id)?) {
        (_, Some(id)) => id,
        (Some(_), None) => numbers::find_or_give(db, upstream, kind, &job.id)?,
        // Only its own upload tells the name of such a job.
        (None, None) => return Ok(false),
    };
    type Row = (i64, Status, Option<Timestamp>, Option<Timestamp>, String);
    let known: Option<Row> = jobs_table::table
        .find(id)
        .select((
            jobs_table::pipeline_id,
            jobs_table::status,
            jobs_table::told_at,
            jobs_table::finished_at,
            jobs_table::name,
        ))
        .first(db)
        .optional()?;
    let state = &job.state;
    if let Some((owner, status, told_at, finished_at, known_name)) = &known {
        // One that has said itself how it ended is called what it is called there, whatever it does there still.
        if let Some(name) = job.name.as_ref().filter(|name| *name != known_name)
            && *owner == pipeline_id
            && status.is_final()
            && told_at.is_none()
        {
            jobs::rename(db, id, name)?;
        }
        let known = Known { status: *status, told_at: *told_at, finished_at: *finished_at };
        // A job that has ended never changes again; what else the report says of it is of use only once.
        let has_ended = status.is_final() && (told_at.is_some() || state.status != *status);
        let is_older = !telling.is_current && told_at.is_some() && !is_newer(&known, state);
        if *owner != pipeline_id || has_ended || is_older {
            return Ok(false);
        }
    }
    let told_at = known.as_ref().and_then(|(_, _, told_at, ..)| *told_at).max(Some(state.clock));
    let name = job.name.clone().or(known.map(|(.., name)| name)).unwrap_or_else(|| "job".to_owned());
    let ends = state.status.is_final();
    let changes = JobChanges {
        name,
        stage: job.stage.clone(),
        status: state.status.as_str(),
        allow_failure: job.allow_failure,
        retried: None,
        user_id: telling.user_id.map(Some),
        token_sha256: None,
        coverage: None,
        failure_reason: None,
        created_at: state.created_at.map(Timestamp::as_millis),
        started_at: state.started_at.map(|time| Some(time.as_millis())),
        finished_at: ends.then(|| Some(state.finished_at.unwrap_or(state.clock).as_millis())),
        erased_at: None,
    };
    jobs::upsert(db, id, project_id, pipeline_id, &changes, now)?;
    diesel::update(jobs_table::table.find(id))
        .set(jobs_table::told_at.eq(told_at.map(Timestamp::as_millis)))
        .execute(db)?;
    Ok(true)
}

/// Returns the number in its project that a pipeline gets: the reported one if it is free, none for a row that has one
/// or gets the next, and else one that no upstream gives.
pub(super) fn iid_of(
    db: &mut Db,
    project_id: i64,
    id: i64,
    pipeline: &ReportedPipeline,
) -> Result<Option<i64>> {
    let of_row: Option<i64> =
        pipelines_table::table.find(id).select(pipelines_table::iid).first(db).optional()?;
    let other = match pipeline.id {
        ForeignId::Number(_) if of_row.is_none() => Some(-id),
        // The upstream has no such number, or the row has one.
        ForeignId::Number(_) | ForeignId::Text { .. } => None,
    };
    let Some(iid) = pipeline.iid else { return Ok(other) };
    let holder: Option<i64> = pipelines_table::table
        .filter(pipelines_table::project_id.eq(project_id))
        .filter(pipelines_table::iid.eq(iid))
        .select(pipelines_table::id)
        .first(db)
        .optional()?;
    Ok(if holder.is_none() { Some(iid) } else { other })
}
