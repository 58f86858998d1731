//! Absence: why a lookup by ref found nothing. It is computed only then, for users who look for their
//! mistake.

use std::fmt;

use diesel::prelude::*;

use super::Db;
use super::schema::{jobs, pipelines};
use crate::domain::Result;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;

/// How many of a ref's newest successful pipelines a search through recent ones reads.
const RECENT_PIPELINES: i64 = 100;

/// The reason why a lookup by ref found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// No pipeline that ran for the ref itself has succeeded.
    NoSuccess,
    /// The pipelines have no job of the name.
    NoJob,
    /// The job ran and did not succeed; the status is that of its newest run.
    Unsuccessful(Status),
    /// The job succeeded, but its artifact does not exist or can no longer be read.
    NoArtifact,
}

/// Finds why the newest successful pipeline of a ref and its family have no such job or, with
/// `search_recent`, why the newest 100 have none.
///
/// # Errors
/// Those of the database.
pub fn by_ref(
    db: &mut Db,
    project_id: i64,
    ref_name: &str,
    job_name: &str,
    search_recent: bool,
) -> Result<Absence> {
    let mut successful = pipelines::table
        .filter(pipelines::project_id.eq(project_id))
        .filter(pipelines::ref_name.eq(ref_name))
        .filter(pipelines::status.eq(Status::Success.as_str()))
        .into_boxed();
    if !search_recent {
        let dangling = Source::DANGLING.iter().map(|source| source.as_str());
        successful = successful.filter(pipelines::source.ne_all(dangling));
    }
    let limit = if search_recent { RECENT_PIPELINES } else { 1 };
    let newest: Vec<(i64, i64)> = successful
        .order(pipelines::id.desc())
        .limit(limit)
        .select((pipelines::id, pipelines::root_id))
        .load(db)?;
    let Some((_, root_id)) = newest.first() else { return Ok(Absence::NoSuccess) };
    let named = jobs::table.inner_join(pipelines::table).filter(jobs::name.eq(job_name)).into_boxed();
    let among = if search_recent {
        named.filter(jobs::pipeline_id.eq_any(newest.iter().map(|(id, _)| *id)))
    } else {
        named.filter(pipelines::root_id.eq(*root_id))
    };
    let found: Vec<Status> = among.order(jobs::id.desc()).select(jobs::status).load(db)?;
    Ok(match found[..] {
        [] => Absence::NoJob,
        [newest, ..] if !found.contains(&Status::Success) => Absence::Unsuccessful(newest),
        [..] => Absence::NoArtifact,
    })
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuccess => f.write_str("ref has no successful pipeline"),
            Self::NoJob => f.write_str("job name is not in the pipeline"),
            Self::Unsuccessful(status) => write!(f, "job did not succeed in the pipeline: {status}"),
            Self::NoArtifact => f.write_str("job has no artifact that can be read"),
        }
    }
}
