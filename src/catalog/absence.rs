//! Why a lookup by ref found nothing: asked only then, for whoever has to find the mistake.

use std::fmt;

use diesel::prelude::*;

use super::Db;
use super::schema::{jobs, pipelines};
use crate::domain::Result;
use crate::domain::pipeline::Source;
use crate::domain::status::Status;

/// How many of a ref's newest successful pipelines are looked at for a search through recent ones.
const RECENT_PIPELINES: i64 = 100;

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// No pipeline that ran on the ref for itself has succeeded.
    NoSuccess,
    /// The job did not run there.
    NoJob,
    /// It ran, and did not succeed.
    Unsuccessful(Status),
    /// It succeeded, and what it handed over is not there (any more).
    NoArtifact,
}

/// Why there is no such job in the newest successful pipeline of a ref and its family or, with
/// `search_recent`, in the newest 100.
///
/// # Errors
/// Only those of the database.
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
