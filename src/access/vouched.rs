//! Uploads of vouched jobs: jobs for which their CI system vouches by an ID token. Their rows come with the first
//! upload; nothing is registered before.

use crate::access::uploads::{require_running, room_of, smaller_limit};
use crate::access::{Access, AccessError, AuthorizedUpload, NumberedJob};
use crate::audit::AuditContext;
use crate::auth::VouchedJob;
use crate::catalog::foreign::{self, ForeignId, StoreOutcome, VouchedRows};
use crate::catalog::jobs::Job;
use crate::domain::{Error, ErrorKind, Timestamp};
use crate::upstream::{ArchiveAt, Asker};

/// What a vouched job says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// Its name in the pipeline.
    pub name: Option<String>,
    /// Whether it and its pipeline are successful with this upload.
    pub finished: bool,
}

impl Access {
    /// Requires that a vouched job may upload, and stores its rows.
    ///
    /// # Errors
    /// [`AccessError::TokenOfAnotherJob`], [`AccessError::JobNotRunning`], [`AccessError::JobErased`]; `Forbidden` if it
    /// says that it has finished and may not, or if its rows cannot be stored because others are registered here.
    pub async fn upload_of_vouched_job(
        &self,
        job: &VouchedJob,
        wanted: NumberedJob,
        statement: &Statement,
        audit: &AuditContext,
        now: Timestamp,
    ) -> Result<AuthorizedUpload, AccessError> {
        audit.set_credential("id_token");
        require_may_finish(job, statement)?;
        let mut known = self.rows_of_vouched_job(job).await?;
        if known.job.is_none() && statement.name.is_none() && self.learn_vouched_job(job, now).await? {
            known = self.rows_of_vouched_job(job).await?;
        }
        let number = match (&known.job, &job.id) {
            (Some(known), _) => Some(known.id),
            (None, ForeignId::Number(number)) => Some(*number),
            (None, ForeignId::Text { .. }) => None,
        };
        if let NumberedJob::Id(wanted) = wanted
            && Some(wanted) != number
        {
            return Err(AccessError::TokenOfAnotherJob);
        }
        let (found, project) = match (known.job, known.project) {
            (Some(found), Some(project)) if is_as_stated(&found, &project.path, job, statement) => {
                (found, project)
            }
            (found, _) => {
                // One that was only told to be waiting runs: its token shows that.
                if let Some(found) =
                    found.as_ref().filter(|found| found.status.is_final() || found.erased_at.is_some())
                {
                    require_running(found)?;
                }
                self.store_vouched_job(job, statement, now).await?
            }
        };
        audit.set_vouched_job(found.id, &project.path);
        audit.set_job(found.id);
        audit.set_project(&project);
        require_running(&found)?;
        let limit_bytes = smaller_limit(self.max_artifact_bytes, project.max_artifact_bytes);
        let reading = self.catalog.read(move |db| {
            let room = room_of(db, &found, limit_bytes)?;
            Ok(AuthorizedUpload { job: found, room, foreign: None })
        });
        reading.await
    }

    /// Takes over what a vouched job said after its file, and ends it if it said so.
    ///
    /// # Errors
    /// As [`Access::upload_of_vouched_job`].
    pub async fn end_of_vouched_upload(
        &self,
        job: &VouchedJob,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        require_may_finish(job, statement)?;
        let (job, statement) = (job.clone(), statement.clone());
        self.catalog
            .write(move |db| {
                let name = (statement.name.as_deref(), job.default_name.as_str());
                match foreign::store_vouched(db, &job.project, &job.pipeline, &job.id, name, now)? {
                    StoreOutcome::Stored(found, _) if statement.finished => {
                        Ok(foreign::finish_vouched(db, &found, now)?)
                    }
                    StoreOutcome::Stored(..) => Ok(()),
                    StoreOutcome::InTheWay(why) => Err(in_the_way(why)),
                }
            })
            .await
    }

    async fn rows_of_vouched_job(&self, job: &VouchedJob) -> Result<VouchedRows, Error> {
        let job = job.clone();
        self.catalog.read(move |db| foreign::find_vouched(db, &job.project, &job.pipeline.id, &job.id)).await
    }

    /// Has the upstream tell a job whose ID token does not tell its name, as far as its own token may read it; `false`
    /// if nothing was learnt, and the job goes by the name that such jobs have.
    async fn learn_vouched_job(&self, job: &VouchedJob, now: Timestamp) -> Result<bool, Error> {
        let upstream = self.upstream.clone().filter(|upstream| upstream.name() == job.project.upstream);
        let (Some(upstream), &ForeignId::Number(project_id), &ForeignId::Number(job_id)) =
            (upstream, &job.project.id, &job.id)
        else {
            return Ok(false);
        };
        let asked = upstream.clone();
        let archive = ArchiveAt { project_id, job_id, as_dependency: false };
        let asking =
            upstream.spawn(async move { asked.job_facts(&Asker::NOBODY, None, archive, None).await });
        let told = match asking.await.map_err(Error::internal)? {
            Ok(Some(told)) if ForeignId::Number(told.job.pipeline.id) == job.pipeline.id => told.job,
            // Whoever asks has said in the log why there is no answer.
            Ok(_) | Err(_) => return Ok(false),
        };
        let name = upstream.name().to_owned();
        let storing = self.catalog.write(move |db| foreign::store_job(db, &name, &told, now));
        Ok(matches!(storing.await?, StoreOutcome::Stored(..)))
    }

    async fn store_vouched_job(
        &self,
        job: &VouchedJob,
        statement: &Statement,
        now: Timestamp,
    ) -> Result<(Job, crate::catalog::projects::Project), AccessError> {
        let (job, name) = (job.clone(), statement.name.clone());
        self.catalog
            .write(move |db| {
                let name = (name.as_deref(), job.default_name.as_str());
                match foreign::store_vouched(db, &job.project, &job.pipeline, &job.id, name, now)? {
                    StoreOutcome::Stored(found, project) => Ok((found, project)),
                    StoreOutcome::InTheWay(why) => Err(in_the_way(why)),
                }
            })
            .await
    }
}

/// Whether the rows already say what the token and the job say, so that no write is needed.
fn is_as_stated(found: &Job, path: &str, job: &VouchedJob, statement: &Statement) -> bool {
    found.status.is_executing()
        && path == job.project.path
        && statement.name.as_ref().is_none_or(|name| *name == found.name)
}

/// Requires that a job that says that it was successful is of a workflow that may say so.
fn require_may_finish(job: &VouchedJob, statement: &Statement) -> Result<(), AccessError> {
    if statement.finished && !job.may_finish {
        let why = "finished: no rule of oidc.allow names the workflow of this job";
        return Err(Error::new(ErrorKind::Forbidden, why).into());
    }
    Ok(())
}

fn in_the_way(why: String) -> AccessError {
    Error::new(ErrorKind::Forbidden, "").with_source(why).into()
}
