//! Dependencies of a job that the upstream hands to a runner: their archives, as far as they are here.

use std::collections::HashMap;

use super::Access;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::projects::{self, Project};
use crate::catalog::{jobs, latest};
use crate::domain::project::ProjectRef;
use crate::domain::{Error, Timestamp};

/// What a runner is told of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldArchive {
    /// The file name under which it is downloaded.
    pub filename: String,
    /// Its size in bytes.
    pub size_bytes: i64,
}

impl Access {
    /// Finds which of these jobs of one project of the upstream have an archive here that can be read at `now`.
    /// Archives that are copies of the upstream's are left out: they are readable only while it has its own.
    ///
    /// No permission is checked: the upstream itself names the jobs, to the runner of a job that depends on them.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn archives_of_dependencies(
        &self,
        project_id: i64,
        job_ids: Vec<i64>,
        now: Timestamp,
    ) -> Result<HashMap<i64, HeldArchive>, Error> {
        let upstream = self.upstream.as_ref().map(|upstream| upstream.name().to_owned());
        self.catalog
            .read(move |db| {
                let mut held = HashMap::new();
                let project = projects::find(db, &ProjectRef::Id(project_id))?;
                let is_its = |it: &Project| it.upstream.is_some() && it.upstream == upstream && !it.is_gone();
                let Some(project) = project.filter(is_its) else { return Ok(held) };
                for (job_id, mut found) in artifacts::of_jobs(db, &job_ids)? {
                    let job = jobs::find(db, job_id)?.filter(|job| job.project_id == project.id);
                    let Some(job) = job else { continue };
                    latest::retain_available(db, &project, &job, &mut found, now)?;
                    if let Some(archive) = Artifact::archive_among(&found).filter(|it| !it.is_copy()) {
                        let Artifact { filename, size_bytes, .. } = archive.clone();
                        held.insert(job_id, HeldArchive { filename, size_bytes });
                    }
                }
                Ok(held)
            })
            .await
    }
}
